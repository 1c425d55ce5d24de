"""Waiting, explained: a Job is there, no worker is at work, and the user wants to know why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from videojob_api.status import Phase

from ..attempt import Attempt, WaitingPod
from ..facts import CLAIM_MISSING
from ..observed import Decision, Observed
from ..standing import describe
from ..verdicts import judge
from .admission import WAITING_FOR_WORKER, phase_reached
from .deadlines import deadline
from .fallback import fallback_at
from .wording import keep_if_same_causes

_UNSCHEDULABLE = "Unschedulable"
_IMAGE_PULL_FAILED = "ImagePullFailed"
_IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""The kubelet alternates between these two for as long as the image is missing; that is no news."""
_NO_POD = "NoPodMade"
_PATIENCE = timedelta(seconds=30)
_WHAT = {
    _UNSCHEDULABLE: "No node for a worker yet",
    _NO_POD: "No pod has been made for a worker yet",
    CLAIM_MISSING: "No device for a worker yet",
}
_PERSON_NEEDED = frozenset(
    {
        _NO_POD,
        CLAIM_MISSING,
        "CreateContainerConfigError",
        _IMAGE_PULL_FAILED,
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Reasons of a waiting container that pass only when somebody mends something."""


def explain_wait(observed: Observed, now: datetime) -> Decision | None:
    """Say what the scheduler or the kubelet says; nothing when a worker is at work."""
    attempt = observed.attempt
    if attempt is None or attempt.ready:
        return None
    pod = _stuck_pod(observed)
    if pod and pod.reason == CLAIM_MISSING and now - attempt.created_at < _PATIENCE:
        pod = None  # claims are made a moment after their pod
    lacks_pods = _lacks_pods(attempt, observed)
    begun = observed.progress or observed.status.phase is Phase.RUNNING
    if pod is None and begun and not lacks_pods:
        return None
    if lacks_pods and now >= _patience_over(attempt):
        pod = WaitingPod(attempt.name, _NO_POD, f"`kubectl describe job {attempt.name}` says why")
    message = WAITING_FOR_WORKER if pod is None else _sentence(pod, observed)
    return Decision(
        status=describe(
            observed,
            now,
            phase=phase_reached(observed, attempt.number),
            reason="WaitingForWorker" if pod is None else pod.reason,
            message=message,
            verdicts=judge(observed),
            scheduled=False if pod is not None and pod.reason == _UNSCHEDULABLE else None,
            stalled=pod is not None and pod.reason in _PERSON_NEEDED,
        ),
        requeue_seconds=look_again_seconds(attempt, observed, now),
        is_settled=True,
    )


def _lacks_pods(attempt: Attempt, observed: Observed) -> bool:
    """Whether the Job controller has made no pod yet; for long, there is a reason (a quota, a policy)."""
    ended = attempt.completed or attempt.failed or attempt.pods_failed
    return not (attempt.active or ended or observed.waiting)


def look_again_seconds(
    attempt: Attempt, observed: Observed, now: datetime, *more: datetime
) -> float | None:
    """Until what can be said changes though nothing happens; ``more``: other such times."""
    times = (_patience_over(attempt), fallback_at(observed), deadline(observed), *more)
    due = min((time for time in times if time and time > now), default=None)
    return (due - now).total_seconds() if due else None


def _patience_over(attempt: Attempt) -> datetime:
    """When its pods should have been made."""
    return attempt.created_at + _PATIENCE


def has_news(attempt: Attempt, observed: Observed, now: datetime) -> bool:
    """Whether a worker that should run is stuck, or may not start. Starting up is no news."""
    lacks_pods = _lacks_pods(attempt, observed) and now >= _patience_over(attempt)
    return attempt.suspended or lacks_pods or _stuck_pod(observed) is not None


def _stuck_pod(observed: Observed) -> WaitingPod | None:
    for pod in map(_settled, observed.waiting):
        if pod.reason == _UNSCHEDULABLE or pod.reason in _PERSON_NEEDED:
            return pod
    return None


def _settled(pod: WaitingPod) -> WaitingPod:
    reason = _IMAGE_PULL_FAILED if pod.reason in _IMAGE_REASONS else pod.reason
    return replace(pod, reason=reason)


def _sentence(pod: WaitingPod, observed: Observed) -> str:
    if observed.told_reason == pod.reason == _IMAGE_PULL_FAILED:
        return observed.status.message or ""
    what = _WHAT.get(pod.reason, "A worker can't start")
    return keep_if_same_causes(observed.status.message, f"{what}: {pod.message or pod.reason}")
