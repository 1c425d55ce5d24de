"""The pace of requests that could wait or be left out: a token bucket. Its clock is the caller's."""

from __future__ import annotations

from datetime import datetime

PROGRESS_WRITES_PER_SECOND = 50.0
EVENTS_PER_SECOND = 5.0
EVENTS_AT_ONCE = 100.0
EVENTS_ASKED_PER_SECOND = 0.5
EVENTS_ASKED_AT_ONCE = 20.0


class Pace:
    """Lets so many through a second, and so many at once after a pause."""

    def __init__(self, per_second: float, at_once: float) -> None:
        self._per_second = per_second
        self._at_once = self._allowance = at_once
        self._seen: datetime | None = None

    def take(self, now: datetime) -> bool:
        """Whether one more may pass now."""
        if self._seen is not None:
            refill = max(0.0, (now - self._seen).total_seconds()) * self._per_second
            self._allowance = min(self._at_once, self._allowance + refill)
        self._seen = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True
