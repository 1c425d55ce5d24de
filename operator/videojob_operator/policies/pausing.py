"""Pausing: a worker has failed, and its Job starts the next one after a while. Which, when, and why so."""

from __future__ import annotations

from datetime import datetime

from videojob_api.status import Phase

from ..clock import format_time
from ..observed import Decision, EmitEvent, Observed
from ..standing import describe
from ..verdicts import judge
from .admission import phase_reached
from .waiting import look_again_seconds, pods_overdue_at

_REASON = "WaitingForRetry"


def explain_pause(observed: Observed, now: datetime) -> Decision | None:
    """Say it once as an Event, if the try counts; nothing once the next pod is made, or long overdue."""
    attempt = observed.attempt
    if attempt is None or attempt.ready or attempt.active or observed.waiting:
        return None
    if not observed.pauses or now >= pods_overdue_at(attempt, observed):
        return None
    # A job that has begun is at work still.
    phase = phase_reached(observed)
    counts = any(pause.counts for pause in observed.pauses.values())
    message = _sentence(observed)
    return Decision(
        actions=(EmitEvent("Warning", _REASON, message),)
        if counts and observed.told_reason != _REASON
        else (),
        status=describe(
            observed,
            now,
            phase=phase,
            reason=_REASON,
            message=message,
            verdicts=judge(observed),
            scheduled=phase is Phase.RUNNING or None,
        ),
        requeue_seconds=look_again_seconds(attempt, observed, now),
        is_settled=True,
    )


def _sentence(observed: Observed) -> str:
    """Which try comes next and when, and how the last one ended; of several inputs, the first to go on."""
    next_ = min(observed.pauses.values(), key=lambda pause: pause.until)
    spec = observed.spec
    name, limit = (spec.inputs[next_.index].name, spec.retry.limit) if spec else ("", 0)
    more = len(observed.pauses) - 1
    others = f", and {more} more inputs later" if more else ""
    return (
        f"Try {next_.tries + 1} of {limit + 1} of {name} begins at about {format_time(next_.until)}"
        f"{others}; the last ended with {next_.reason}: {next_.message}"
    )
