"""Waiting, explained: a Job is there, no worker is at work, and the user wants to know why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from videojob_api.status import Phase

from ..attempt import Attempt, Silence, Warned
from ..facts import CLAIM_MISSING, CREATING, GATED, STARTING, UNNOTICED, UNSCHEDULABLE
from ..observed import Decision, Observed
from ..standing import describe
from ..verdicts import judge
from .admission import WAITING_FOR_WORKER, phase_reached
from .deadlines import deadline, patient_seconds
from .fallback import fallback_at
from .wording import keep_if_same_causes

_IMAGE_PULL_FAILED = "ImagePullFailed"
_IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""The kubelet alternates between these two for as long as the image is missing; that is no news."""
_NO_POD = "NoPodMade"
_PATIENCE = timedelta(seconds=30)
_LONG_PATIENCE = timedelta(minutes=2)
"""What a pod goes through on its way is told after that: on a busy cluster it takes its time."""
_WHAT = {
    UNSCHEDULABLE: "No node for a worker yet",
    UNNOTICED: "No node for a worker yet",
    _NO_POD: "No pod has been made for a worker yet",
    CLAIM_MISSING: "No device for a worker yet",
}
_PASSING = frozenset({CLAIM_MISSING, GATED})
"""Most often for a moment: claims are made, and gates lifted, just after their pod is made."""
_PERSON_NEEDED = frozenset(
    {
        _NO_POD,
        CLAIM_MISSING,
        UNNOTICED,
        GATED,
        "CreateContainerConfigError",
        _IMAGE_PULL_FAILED,
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerError",
        "RunContainerError",
        "FailedMount",
    }
)
"""Reasons that pass only when somebody mends something."""


def explain_wait(observed: Observed, now: datetime) -> Decision | None:
    """Say what the scheduler, the kubelet or an Event says; nothing when a worker is at work."""
    attempt = observed.attempt
    if attempt is None or attempt.ready:
        return None
    again = look_again_seconds(attempt, observed, now)
    if observed.silence is not None and not observed.silence.is_asked:
        return Decision(requeue_seconds=again)  # what was told stands until it is its turn
    why = _find_why(attempt, observed, now)
    begun = observed.progress or observed.status.phase is Phase.RUNNING
    if why is None and begun and not _lacks_pods(attempt, observed):
        return None
    reason = "WaitingForWorker" if why is None else why.reason
    message = WAITING_FOR_WORKER if why is None else _sentence(why, observed)
    return Decision(
        status=describe(
            replace(observed, progress={}),  # of workers that are gone
            now,
            phase=phase_reached(observed),
            reason=reason,
            message=message,
            verdicts=judge(observed),
            scheduled=False if reason == UNSCHEDULABLE else None,
            stalled=why is not None and why.reason in _PERSON_NEEDED,
        ),
        requeue_seconds=again,
        is_settled=True,
    )


def _lacks_pods(attempt: Attempt, observed: Observed) -> bool:
    """Whether the Job controller makes no pod, at first or for another try.

    For long, there is a reason (a quota, a policy).
    """
    if attempt.active or observed.waiting:
        return False
    ended = attempt.completed or attempt.failed or attempt.pods_failed
    return bool(observed.pauses) or not ended


def find_silence(observed: Observed, now: datetime) -> Silence | None:
    """The Job that gets no pod, or the pod whose volumes do not come."""
    attempt = observed.attempt
    if observed.is_held or attempt is None or attempt.ready or attempt.is_over:
        return None
    if attempt.deleted or attempt.suspended:
        return None
    if _lacks_pods(attempt, observed):
        late = now >= pods_overdue_at(attempt, observed)
        return Silence(attempt.name, is_pod=False) if late else None
    pods = (pod for pod in observed.waiting if pod.reason == CREATING)
    return next((Silence(p.name, is_pod=True) for p in pods if now >= p.since + _PATIENCE), None)


def due_times(observed: Observed) -> tuple[datetime, ...]:
    """When pods that are on their way are silent for too long."""
    return tuple(
        pod.since + (_LONG_PATIENCE if pod.reason in STARTING - {CREATING} else _PATIENCE)
        for pod in observed.waiting
        if pod.reason in STARTING | _PASSING
    )


def look_again_seconds(
    attempt: Attempt, observed: Observed, now: datetime, *more: datetime | None
) -> float | None:
    """Until what can be said changes though nothing happens; ``more``: other such times."""
    times = [pods_overdue_at(attempt, observed), fallback_at(observed), deadline(observed), *more]
    times += due_times(observed)
    on_their_way = any(pod.reason in STARTING for pod in observed.waiting)
    if observed.silence is not None or (on_their_way and observed.told_reason in STARTING):
        patience = patient_seconds(observed, now, soonest=60, latest=600)
        times.append(now + timedelta(seconds=patience))
    due = min((time for time in times if time and time > now), default=None)
    return (due - now).total_seconds() if due else None


def pods_overdue_at(attempt: Attempt, observed: Observed) -> datetime:
    """When a pod should have been made: after the Job, or after the pause before another try."""
    due = (pause.until for pause in observed.pauses.values())
    return min(due, default=attempt.created_at) + _PATIENCE


def has_news(attempt: Attempt, observed: Observed, now: datetime) -> bool:
    """Whether a worker that should run is stuck, or may not start. Starting up is no news."""
    return attempt.suspended or _find_why(attempt, observed, now) is not None


def _find_why(attempt: Attempt, observed: Observed, now: datetime) -> Warned | None:
    """Why a worker that should run does not; None where it is but starting."""
    for pod in observed.waiting:
        passes = pod.reason in _PASSING and now < pod.since + _PATIENCE
        if pod.reason not in STARTING and not passes:
            reason = _IMAGE_PULL_FAILED if pod.reason in _IMAGE_REASONS else pod.reason
            return Warned(reason, pod.message)
    for pod in observed.waiting:
        if pod.message and pod.reason in STARTING and now >= pod.since + _LONG_PATIENCE:
            return Warned(pod.reason, pod.message)
    silence = observed.silence
    if silence is None:
        return None
    if silence.is_pod:
        return silence.warned
    command = f"`kubectl describe job {silence.name}` says why"
    return Warned(_NO_POD, silence.warned.message if silence.warned else command)


def _sentence(why: Warned, observed: Observed) -> str:
    if observed.told_reason == why.reason == _IMAGE_PULL_FAILED:
        return observed.status.message or ""
    what = _WHAT.get(why.reason, "A worker can't start")
    return keep_if_same_causes(observed.status.message, f"{what}: {why.message or why.reason}")
