"""Turns the lines of ``ffmpeg -progress`` into a fraction, and fractions of parts into one.

``passes.run_pass`` feeds the lines; ``run`` puts the parts together. Pure; it knows neither
processes nor reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol


@dataclass(frozen=True)
class PassProgress:
    """How far a pass is."""

    fraction: float
    """0..1, never less than before."""
    fps: float | None
    """Frames of the first video output, each second of work."""
    speed: float | None
    """Seconds of film, each second of work."""


@dataclass
class ProgressParser:
    """Collects the keys of a block of lines; each block ends with ``progress=``."""

    expected_frames: int | None
    """Of the first video output; None to go by time alone."""
    expected_seconds: Fraction
    _values: dict[str, str] = field(default_factory=dict)
    _fraction: float = 0.0

    def feed(self, line: str) -> PassProgress | None:
        """Take one line; at the end of a block, say how far it is."""
        key, _, value = line.strip().partition("=")
        self._values[key] = value.strip()
        if key != "progress":
            return None
        self._fraction = max(self._fraction, 1.0 if value == "end" else self._measure())
        values, self._values = self._values, {}
        return PassProgress(
            self._fraction, _number(values.get("fps")), _number(values.get("speed"))
        )

    def _measure(self) -> float:
        """Short of 1 until the end is said, since estimates may fall short of the film."""
        frames = _number(self._values.get("frame"))
        if self.expected_frames and frames:
            return min(0.999, frames / self.expected_frames)
        microseconds = _number(self._values.get("out_time_us"))
        if microseconds and self.expected_seconds > 0:
            return max(0.0, min(0.999, microseconds / 1e6 / float(self.expected_seconds)))
        return 0.0


class Leg(Protocol):
    """Takes how far one part is."""

    def __call__(
        self, fraction: float, *, fps: float | None = None, speed: float | None = None
    ) -> None:
        """The part is so far, 0..1."""


class Way:
    """Everything that is processed, as parts that are gone through one after the other."""

    def __init__(self, weights: Sequence[float], tell: Leg) -> None:
        """Begin.

        Args:
            weights: of the parts, in any unit.
            tell: is told how far all of it is.
        """
        self._weights = list(weights)
        self._total = sum(weights) or 1.0
        self._gone = 0.0
        self._tell = tell

    def next_leg(self) -> Leg:
        """What is to be told how far the next part is."""
        before, weight = self._gone, self._weights.pop(0)
        self._gone += weight

        def leg(fraction: float, *, fps: float | None = None, speed: float | None = None) -> None:
            self._tell((before + weight * fraction) / self._total, fps=fps, speed=speed)

        return leg


def _number(text: str | None) -> float | None:
    """``1.25x`` and ``25.0`` as a number; None for ``N/A`` and the like."""
    try:
        return float((text or "").rstrip("x"))
    except ValueError:
        return None
