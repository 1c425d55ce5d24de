"""Proves that nothing which was said about the film went into a file of ours.

Called by ``check.py`` with what ffprobe sees of each output. Pure. What it lets pass is what a container
can't do without, and the languages of tracks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import Unverified
from .outputs import PlannedOutput

TRACES = "stream_tags:format_tags:chapter=id"
"""What ffprobe is to show."""
_ALLOWED = {
    "language": r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*",
    "handler_name": "(Video|Sound|Subtitle)Handler",
    "vendor_id": r"\[0\]\[0\]\[0\]\[0\]|FFMP",
    "encoder": r"Lav[cf].*",
    "duration": r"[\d:.]+",
    "major_brand": r"[\w ]{4}",
    "minor_version": r"\d+",
    "compatible_brands": r"[\w ]+",
}
"""Tags, and what may be in them; a container writes them by itself."""


def check_traces(output: PlannedOutput, document: Mapping[str, Any]) -> None:
    """Check what ffprobe shows of a file.

    Raises:
        Unverified: if there is a chapter, or a tag that may tell of the film, its maker or its place.
    """
    parts = [document.get("format", {}), *document.get("streams", ())]
    tags = [(key, str(value)) for part in parts for key, value in part.get("tags", {}).items()]
    found = [
        key for key, value in tags if not re.fullmatch(_ALLOWED.get(key.lower(), "(?!)"), value)
    ]
    if document.get("chapters"):
        found.append("chapters")
    if found:
        raise Unverified(
            f"{output.name} should say nothing about the film, and has: {', '.join(sorted(set(found)))}."
        )
