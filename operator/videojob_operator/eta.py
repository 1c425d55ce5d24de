"""How long a VideoJob still takes, from what its workers say and from the pace so far.

Pure; called by ``standing``. Inputs that wait are dealt out to the workers as these get free: so the last
ones, for which some workers find nothing to do, are not promised too early.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from videojob_api.report import ProgressReport

_MOST_SECONDS = 1e9
"""As much as a report may say; what is reckoned from reports that make no sense is cut to it."""
_LEAST_DONE = 0.1
"""Of the inputs at work, on the mean; before that their pace says nothing: a fetch and a look at the file
make the first six hundredths, however quickly they go by."""


def estimate_seconds(
    reports: Sequence[ProgressReport],
    *,
    waiting: int,
    ended: int,
    workers: int,
    elapsed_seconds: float | None,
) -> int | None:
    """Seconds to the end.

    Args:
        reports: the newest of each input that is at work.
        waiting: how many inputs have no worker yet.
        ended: how many are over; without rejected ones, which say nothing of how long the others take.
        workers: how many are at work at once, those counted whose reports are still to come.
        elapsed_seconds: how long workers have been at work; None where that is not known, and what the
            reports expect of their own inputs is taken for all.

    Returns:
        None while it can't be known.
    """
    done = ended + sum(report.percent for report in reports) / 100
    length = None
    if elapsed_seconds is None:
        length = _expected_length(reports)
    elif done >= _LEAST_DONE * max(1, len(reports)):
        length = max(0.0, elapsed_seconds) * workers / done
    own = [r.eta_seconds for r in reports]
    if length is None and (waiting or None in own or not own):
        return None
    length = length or 0.0
    free_in = [
        length * (1 - report.percent / 100) if report.eta_seconds is None else report.eta_seconds
        for report in reports
    ]
    free_in += [0.0] * (workers - len(reports))
    heapq.heapify(free_in)
    for _ in range(waiting):
        heapq.heappush(free_in, heapq.heappop(free_in) + length)
    return round(min(max(free_in), _MOST_SECONDS))


def _expected_length(reports: Sequence[ProgressReport]) -> float | None:
    """Seconds that an input takes, as those at work expect of theirs."""
    lengths = [
        report.eta_seconds / (1 - report.percent / 100)
        for report in reports
        if report.eta_seconds is not None and report.percent < 100
    ]
    return sum(lengths) / len(lengths) if lengths else None
