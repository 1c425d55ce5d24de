"""Queueing: others go first in the operator's own line, and where in it this VideoJob stands."""

from __future__ import annotations

from datetime import datetime

from videojob_api import names
from videojob_api.status import Phase, QueueStatus

from ..attempt import Attempt
from ..observed import Decision, Observed, Ticket
from ..pods import pods_at_once
from ..standing import describe
from ..verdicts import judge
from .admission import inputs_left, needs_job
from .deadlines import deadline
from .retries import choose_inputs
from .wording import keep_if_same_causes

_LOOK_AGAIN_SECONDS = 30


def build_ticket(observed: Observed) -> Ticket | None:
    """What it wants of the operator's own line; None when it wants nothing, or Kueue decides."""
    spec, settings = observed.spec, observed.settings
    if not (settings.max_running or settings.max_running_per_namespace):
        return None
    if spec is None or spec.scheduling.queue_name or not needs_job(observed):
        return None
    indexes, _ = choose_inputs(observed, inputs_left(observed))
    return Ticket(
        key=observed.key,
        uid=observed.uid,
        priority=spec.scheduling.priority,
        since=observed.created_at,
        pods=pods_at_once(spec, settings, len(indexes)),
    )


def decide_queue(observed: Observed, now: datetime) -> Decision | None:
    """Say where it stands; its turn is told by the line, the place is looked up now and then.

    The further back, the rarer: a line of ten thousand costs a few looks a second.
    """
    place, ticket = observed.place, build_ticket(observed)
    if place is None or not place.position or ticket is None:
        return None
    position = coarse(place.position)
    where = "next in line" if position == 1 else f"among the next {position:,} in line"
    return Decision(
        status=describe(
            observed,
            now,
            phase=Phase.QUEUED,
            reason="WaitingInLine",
            message=f"Queued, {where}: {_limits(observed, ticket)}.",
            verdicts=judge(observed),
            queue=QueueStatus(position=position),
        ),
        requeue_seconds=_patience(observed, place.position, now),
        ticket=ticket,
        is_settled=True,
    )


def patience_in_line(observed: Observed, now: datetime) -> float | None:
    """In how many seconds to look at one that an operator before has put into the line; None for at once.

    Ten thousand need no look when the operator starts if nobody has changed what they want. Once a Job was
    made there may be more to see. It goes by the place that was told, which only gets better.
    """
    status = observed.status
    if status.queue is None or status.attempt or status.notifications:
        return None
    if status.observed_generation != observed.generation:
        return None
    seconds = _patience(observed, status.queue.position, now)
    return seconds if seconds > 0 else None


def _patience(observed: Observed, position: int, now: datetime) -> float:
    due, seconds = deadline(observed), float(max(_LOOK_AGAIN_SECONDS, position))
    return min(seconds, (due - now).total_seconds()) if due else seconds


def explain_kueue(observed: Observed, now: datetime) -> Decision | None:
    """Say why a Job that is there may have no pods: Kueue's own words, or whoever suspended it."""
    attempt = observed.attempt
    if attempt is None or not attempt.suspended:
        return None
    due = deadline(observed)
    by_kueue = bool(attempt.queue)
    return Decision(
        status=describe(
            observed,
            now,
            phase=Phase.QUEUED if by_kueue else Phase.PENDING,
            reason=_reason(observed, attempt),
            message=_why_suspended(observed, attempt),
            verdicts=judge(observed),
            stalled=not by_kueue,
        ),
        requeue_seconds=(due - now).total_seconds() if due else None,
        is_settled=True,
    )


def _reason(observed: Observed, attempt: Attempt) -> str:
    """Another one as soon as Kueue has said something: that is news, other words of it are not."""
    if not attempt.queue:
        return "JobSuspended"
    return "NotAdmitted" if observed.workload else "WaitingForKueue"


def _why_suspended(observed: Observed, attempt: Attempt) -> str:
    if not attempt.queue:
        return f"Somebody has suspended the Job {attempt.name}; set its spec.suspend to false."
    where = f"Queued by Kueue in {attempt.queue}"
    if observed.workload:
        return keep_if_same_causes(observed.status.message, f"{where}: {observed.workload}")
    label = f"{names.LABEL_KUEUE_JOB_UID}={attempt.uid}"
    return f"{where}; `kubectl get workloads -l {label} -o yaml` says why."


def _limits(observed: Observed, ticket: Ticket) -> str:
    settings = observed.settings
    limits = [
        text
        for limit, text in (
            (settings.max_running, f"{settings.max_running} in all"),
            (
                settings.max_running_per_namespace,
                f"{settings.max_running_per_namespace} in a namespace",
            ),
        )
        if limit
    ]
    workers = "a worker" if ticket.pods == 1 else f"{ticket.pods} workers"
    return f"it needs {workers}, and at most {' and '.join(limits)} may run at once"


def coarse(position: int) -> int:
    """The place in steps of 1, 3, 10, 30, …: in a long line it changes a few times, not each second."""
    step = 1
    while step < position:
        step = step * 3 if str(step)[0] == "1" else step // 3 * 10
    return step
