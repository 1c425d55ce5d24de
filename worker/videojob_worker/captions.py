"""Subtitles that another step made, given to the files of a transcode.

Called by the step ``transcode`` when its pass is checked. ffmpeg copies; what it wrote is looked at again
before it takes the place of what was checked.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .boxes import NotMp4, read_movie
from .commands.captions import build_captioned
from .errors import Unverified
from .outputs import Produced
from .packaging.package import Subtitles
from .spans import Span
from .webvtt import build_webvtt, cut_cues, parse_webvtt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .steps import Workbench

FILE_NAME = "transcript.vtt"
"""Beside the files of a package."""
_MIME_TYPE = "text/vtt"
_TIMEOUT_SECONDS = 3600.0
_HANDLERS = ("sbtl", "text")


@dataclass(frozen=True)
class Transcribed(Produced):
    """A file of words, and what of the film was listened to for them: its times count from there."""

    span: Span = field(default_factory=Span)


@dataclass(frozen=True)
class Words:
    """A WebVTT file, and the language of its words."""

    path: Path
    language: str | None
    span: Span = field(default_factory=Span)
    """Of the film, that was listened to."""

    @property
    def are_there(self) -> bool:
        """Whether anything is said at all."""
        return "-->" in self.path.read_text(encoding="utf-8")


def find_words(made: Iterable[Produced]) -> Words | None:
    """The subtitles among what a step made; None if it failed."""
    found = (f for f in made if isinstance(f, Transcribed) and f.mime_type == _MIME_TYPE)
    return next((Words(file.path, file.language, file.span) for file in found), None)


def fitted(words: Words, span: Span, folder: Path) -> Words:
    """The words at the times of a stretch that may be another one than was listened to."""
    if words.span == span:
        return words
    cues = parse_webvtt(words.path.read_text(encoding="utf-8"))
    later = words.span.start - span.start
    length = None if span.end is None else span.end - span.start
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    text = build_webvtt(cut_cues((cue.moved(later) for cue in cues), length))
    path.write_text(text, encoding="utf-8")
    return Words(path, words.language, span)


def lay_beside(words: Words, folder: Path) -> Subtitles:
    """The subtitles as a file of a package."""
    shutil.copyfile(words.path, folder / FILE_NAME)
    return Subtitles(FILE_NAME, words.language)


def put_into(movie: Path, words: Words, bench: Workbench) -> None:
    """Give an MP4 the subtitles as a track.

    Raises:
        Unverified: if what comes out is not what went in, and the words.
    """
    if not words.are_there:
        return
    target = movie.with_suffix(".captioned")
    before = [(track.handler, track.samples) for track in read_movie(movie).tracks]
    number = sum(handler in _HANDLERS for handler, _ in before)
    language = _three_letters(words.language)
    argv = build_captioned(movie, words.path, language, target, number=number)
    bench.tools.run(argv, timeout_seconds=_TIMEOUT_SECONDS)
    try:
        after = [(track.handler, track.samples) for track in read_movie(target).tracks]
    except NotMp4 as error:
        raise Unverified(f"{movie.name} with subtitles is no whole MP4: {error}.") from error
    handler, cues = after[-1]
    if after[:-1] != before or handler not in _HANDLERS or not cues:
        raise Unverified(
            f"{movie.name} should hold {before} and subtitles, and holds {after} with them."
        )
    target.replace(movie)


def _three_letters(language: str | None) -> str | None:
    """MP4 has no shorter ones."""
    from langcodes import Language

    return Language.get(language).to_alpha3() if language else None
