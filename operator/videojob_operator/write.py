"""Write: the one status write of a reconcile, as a patch that holds for the version that was read.

Called by ``reconcile`` alone. It decides nothing: what to say, and whether, is known by then.
"""

from __future__ import annotations

from typing import Any

from videojob_api.status import VideoJobStatus

from . import metrics
from .errors import Conflict, Gone
from .observed import Observed
from .world import World


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
        ghost = {
            "namespace": observed.key.namespace,
            "name": observed.key.name,
            "uid": observed.uid,
        }
        world.forget_videojob({"metadata": ghost})  # no watch may tell of it any more
        return
    except Conflict:
        metrics.CONFLICTS.inc()
        raise  # the newer object is on its way through the watch; the key is tried again
    world.cache.renew_videojob(body)


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
