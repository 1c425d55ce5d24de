"""Languages as manifests name them.

Called by the manifests beside it. Pure.
"""

from __future__ import annotations


def language_tag(language: str | None) -> str | None:
    """The BCP 47 tag of a container's language; None when it says nothing."""
    from langcodes import standardize_tag  # only packages with sound or subtitles need it
    from langcodes.tag_parser import LanguageTagError

    if not language:
        return None
    try:
        tag = standardize_tag(language)
    except LanguageTagError:
        return None
    return None if tag == "und" else tag
