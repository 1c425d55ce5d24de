"""Waiting, explained: a Job is there, no worker is at work, and the user wants to know why."""

from __future__ import annotations

from datetime import datetime

from videojob_api.status import Phase

from ..observed import Decision, Observed, WaitingPod
from ..standing import describe
from ..verdicts import judge
from .admission import WAITING_FOR_WORKER
from .deadlines import deadline

_UNSCHEDULABLE = "Unschedulable"
_PERSON_NEEDED = frozenset(
    {
        "CreateContainerConfigError",
        "ErrImagePull",
        "ErrImageNeverPull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Reasons of a waiting container that pass only when somebody mends something."""


def explain_wait(observed: Observed, now: datetime) -> Decision | None:
    """Say what the scheduler or the kubelet says; nothing when a worker is at work."""
    attempt = observed.attempt
    if attempt is None or attempt.ready or observed.progress:
        return None
    pod = next((p for p in observed.waiting if is_worth_telling(p)), None)
    if pod is None and observed.status.phase is Phase.RUNNING:
        return None
    message = WAITING_FOR_WORKER if pod is None else f"{_sentence(pod)}"
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


def is_worth_telling(pod: WaitingPod) -> bool:
    """Starting up is no news; being stuck is."""
    return pod.reason == _UNSCHEDULABLE or pod.reason in _PERSON_NEEDED


def _sentence(pod: WaitingPod) -> str:
    what = "No node for a worker yet" if pod.reason == _UNSCHEDULABLE else "A worker can't start"
    return f"{what}: {pod.message or pod.reason}"
