"""Waiting, explained: a Job is there, no worker is at work, and the user wants to know why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from videojob_api.conditions import ConditionType
from videojob_api.status import Phase

from ..observed import Decision, Observed, WaitingPod
from ..standing import describe
from ..verdicts import judge
from .admission import WAITING_FOR_WORKER
from .deadlines import deadline

_UNSCHEDULABLE = "Unschedulable"
_IMAGE_PULL_FAILED = "ImagePullFailed"
_IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""The kubelet alternates between these two for as long as the image is missing; that is no news."""
_PERSON_NEEDED = frozenset(
    {
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
    if pod is None and (observed.progress or observed.status.phase is Phase.RUNNING):
        return None
    message = WAITING_FOR_WORKER if pod is None else _sentence(pod, observed)
    due = deadline(observed)
    return Decision(
        status=describe(
            observed,
            now,
            phase=Phase.PENDING if attempt.number == 1 else observed.status.phase,
            reason="WaitingForWorker" if pod is None else pod.reason,
            message=message,
            verdicts=judge(observed),
            scheduled=False if pod is not None and pod.reason == _UNSCHEDULABLE else None,
            stalled=pod is not None and pod.reason in _PERSON_NEEDED,
        ),
        requeue_seconds=(due - now).total_seconds() if due else None,
    )


def has_news(observed: Observed) -> bool:
    """Whether a worker that should run is stuck. Starting up is no news."""
    return _stuck_pod(observed) is not None


def _stuck_pod(observed: Observed) -> WaitingPod | None:
    for pod in map(_settled, observed.waiting):
        if pod.reason == _UNSCHEDULABLE or pod.reason in _PERSON_NEEDED:
            return pod
    return None


def _settled(pod: WaitingPod) -> WaitingPod:
    reason = _IMAGE_PULL_FAILED if pod.reason in _IMAGE_REASONS else pod.reason
    return replace(pod, reason=reason)


def _sentence(pod: WaitingPod, observed: Observed) -> str:
    before = next((c for c in observed.status.conditions if c.type == ConditionType.READY), None)
    if before and before.reason == pod.reason == _IMAGE_PULL_FAILED:
        return observed.status.message or ""
    what = "No node for a worker yet" if pod.reason == _UNSCHEDULABLE else "A worker can't start"
    return f"{what}: {pod.message or pod.reason}"
