"""How far a run is: one percentage over all its stages, and when it will be done.

Pure; the clock is passed in. Fed by ``reporting``; it must never go backwards.
"""

from __future__ import annotations

import math

from videojob_api.status import Stage

_SHARES = {
    Stage.FETCHING: (0.0, 5.0),
    Stage.PROBING: (5.0, 6.0),
    Stage.PROCESSING: (6.0, 95.0),
    Stage.PUBLISHING: (95.0, 100.0),
}
"""Stage → where it begins and ends, in percent."""
_MIN_SECONDS = 1.0
_STANDSTILL = 1e-9
"""Percent a second."""
_RECENT_SECONDS = 8.0
_RECENT_SHARE = 0.1
"""Of the time so far, where that is more: what was done in it is the recent pace."""
_CHANGE = 0.5
"""As a logarithm: a recent pace that is this far from the mean of all the time is a change of pace."""


class Meter:
    """Percentage and remaining time."""

    def __init__(self) -> None:
        self.percent = 0.0
        self.eta_seconds: float | None = None
        self._recent = 0.0
        self._began: tuple[float, float] | None = None
        self._last = (0.0, 0.0)

    def advance(self, stage: Stage, fraction: float, now: float) -> None:
        """Note how far a stage is.

        Args:
            stage: the one that is under way.
            fraction: of it, 0..1.
            now: seconds on any clock that doesn't jump.
        """
        begin, end = _SHARES[stage]
        reached = begin + (end - begin) * min(1.0, max(0.0, fraction))
        self.percent = max(self.percent, reached)
        if stage is Stage.PROCESSING and fraction > 0:  # until ffmpeg has begun there is no pace
            self._estimate(now)
        elif stage is Stage.PUBLISHING:
            self.eta_seconds = None

    def _estimate(self, now: float) -> None:
        """Remaining time at the pace of processing; the uploads not counted."""
        if self._began is None:
            self._began = self._last = (now, self.percent)
            return
        then, before = self._last
        elapsed = now - then
        if elapsed < 0.2:
            return
        passed = now - self._began[0]
        # From the beginning the average is plain; later it forgets.
        window = min(passed, max(_RECENT_SECONDS, _RECENT_SHARE * passed))
        rate = (self.percent - before) / elapsed
        self._recent += (rate - self._recent) * min(1.0, elapsed / window)
        self._last = (now, self.percent)
        if passed >= _MIN_SECONDS and self._recent > _STANDSTILL:
            pace = _believe(self._recent, (self.percent - self._began[1]) / passed)
            self.eta_seconds = (_SHARES[Stage.PROCESSING][1] - self.percent) / pace


def _believe(recent: float, mean: float) -> float:
    """The pace to reckon with: scenes make the recent one stray a little, a change of the machine more.

    The further it is from the mean, the more it counts. Never more than 13 % from the recent one.
    """
    strayed = math.log(recent / mean)
    return mean * math.exp(strayed * min(1.0, abs(strayed) / _CHANGE))
