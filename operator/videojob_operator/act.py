"""Act: carry out a decision's actions. IO, idempotent: doing one twice is doing it once.

Called by ``reconcile`` alone. Names are deterministic, so 409 on create means that it is done; deletes
carry the uid, so 404 and 409 mean that it is gone.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime
from typing import Any

from videojob_api import names

from .clock import format_time
from .errors import Conflict, Gone
from .observed import Action, CreateJob, DeleteJob, EmitEvent, Observed
from .world import World

COMPONENT = "videojob-operator"


async def act(observed: Observed, actions: tuple[Action, ...], world: World) -> None:
    """Do them in order; an error ends it, and the key is tried again as a whole."""
    for action in actions:
        match action:
            case CreateJob():
                await _create_job(action, world)
            case DeleteJob():
                await _delete_job(observed, action, world)
            case EmitEvent():
                await _emit(observed, action, world)


async def _create_job(action: CreateJob, world: World) -> None:
    if action.config_map is not None:
        with suppress(Conflict):  # made by an earlier try
            await world.cluster.create_config_map(action.config_map)
    meta = action.manifest["metadata"]
    try:
        job = await world.cluster.create_job(action.manifest)
    except Conflict:
        job = await world.cluster.get_job(meta["namespace"], meta["name"])
    world.cache.put_job(job)


async def _delete_job(observed: Observed, action: DeleteJob, world: World) -> None:
    with suppress(Gone, Conflict):  # gone, or another one of that name
        await world.cluster.delete_job(observed.key.namespace, action.name, action.uid)


async def _emit(observed: Observed, action: EmitEvent, world: World) -> None:
    with suppress(Conflict):  # said before
        await world.cluster.create_event(build_event(observed, action, world.now()))


def build_event(observed: Observed, action: EmitEvent, now: datetime) -> dict[str, Any]:
    """An Event whose name follows from what it says, so that saying it twice makes one."""
    what = f"{observed.uid}/{observed.run_id}/{action.reason}/{action.message}"
    digest = hashlib.sha256(what.encode()).hexdigest()[:16]
    time = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{observed.key.name[:200]}.{digest}",
            "namespace": observed.key.namespace,
        },
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": "VideoJob",
            "namespace": observed.key.namespace,
            "name": observed.key.name,
            "uid": observed.uid,
            "resourceVersion": observed.resource_version,
        },
        "type": action.type,
        "reason": action.reason,
        "message": action.message[:1024],
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
