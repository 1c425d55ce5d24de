"""Turns the lines of ``ffmpeg -progress`` into a fraction.

Called by ``passes.run_pass`` for each line. Pure; it knows neither processes nor reports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction


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


def _number(text: str | None) -> float | None:
    """``1.25x`` and ``25.0`` as a number; None for ``N/A`` and the like."""
    try:
        return float((text or "").rstrip("x"))
    except ValueError:
        return None
