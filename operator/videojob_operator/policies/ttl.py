"""Time to live: when a VideoJob that has ended is deleted, if its spec says so."""

from __future__ import annotations

from datetime import datetime, timedelta

from videojob_api.status import Phase

from ..clock import parse_time
from ..observed import Observed


def expiry(observed: Observed) -> datetime | None:
    """When to delete it; None for never. It follows from status and spec, so a restart changes nothing.

    Whatever did not succeed counts as failed: somebody may want to look at it for longer.
    """
    status, ttl = observed.status, observed.spec.ttl if observed.spec else None
    ended = parse_time(status.finished_at)
    if ttl is None or ended is None or not status.phase.is_terminal:
        return None
    good = status.phase is Phase.SUCCEEDED
    seconds = ttl.seconds_after_succeeded if good else ttl.seconds_after_failed
    return None if seconds is None else ended + timedelta(seconds=seconds)
