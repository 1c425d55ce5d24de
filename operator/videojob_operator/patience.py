"""Patience with an API server that does not answer, or is not up to it: ever longer pauses.

Used by what asks again by itself: ``__main__`` and ``resync``. kopf and the queue have their own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_LONGEST_SECONDS = 60.0


def pauses(first_seconds: float) -> Iterator[float]:
    """Pauses that double up to a minute, without end; a tenth is chance, so that not all ask at once."""
    pause = first_seconds
    while True:
        yield pause * random.uniform(1.0, 1.1)  # noqa: S311 (nothing secret)
        pause = min(pause * 2, _LONGEST_SECONDS)
