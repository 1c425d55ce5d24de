"""Asking again: a store that refused is asked by a new attempt, and nothing is said until it answers.

Without this the resource would go from "wrong credentials" to "running" and back at every attempt.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from videojob_api.reasons import FailReason
from videojob_api.status import Phase, Stage

from ..observed import Decision, Observed
from ..standing import describe
from ..verdicts import judge
from .waiting import has_news, look_again_seconds

_PATIENCE_SECONDS = 20
"""A worker that is at work for so long has been let in, though no report says so."""


def decide_asking(observed: Observed, now: datetime) -> Decision | None:
    """Leave the reason of the last refusal standing until a worker has fetched something."""
    attempt = observed.attempt
    if attempt is None or not attempt.waits or observed.status.phase is not Phase.PENDING:
        return None
    if observed.told_reason != FailReason.STORAGE_REFUSED:
        return None  # something else was told since: a place in the line, a suspension
    answered = any(report.stage is not Stage.FETCHING for report in observed.progress.values())
    if answered or attempt.completed or has_news(attempt, observed, now):
        return None
    begun = observed.at_work_since
    let_in = begun + timedelta(seconds=_PATIENCE_SECONDS) if begun else None
    if let_in and now >= let_in:
        return None
    return Decision(
        status=describe(
            observed,
            now,
            phase=Phase.PENDING,
            reason=FailReason.STORAGE_REFUSED,
            message=observed.status.message or "",
            verdicts=judge(observed),
            stalled=True,
        ),
        requeue_seconds=look_again_seconds(attempt, observed, now, let_in),
        is_settled=True,
    )
