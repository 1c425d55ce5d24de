"""Fallback: with ``Auto``, workers that get no GPU for too long are started anew on the CPU.

Never silent: the reason is on the resource, in an Event and in a metric. Never back and forth: the
rest of the run stays on the CPU.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from videojob_api.videojob import AcceleratorMode

from ..attempt import Attempt, WaitingPod
from ..facts import CLAIM_MISSING
from ..manifests import build_attempt
from ..observed import Decision, DeleteJob, EmitEvent, Observed, StoreMissing
from ..standing import describe
from ..verdicts import judge
from .admission import WAITING_FOR_WORKER, inputs_left, phase_reached
from .placement import PlacementReason, on_cpu
from .retries import choose_inputs


def fallback_at(observed: Observed) -> datetime | None:
    """When the CPU is taken instead; None while no worker waits for a GPU that it need not have."""
    attempt, spec = observed.attempt, observed.spec
    if attempt is None or spec is None or spec.accelerator.mode is not AcceleratorMode.AUTO:
        return None
    if attempt.is_over or attempt.ready or attempt.completed or attempt.failed:
        return None
    waits = [pod.since for pod in observed.waiting if pod.since and _lacks_gpu(pod, attempt)]
    if not waits:
        return None
    return min(waits) + timedelta(seconds=spec.accelerator.fallback_after_seconds)


def falls_back(observed: Observed, now: datetime) -> bool:
    """Whether the time without a GPU is up: then the store has to be looked at."""
    due = fallback_at(observed)
    return due is not None and now >= due


def decide_fallback(observed: Observed, now: datetime) -> Decision | None:
    """Replace the Job that waits for a GPU by one on the CPU."""
    attempt, spec, store = observed.attempt, observed.spec, observed.store
    if attempt is None or spec is None or not falls_back(observed, now):
        return None
    if store is None or isinstance(store, StoreMissing):
        return None  # without a store, a new Job could do no better
    placement = on_cpu(spec.accelerator, PlacementReason.FALLBACK_AFTER_WAIT)
    number = attempt.number + 1
    indexes, memory_bytes = choose_inputs(observed, inputs_left(observed))
    create = build_attempt(
        observed,
        indexes,
        number=number,
        placement=placement,
        memory_bytes=memory_bytes,
        kills=attempt.kills,
        waits=attempt.waits,
    )
    seconds = spec.accelerator.fallback_after_seconds
    message = f"No worker got {attempt.device} for {seconds} seconds; working on the CPU instead."
    return Decision(
        actions=(
            DeleteJob(attempt.name, attempt.uid, attempt.order_in_config_map),  # no pod of it runs
            create,
            EmitEvent("Warning", PlacementReason.FALLBACK_AFTER_WAIT, message),
        ),
        status=describe(
            observed,
            now,
            phase=phase_reached(observed, attempt.number),
            reason="WaitingForWorker",
            message=WAITING_FOR_WORKER,
            verdicts=judge(observed),
            accelerator=placement.to_status(),
            attempt=number,
        ),
    )


def _lacks_gpu(pod: WaitingPod, attempt: Attempt) -> bool:
    """Whether it is the GPU that the pod waits for, in the scheduler's words."""
    if attempt.claims:
        return pod.reason in ("Unschedulable", CLAIM_MISSING)
    resource = attempt.accelerator
    return resource is not None and f"Insufficient {resource}" in pod.message
