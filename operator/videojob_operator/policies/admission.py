"""Admission: no worker runs and inputs are left, so a Job is made: store, GPU placement, Job."""

from __future__ import annotations

from datetime import datetime

from videojob_api.reasons import FailReason
from videojob_api.status import Phase

from ..attempt import Attempt
from ..manifests import build_attempt
from ..memory import format_memory
from ..observed import Decision, DeleteJob, EmitEvent, Observed, StoreMissing
from ..pods import node_selector, runtime_class, tolerations
from ..standing import describe
from ..verdicts import Again, Verdicts, judge
from .deadlines import patient_seconds
from .outcomes import stop_given_up
from .placement import decide_placement, keep_fallback
from .retries import choose_inputs

_LOOK_AGAIN_SECONDS = 5
WAITING_FOR_WORKER = "Accepted; waiting for a worker to start."


def needs_job(observed: Observed) -> bool:
    """Whether no worker runs and inputs are left: then store and nodes have to be looked at."""
    attempt = observed.attempt
    if observed.is_held or observed.stopping:
        return False
    if attempt is not None and not attempt.is_over:
        return False
    return bool(inputs_left(observed))


def inputs_left(observed: Observed) -> tuple[int, ...]:
    """The inputs that have not ended for good."""
    verdicts = judge(observed)
    return tuple(i for i in range(observed.input_count) if verdicts.get(i) is None)


def phase_reached(observed: Observed) -> Phase:
    """What has begun stays Running while its next worker starts, waits or pauses."""
    begun = observed.status.phase is Phase.RUNNING
    return Phase.RUNNING if begun else Phase.PENDING


def decide_admit(observed: Observed, now: datetime) -> Decision | None:
    """Make the next attempt over the inputs that are left, or say what is missing."""
    attempt = observed.attempt
    if observed.spec is None or not needs_job(observed):
        return None
    verdicts = judge(observed)
    left = inputs_left(observed)
    if isinstance(observed.store, StoreMissing):
        return _without_store(observed, now, verdicts)
    if observed.store is None:
        raise LookupError("observe did not look up the store though a Job is due")
    wanted, asked = observed.spec.accelerator, observed.spec.scheduling
    defaults = observed.settings.worker_pod_defaults
    # A RuntimeClass may add tolerations of its own.
    is_known = runtime_class(asked, defaults, on_gpu=True) is None
    placement = keep_fallback(wanted, attempt, observed.status.accelerator) or decide_placement(
        wanted,
        observed.spec.steps,
        observed.nodes,
        assume=observed.settings.accelerator_assume,
        selector=node_selector(asked, defaults),
        tolerations=tolerations(asked, defaults, wanted.resource_name) if is_known else None,
    )
    number = max(attempt.number if attempt else 0, observed.status.attempt or 0) + 1
    indexes, memory_bytes = choose_inputs(observed, left)
    kills, waits = _counters(attempt, verdicts)
    # After a refusal its reason stands until the store has answered: see ``asking``.
    refused = observed.told_reason == FailReason.STORAGE_REFUSED and any(
        verdict.again is Again.STORE_REFUSED for verdict in verdicts.again
    )
    create = build_attempt(
        observed,
        indexes,
        number=number,
        placement=placement,
        memory_bytes=memory_bytes,
        kills=kills,
        waits=waits,
    )
    stop = (*stop_given_up(observed), *_superseded(observed, frozenset(indexes)))
    return Decision(
        actions=(create, *stop, *_tell_of_memory(observed, verdicts, indexes, memory_bytes)),
        status=describe(
            observed,
            now,
            phase=phase_reached(observed),
            reason=FailReason.STORAGE_REFUSED if refused else "WaitingForWorker",
            message=(refused and observed.status.message) or WAITING_FOR_WORKER,
            verdicts=verdicts,
            accelerator=placement.to_status(),
            attempt=number,
            stalled=refused,
        ),
        requeue_seconds=_LOOK_AGAIN_SECONDS,  # should no event of Job or pod come
        is_settled=True,
    )


def _tell_of_memory(
    observed: Observed, verdicts: Verdicts, indexes: tuple[int, ...], memory_bytes: int
) -> tuple[EmitEvent, ...]:
    """That more memory than the manifest asks for is taken, and for which inputs."""
    again = verdicts.by_index
    short = [i for i in indexes if i in again and again[i].again is Again.OUT_OF_MEMORY]
    if not short or observed.spec is None:
        return ()
    name, others = observed.spec.inputs[short[0]].name, len(short) - 1
    who = f"{name} and {others} more" if others else name
    message = f"{who} {again[short[0]].message}; trying again with {format_memory(memory_bytes)}."
    return (EmitEvent("Warning", FailReason.OUT_OF_MEMORY, message),)


def _superseded(observed: Observed, left: frozenset[int]) -> tuple[DeleteJob, ...]:
    """Earlier attempts that ended nothing for good: a store that refuses for days leaves few Jobs."""
    return tuple(
        DeleteJob.of(attempt)
        for attempt in observed.attempts[:-1]
        if left.issuperset(attempt.indexes) and not attempt.deleted
    )


def _counters(attempt: Attempt | None, verdicts: Verdicts) -> tuple[int, int]:
    """Kills and waits of this run so far; the newest Job remembers them."""
    kinds = {verdict.again for verdict in verdicts.again}
    kills = (attempt.kills if attempt else 0) + (Again.KILLED in kinds)
    waits = (attempt.waits if attempt else 0) + (Again.STORE_REFUSED in kinds)
    return kills, waits


def _without_store(observed: Observed, now: datetime, verdicts: Verdicts) -> Decision:
    missing = observed.store if isinstance(observed.store, StoreMissing) else StoreMissing("")
    reason, message = _explain_store(missing, observed.key.namespace)
    return Decision(
        status=describe(
            observed,
            now,
            phase=Phase.PENDING,
            reason=reason,
            message=message,
            verdicts=verdicts,
            stalled=True,
        ),
        requeue_seconds=patient_seconds(observed, now),
        is_settled=True,
    )


def _explain_store(missing: StoreMissing, namespace: str) -> tuple[str, str]:
    name = missing.name
    if missing.forbidden:
        remedy = "look at the RBAC of the operator's chart"
        return "StoreForbidden", (
            f"The operator may not read the VideoStore {name!r}: {remedy}. ({missing.forbidden})"
        )
    if missing.invalid:
        return (
            "StoreInvalid",
            f"The VideoStore {name!r} is not understood: {missing.invalid}; mend it.",
        )
    return "StoreNotFound", (
        f"There is no VideoStore {name!r} in namespace {namespace!r}; create it, or name another one in a "
        "new VideoJob. It is looked for once a minute at least."
    )
