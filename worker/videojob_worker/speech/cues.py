"""From words to subtitles: lines short enough to read, shown long enough to be read.

Used by ``formats``. Pure. The lengths are those that broadcasters and streaming services ask for: two
lines of at most 42 columns (a character of Chinese, Japanese or Korean takes two), one to seven seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from unicodedata import combining, east_asian_width

from ..webvtt import Cue
from .transcript import Word

COLUMNS = 42
LINES = 2
LONGEST_SECONDS = 7.0
_SHORTEST_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
"""After one as long, other words are shown."""
_LINGER_SECONDS = 0.5
"""A cue stays a little, where the next does not follow at once."""
_SENTENCE_ENDS = ".!?…。！？"  # noqa: RUF001 (Chinese and Japanese have their own)
_ENOUGH_COLUMNS = 28
"""A sentence's end ends a cue that has as much."""


def build_cues(words: Sequence[Word], until: float) -> tuple[Cue, ...]:
    """Subtitles of all words, in order; none overlaps the next, or lasts longer than the film."""
    groups: list[list[Word]] = []
    for word in (piece for each in _glued(words) for piece in _split(each)):
        if groups and _fits(groups[-1], word):
            groups[-1].append(word)
        else:
            groups.append([word])
    cues = []
    for number, group in enumerate(groups, start=1):
        end = max(group[-1].end + _LINGER_SECONDS, group[0].start + _SHORTEST_SECONDS)
        if number < len(groups):
            end = min(end, groups[number][0].start)
        end = max(min(end, until), group[0].start + 0.001)
        cues.append(Cue(_exact(group[0].start), _exact(end), "\n".join(_lines(group))))
    return tuple(cues)


def columns(text: str) -> int:
    """How wide a text is shown."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _glued(words: Sequence[Word]) -> list[Word]:
    """What hangs on the word before it (``-evident``, ``%``) becomes one with it."""
    whole: list[Word] = []
    for word in words:
        if whole and not (word.text[:1].isspace() or word.text[:1].isalnum()):
            last = whole.pop()
            word = replace(last, end=word.end, text=last.text + word.text)
        whole.append(word)
    return whole


def _split(word: Word) -> list[Word]:
    """A word longer than a line (a long number, or a language without spaces) in parts."""
    parts: list[str] = [""]
    for character in word.text:
        if columns((parts[-1] + character).strip()) > COLUMNS:
            parts.append("")
        parts[-1] += character
    step = (word.end - word.start) / len(parts)
    return [
        Word(word.start + n * step, word.start + (n + 1) * step, part, word.probability)
        for n, part in enumerate(parts)
    ]


def _fits(group: list[Word], word: Word) -> bool:
    last = group[-1]
    if word.start - last.end >= _PAUSE_SECONDS or word.end - group[0].start > LONGEST_SECONDS:
        return False
    shown = columns("".join(each.text for each in group).strip())
    if last.text.rstrip()[-1:] in _SENTENCE_ENDS and shown >= _ENOUGH_COLUMNS:
        return False
    return len(_lines([*group, word])) <= LINES


def _lines(group: Sequence[Word]) -> list[str]:
    """Broken between words; of two lines, about equally long where the words allow it."""
    lines = _filled(group, COLUMNS)
    if len(lines) != LINES:
        return lines
    for width in range(columns("".join(word.text for word in group).strip()) // 2, COLUMNS):
        balanced = _filled(group, width)
        if len(balanced) == LINES and max(map(columns, balanced)) <= COLUMNS:
            return balanced
    return lines


def _filled(group: Sequence[Word], width: int) -> list[str]:
    lines = [""]
    for word in group:
        if lines[-1] and columns((lines[-1] + word.text).strip()) > width:
            lines.append("")
        lines[-1] += word.text
    return [line.strip() for line in lines]


def _exact(seconds: float) -> Fraction:
    return Fraction(round(seconds * 1000), 1000)
