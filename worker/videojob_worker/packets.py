"""Measures distances of packets: even or not, how far key frames are apart, where the film ends.

Fed by ``probe`` with ffprobe's lines. Pure; it keeps a bounded number of times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from statistics import median

ENTRIES = "packet=pts_time,duration_time,flags:packet_side_data=side_data_type"
_MAX_TIMES = 3000
_UNEVEN_SHARE = 0.01
_JITTER_SECONDS = 0.0021
"""Times are rounded to milliseconds in some containers."""


@dataclass
class PacketMeter:
    """Takes lines in the order of the file; answers at any time."""

    count: int = 0
    encrypted: bool = False
    end: Fraction = Fraction(0)
    """Latest end of a packet."""
    first: Fraction | None = None
    _times: list[Fraction] = field(default_factory=list)
    _last_key: Fraction | None = None
    _key_distance: Fraction = Fraction(0)

    def feed(self, line: str) -> None:
        """Take ``packet,TIME,DURATION,FLAGS[,…]``."""
        if "Encryption" in line:
            self.encrypted = True
        parts = line.strip().split(",")
        if len(parts) < 4 or parts[0] != "packet":
            return
        self.count += 1
        time, duration = _seconds(parts[1]), _seconds(parts[2])
        if time is None:
            return
        self.first = time if self.first is None else min(self.first, time)
        self.end = max(self.end, time + (duration or 0))
        if len(self._times) < _MAX_TIMES:
            self._times.append(time)
        if "K" in parts[3]:
            self._key_distance = max(self._key_distance, time - (self._last_key or time))
            self._last_key = time

    @property
    def keyframe_seconds(self) -> Fraction | None:
        """Longest distance of key frames, or to the end of what was seen."""
        if self._last_key is None:
            return None
        return max(self._key_distance, self.end - self._last_key)

    @property
    def typical_distance(self) -> Fraction | None:
        """The median distance of two frames in time."""
        distances = self._distances()
        return median(distances) if distances else None

    @property
    def mean_rate(self) -> Fraction | None:
        """Frames a second over what was seen."""
        times = sorted(self._times)
        span = times[-1] - times[0] if times else Fraction(0)
        return (len(times) - 1) / span if span > 0 else None

    def is_uneven(self) -> bool:
        """Whether more than the odd distance differs from the typical one."""
        distances = self._distances()
        if len(distances) < 2:
            return False
        typical = median(distances)
        allowed = max(typical / 4, Fraction(_JITTER_SECONDS))
        odd = sum(abs(distance - typical) > allowed for distance in distances)
        return odd > max(1, len(distances) * _UNEVEN_SHARE)

    def _distances(self) -> list[Fraction]:
        times = sorted(self._times)
        return [after - before for before, after in pairwise(times)]


def _seconds(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except ValueError:
        return None
