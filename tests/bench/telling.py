"""How right a job was about its own end, from what its statuses said at what time.

Pure; used by ``progress``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """What a status said, and when: seconds since the first worker began."""

    at_seconds: float
    percent: int
    eta_seconds: int | None


def falls(said: Sequence[Said]) -> int:
    """How often the percent went down."""
    return sum(later.percent < before.percent for before, later in itertools.pairwise(said))


def off_percent(said: Sequence[Said], seconds: float) -> list[float]:
    """How far off each ETA of the second half was, in percent of the time that was left.

    The last tenth does not count: there a second or two is a large share. An ETA that is missing is off
    by all of it.

    Args:
        said: in order.
        seconds: how long the job took.
    """
    late = [one for one in said if seconds / 2 <= one.at_seconds < 0.9 * seconds]
    return [_off(one, seconds - one.at_seconds) for one in late]


def _off(one: Said, left_seconds: float) -> float:
    if one.eta_seconds is None:
        return 100.0
    return 100 * abs(one.eta_seconds - left_seconds) / left_seconds
