"""Finds where scenes begin in what ffmpeg wrote of each frame.

Called by the scenes step. Pure. A cut is a frame before and after which the picture differs for
good: flashes are outvoted by their neighbours before differences are taken (``nodes.WriteChanges``).
A fade is a span of black with pictures on both sides; the scene begins in the middle of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

STEADINESS = 3
"""Frames that a flash may last without being a cut."""
BLACK = 12.0
"""Mean brightness (0..255) below which a frame is black."""


class Transition(Enum):
    """How a scene begins."""

    CUT = "Cut"
    FADE = "Fade"


@dataclass(frozen=True)
class Reading:
    """A number for one frame."""

    seconds: Fraction
    value: float


@dataclass(frozen=True)
class Boundary:
    """A frame with which a scene begins."""

    frame: int
    transition: Transition
    score: float | None
    """Percent of full brightness by which the picture changed; None for a fade."""


def parse_readings(lines: Iterable[str]) -> Iterator[Reading]:
    """What ``metadata=print`` wrote: a line with a frame's time, and one with its number."""
    seconds = None
    for line in lines:
        if line.startswith("frame:"):
            words = line.rpartition("pts_time:")[2].strip()
            seconds = Fraction(words) if words not in ("", "NOPTS") else None
        elif seconds is not None:
            yield Reading(seconds, float(line.rpartition("=")[2]))
            seconds = None


def find_boundaries(
    brightness: Sequence[Reading],
    changes: Sequence[Reading],
    *,
    threshold: float,
    min_seconds: Fraction,
) -> tuple[Boundary, ...]:
    """Where scenes begin, the first one's beginning left out.

    Args:
        brightness: of every frame.
        changes: of the frame that comes ``STEADINESS`` after each.
        threshold: the change from which on it is a cut, in percent.
        min_seconds: boundaries are at least so far from each other and from both ends.
    """
    fades = _find_fades(brightness)
    found = [_middle(fade) for fade in fades]
    for number, change in enumerate(changes, start=STEADINESS):
        near_black = any(f.start - STEADINESS <= number <= f.stop + STEADINESS for f in fades)
        if change.value >= threshold and not near_black and number < len(brightness):
            found.append(Boundary(number, Transition.CUT, change.value))
    return _spaced(found, brightness, min_seconds)


def _find_fades(brightness: Sequence[Reading]) -> list[range]:
    """Spans of black frames that neither begin nor end the film."""
    spans, start = [], None
    for number, reading in enumerate(brightness):
        if reading.value < BLACK:
            start = number if start is None else start
        elif start is not None:
            if start > 0:
                spans.append(range(start, number))
            start = None
    return [span for span in spans if len(span) > STEADINESS]


def _middle(span: range) -> Boundary:
    return Boundary(span[len(span) // 2], Transition.FADE, None)


def _spaced(
    found: Sequence[Boundary], frames: Sequence[Reading], min_seconds: Fraction
) -> tuple[Boundary, ...]:
    """The strongest, as far as they keep their distance; a fade is stronger than any cut."""
    if not frames:
        return ()
    taken: list[Boundary] = []
    kept = [frames[0].seconds, frames[-1].seconds]
    for boundary in sorted(found, key=lambda b: (b.score is not None, -(b.score or 0), b.frame)):
        seconds = frames[boundary.frame].seconds
        if all(abs(seconds - other) >= min_seconds for other in kept):
            kept.append(seconds)
            taken.append(boundary)
    return tuple(sorted(taken, key=lambda b: b.frame))
