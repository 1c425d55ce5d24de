"""WebVTT as text: tracks of sprites, of chapters and of words.

Called by what makes such tracks. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from html import unescape

_TIMES = re.compile(r"([\d:.]+) --> ([\d:.]+)$")


@dataclass(frozen=True)
class Cue:
    """A text with the time in which it holds."""

    start: Fraction
    """Seconds."""
    end: Fraction
    text: str

    def moved(self, seconds: Fraction) -> Cue:
        """The same, later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


def build_webvtt(cues: Iterable[Cue]) -> str:
    """The whole file."""
    blocks = [f"{format_time(c.start)} --> {format_time(c.end)}\n{c.text}\n" for c in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def format_time(seconds: Fraction) -> str:
    """``00:01:05.250``."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}.{milliseconds:03}"


def parse_webvtt(text: str) -> list[Cue]:
    """The cues of a file that ``build_webvtt`` has built; it is not for files of others."""
    cues = []
    for block in text.split("\n\n"):
        head, _, rest = block.strip("\n").partition("\n")
        if times := _TIMES.match(head):
            cues.append(Cue(_seconds(times[1]), _seconds(times[2]), rest))
    return cues


def read_texts(track: str) -> list[str]:
    """The texts of a track that this wrote, in order, as people read them."""
    return [unescape(cue.text) for cue in parse_webvtt(track)]


def _seconds(time: str) -> Fraction:
    hours, minutes, seconds = time.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)


def cut_cues(cues: Iterable[Cue], length: Fraction | None) -> list[Cue]:
    """What of them is seen in a film that begins at 0 and lasts so long; None: as long as they do."""
    seen = []
    for cue in cues:
        start = max(Fraction(0), cue.start)
        end = cue.end if length is None else min(cue.end, length)
        if start < end:
            seen.append(replace(cue, start=start, end=end))
    return seen
