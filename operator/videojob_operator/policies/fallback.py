"""Fallback: with ``Auto``, workers that get no GPU for too long are started anew on the CPU.

Never silent: the reason is on the resource, in an Event and in a metric. Never back and forth: the
rest of the run stays on the CPU.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from videojob_api.videojob import AcceleratorMode

from ..attempt import Attempt, Silence, WaitingPod
from ..facts import CLAIM_MISSING, UNSCHEDULABLE
from ..observed import Decision, DeleteJob, EmitEvent, Observed
from ..standing import describe
from ..verdicts import judge
from .admission import phase_reached
from .placement import PlacementReason, keeps_off_gpu, on_cpu

_NO_PLACE = (UNSCHEDULABLE, CLAIM_MISSING)
"""A pod that waits for something else has its GPU, or will be looked at by the scheduler."""
_ABOUT_CLAIMS = re.compile(r"(?<!volume)claim|device class")
"""In the scheduler's words; a PersistentVolumeClaim is no device."""


def fallback_at(observed: Observed) -> datetime | None:
    """When the CPU is taken instead; None while no worker waits for a GPU that it need not have."""
    attempt, spec = observed.attempt, observed.spec
    if attempt is None or spec is None or spec.accelerator.mode is not AcceleratorMode.AUTO:
        return None
    waits = [pod.since for pod in observed.waiting if _lacks_gpu(pod, attempt)]
    if _is_over_quota(observed.silence, attempt):
        waits.append(attempt.created_at)
    placed = any(pod.reason not in _NO_PLACE for pod in observed.waiting)
    if attempt.is_over or attempt.ready or placed or not waits:
        return None
    since = min(waits)
    if observed.status.started_at is not None and observed.quiet_since is not None:
        since = max(since, observed.quiet_since)  # the GPU of one that has just ended is free now
    return since + timedelta(seconds=spec.accelerator.fallback_after_seconds)


def decide_fallback(observed: Observed, now: datetime) -> Decision | None:
    """Say that the time without a GPU is up, then end the Job that waits for one.

    In this order, so that it is remembered though the operator dies in between; the next Job is made like
    any other, once no pod of this one is left: see ``keep_fallback``.
    """
    attempt, spec = observed.attempt, observed.spec
    if attempt is None or spec is None or attempt.device is None or attempt.is_over:
        return None
    told = observed.status.accelerator
    if keeps_off_gpu(spec.accelerator, told.reason if told else None):
        return Decision(actions=(DeleteJob.of(attempt),))
    due = fallback_at(observed)
    if due is None or now < due:
        return None
    placement = on_cpu(spec.accelerator, PlacementReason.FALLBACK_AFTER_WAIT)
    seconds = spec.accelerator.fallback_after_seconds
    message = f"No worker got {attempt.device} for {seconds} seconds; working on the CPU instead."
    return Decision(
        actions=(EmitEvent("Warning", PlacementReason.FALLBACK_AFTER_WAIT, message),),
        status=describe(
            observed,
            now,
            phase=phase_reached(observed),
            reason="WaitingForWorker",
            message=message,
            verdicts=judge(observed),
            accelerator=placement.to_status(),
        ),
        requeue_seconds=0,
    )


def _is_over_quota(silence: Silence | None, attempt: Attempt) -> bool:
    """Whether no pod is made since the namespace may have no such GPU; only what is exceeded is told."""
    if silence is None or silence.warned is None or silence.is_pod or attempt.accelerator is None:
        return False
    told = silence.warned.message
    return "exceeded quota" in told and f"requests.{attempt.accelerator}=" in told


def _lacks_gpu(pod: WaitingPod, attempt: Attempt) -> bool:
    """Whether it is the GPU that the pod waits for, in the scheduler's words."""
    if attempt.claims:
        return pod.reason == CLAIM_MISSING or _ABOUT_CLAIMS.search(pod.message) is not None
    resource = attempt.accelerator
    return resource is not None and f"Insufficient {resource}" in pod.message
