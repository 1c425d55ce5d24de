"""Running: workers are at work; progress as they report it."""

from __future__ import annotations

from datetime import datetime

from videojob_api.status import Phase

from ..observed import Decision, EmitEvent, Observed
from ..standing import describe
from ..verdicts import judge
from .deadlines import deadline
from .waiting import due_times


def describe_running(observed: Observed, now: datetime) -> Decision | None:
    """Say how far it is; wake up for the deadline at the latest."""
    attempt = observed.attempt
    if attempt is None:
        return None
    where = attempt.device or "the CPU"
    count = observed.input_count
    message = f"Working on {'the input' if count == 1 else f'{count} inputs'} on {where}."
    times = (deadline(observed), *(() if attempt.ready else due_times(observed)))
    due = min((time for time in times if time and time > now), default=None)
    started = observed.status.phase is Phase.RUNNING
    return Decision(
        actions=() if started else (EmitEvent("Normal", "Running", message),),
        status=describe(
            observed,
            now,
            phase=Phase.RUNNING,
            reason="Running",
            message=message,
            verdicts=judge(observed),
            scheduled=True,
        ),
        requeue_seconds=(due - now).total_seconds() if due else None,
        is_settled=True,
    )
