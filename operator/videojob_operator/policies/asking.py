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
from .deadlines import deadline
from .waiting import has_news

_PATIENCE_SECONDS = 20
"""A worker that is at work for so long has been let in, though no report says so."""


def decide_asking(observed: Observed, now: datetime) -> Decision | None:
    """Leave the reason of the last refusal standing until a worker has fetched something."""
    attempt = observed.attempt
    if attempt is None or not attempt.waits or observed.status.phase is not Phase.PENDING:
        return None
    answered = any(report.stage is not Stage.FETCHING for report in observed.progress.values())
    patience = attempt.created_at + timedelta(seconds=_PATIENCE_SECONDS) - now
    if answered or attempt.completed or has_news(observed):
        return None
    if attempt.ready and patience.total_seconds() <= 0:
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
        requeue_seconds=_until(observed, now, patience),
        is_settled=True,
    )


def _until(observed: Observed, now: datetime, patience: timedelta) -> float | None:
    """When to look again though nothing happens: patience is over, or else the deadline."""
    if patience.total_seconds() > 0:
        return patience.total_seconds()
    due = deadline(observed)
    return (due - now).total_seconds() if due else None
