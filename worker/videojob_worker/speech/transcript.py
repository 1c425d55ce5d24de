"""What was said and when: plain values.

Made by the recognisers, written by ``formats``. Pure. Times are seconds from the film's beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Word:
    """One word, with the space before it and the punctuation after it."""

    start: float
    end: float
    text: str
    probability: float | None = None

    def shifted(self, seconds: float) -> Word:
        """The same, later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True)
class Segment:
    """A stretch of speech, as the recogniser cut it."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...]

    def shifted(self, seconds: float) -> Segment:
        """The same, later."""
        words = tuple(word.shifted(seconds) for word in self.words)
        return replace(self, start=self.start + seconds, end=self.end + seconds, words=words)


@dataclass(frozen=True)
class Heard:
    """What was recognised in one piece of sound."""

    segments: tuple[Segment, ...]
    language: str | None = None
    """As the recogniser found out or was told."""
    language_probability: float | None = None
    """Where it was found out, and the recogniser says how sure it is."""


@dataclass(frozen=True)
class Transcript:
    """All of a film."""

    segments: tuple[Segment, ...]
    language: str | None
    """A BCP 47 tag."""
    language_probability: float | None
    duration_seconds: float
    recogniser: dict[str, str]
    """Which model it was."""
    word_times: str
    """``measured``, or ``estimated`` from the times of longer stretches."""

    @property
    def words(self) -> tuple[Word, ...]:
        """All words."""
        return tuple(word for segment in self.segments for word in segment.words)


def spread(start: float, end: float, text: str) -> tuple[Word, ...]:
    """Words over a stretch of time, each as long as its letters: for who doesn't say when each was."""
    parts = text.split()
    letters = sum(len(part) for part in parts)
    words, gone = [], 0
    for part in parts:
        begins = start + (end - start) * gone / letters
        gone += len(part)
        words.append(Word(begins, start + (end - start) * gone / letters, f" {part}"))
    return tuple(words)


def put_in_order(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Without the empty ones, and none beginning before the one before it."""
    ordered: list[Segment] = []
    for segment in segments:
        if segment.text.strip() and segment.words:
            ordered.append(segment)
    return tuple(sorted(ordered, key=lambda segment: segment.start))
