"""Patience with an API server that does not answer, or is not up to it: ever longer pauses, and an end.

Used by what asks again by itself: ``__main__``, ``leadership`` and ``resync``. kopf and the queue have
their own pauses.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import structlog

from .errors import ClusterError

log = structlog.get_logger()

DEAF_SECONDS = 1800.0
"""Three comparisons that did not come."""
_LONGEST_SECONDS = 60.0


def pauses(first_seconds: float) -> Iterator[float]:
    """Pauses that double up to a minute, without end; a tenth is chance, so that not all ask at once."""
    pause = first_seconds
    while True:
        yield pause * random.uniform(1.0, 1.1)  # noqa: S311 (nothing secret)
        pause = min(pause * 2, _LONGEST_SECONDS)


class DeafError(Exception):
    """Nothing good was heard of the cluster for so long that the process had better begin anew."""


def bear(error: ClusterError, heard_at: float, now: float) -> None:
    """Bear an error, unless all has been errors for half an hour; times are in seconds of one clock.

    What a process trusts it reads at its start: a CA that the cluster got since it never believes. Where
    it is the API server that is away, an end every half hour does no harm.

    Raises:
        DeafError: which ends the process.
    """
    silent = now - heard_at
    if silent > DEAF_SECONDS:
        log.error("ending, to begin anew: the API server is not heard", seconds=round(silent))
        raise DeafError(f"nothing was heard of the cluster for {silent:.0f} s: {error}") from error
