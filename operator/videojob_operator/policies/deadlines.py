"""The deadline: from acceptance to the end, waiting included."""

from __future__ import annotations

from datetime import datetime, timedelta

from videojob_api.reasons import FailReason
from videojob_api.status import Failure, Phase

from ..clock import parse_time
from ..observed import Decision, EmitEvent, Observed
from ..standing import describe
from ..verdicts import judge
from .suspension import stop_workers

_STOPPING = "; its workers are stopping"
_LONGEST_STOP = timedelta(minutes=10)
"""So long workers are waited for: a minute of grace, and five until a dead node's are released."""


def deadline(observed: Observed) -> datetime | None:
    """When the job must have ended; None before it was accepted, and while it is suspended."""
    status = observed.status
    since = parse_time(status.resumed_at or status.accepted_at)
    if since is None or observed.spec is None or status.phase is Phase.SUSPENDED:
        return None
    return since + timedelta(seconds=observed.spec.active_deadline_seconds)


def patient_seconds(
    observed: Observed, now: datetime, soonest: float = 5, latest: float = 60
) -> float:
    """When to look again for what is not watched: soon at first, then ever more seldom.

    So thousands of waiting jobs are no burden.

    Args:
        observed: the facts; it waits since it was accepted.
        now: the time.
        soonest: seconds, at first.
        latest: seconds, after long.
    """
    since = parse_time(observed.status.accepted_at) or now
    waited = (now - since).total_seconds()
    due = deadline(observed)
    seconds = min(max(soonest, waited / 10), latest)
    return min(seconds, (due - now).total_seconds()) if due else seconds


def decide_deadline(observed: Observed, now: datetime) -> Decision | None:
    """Once the deadline is past and work is left, stop the workers, wait until they have, and end Failed.

    What they still publish, and what they cost, is known by then.
    """
    due, verdicts = deadline(observed), judge(observed)
    if due is None or now < due or verdicts.cover(observed.input_count):
        return None
    at_work, stop = stop_workers(observed)
    latest = (now if stop else _told_at(observed, due)) + _LONGEST_STOP
    at_work = at_work and now < latest
    seconds = observed.spec.active_deadline_seconds if observed.spec else 0
    reason = FailReason.DEADLINE_EXCEEDED
    last = f" Last: {observed.status.message}" if observed.status.message else ""
    if observed.told_reason == reason:  # its workers were stopping
        last = (observed.status.message or "").partition(f"{_STOPPING}.")[2]
    message = (
        f"Not done within activeDeadlineSeconds ({seconds}){_STOPPING if at_work else ''}.{last}"
    )
    if at_work:
        phase = observed.status.phase
        status = describe(
            observed, now, phase=phase, reason=reason, message=message, verdicts=verdicts
        )
        seconds_left = (latest - now).total_seconds()
        return Decision(actions=stop, status=status, requeue_seconds=seconds_left)
    return Decision(
        actions=(*stop, EmitEvent("Warning", reason, message)),
        status=describe(
            observed,
            now,
            phase=Phase.FAILED,
            reason=reason,
            message=message,
            verdicts=verdicts.fail_rest(
                observed.input_count, reason, f"not done within {seconds} s"
            ),
            failure=Failure(reason=reason, retryable=True),
        ),
    )


def _told_at(observed: Observed, due: datetime) -> datetime:
    """Since when workers should stop: long after the deadline, where it was moved or nobody looked."""
    jobs = (*observed.earlier, *observed.attempts)
    return max([due, *(job.deleted_at for job in jobs if job.may_work and job.deleted_at)])
