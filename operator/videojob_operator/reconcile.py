"""THE loop: observe → decide → act → at most one status write.

Called by the queue's workers, for one key at a time and never twice at once for the same key.
Level-triggered: it looks at how things are, never at what happened.
"""

from __future__ import annotations

from typing import Any

import structlog

from videojob_api.status import VideoJobStatus

from . import metrics
from .act import act
from .decide import decide
from .errors import Conflict, Gone, Invalid
from .observe import observe
from .observed import Key, Observed
from .policies.acceptance import refuse
from .world import World

log = structlog.get_logger()


async def reconcile(key: Key, world: World) -> float | None:
    """Bring one VideoJob a step further; in how many seconds to look again, or None for never."""
    observed = await observe(key, world)
    if observed is None:
        return None  # gone: owner references clean up
    decision = decide(observed, world.now())
    try:
        await act(observed, decision.actions, world)
    except Invalid as error:
        decision = refuse(observed, world.now(), f"The worker's Job is not accepted: {error}")
        await act(observed, decision.actions, world)
    metrics.DECISIONS.labels(policy=decision.policy).inc()
    if decision.status is not None:
        await write_status(observed, decision.status, world)
        log.info(
            "status written",
            videojob=f"{key.namespace}/{key.name}",
            run=observed.run_id,
            attempt=decision.status.attempt,
            policy=decision.policy,
            phase=decision.status.phase,
        )
        metrics.observe_transition(observed, decision.status)
        if decision.status.phase.is_terminal:
            world.book.forget(observed.uid)
            world.cache.forget_pods(observed.uid)
    return decision.requeue_seconds


async def write_status(observed: Observed, status: VideoJobStatus, world: World) -> None:
    """One patch that succeeds only if nobody has written since it was read."""
    # What the models fill in by default was never stored, so it has to be written.
    stored = observed.status.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_unset=True
    )
    patch = merge_patch(stored, status.wire())
    try:
        body = await world.cluster.patch_status(
            observed.key.namespace, observed.key.name, observed.resource_version, patch
        )
    except Gone:
        return
    except Conflict:
        metrics.CONFLICTS.inc()
        raise  # the newer object is on its way through the watch; the key is tried again
    world.cache.put_videojob(body)


def merge_patch(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """RFC 7396: what turns one object into another; what is gone becomes null."""
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            if inner := merge_patch(old, value):
                patch[key] = inner
        elif value != old or key not in before:
            patch[key] = value
    return patch
