"""WebVTT as text: tracks of sprites, of chapters and of words.

Called by what makes such tracks. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from html import unescape


@dataclass(frozen=True)
class Cue:
    """A text with the time in which it holds."""

    start: Fraction
    """Seconds."""
    end: Fraction
    text: str


def build_webvtt(cues: Iterable[Cue]) -> str:
    """The whole file."""
    blocks = [f"{format_time(c.start)} --> {format_time(c.end)}\n{c.text}\n" for c in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def read_texts(track: str) -> list[str]:
    """The texts of a track that this wrote, in order, as people read them."""
    blocks = (block.partition("\n") for block in track.split("\n\n"))
    return [unescape(text.strip()) for first, _, text in blocks if "-->" in first]


def format_time(seconds: Fraction) -> str:
    """``00:01:05.250``."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}.{milliseconds:03}"
