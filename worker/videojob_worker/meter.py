"""How far a run is: one percentage over all its stages, and when it will be done.

Pure; the clock is passed in. Fed by ``reporting``; it must never go backwards.
"""

from __future__ import annotations

from videojob_api.status import Stage

_SHARES = {
    Stage.FETCHING: (0.0, 5.0),
    Stage.PROBING: (5.0, 6.0),
    Stage.PROCESSING: (6.0, 95.0),
    Stage.PUBLISHING: (95.0, 100.0),
}
"""Stage → where it begins and ends, in percent."""
_SMOOTHING_SECONDS = 8.0
_MIN_SECONDS = 1.0


class Meter:
    """Percentage and remaining time."""

    def __init__(self) -> None:
        self.percent = 0.0
        self.eta_seconds: float | None = None
        self._rate = 0.0
        self._since: float | None = None
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
        if stage is Stage.PROCESSING:
            self._estimate(now)
        elif stage is Stage.PUBLISHING:
            self.eta_seconds = None

    def _estimate(self, now: float) -> None:
        """Remaining time at a speed averaged over the last seconds; the uploads not counted."""
        if self._since is None:
            self._since, self._last = now, (now, self.percent)
            return
        then, before = self._last
        elapsed = now - then
        if elapsed < 0.2:
            return
        rate = (self.percent - before) / elapsed
        # From the beginning the average is plain; later it forgets.
        window = min(_SMOOTHING_SECONDS, max(elapsed, now - self._since))
        share = min(1.0, elapsed / window)
        self._rate += (rate - self._rate) * share
        self._last = (now, self.percent)
        if now - self._since >= _MIN_SECONDS and self._rate > 0:
            self.eta_seconds = (_SHARES[Stage.PROCESSING][1] - self.percent) / self._rate
