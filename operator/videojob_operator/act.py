"""Act: carry out a decision's actions. IO, idempotent: doing one twice is doing it once.

Called by ``reconcile`` alone. Names are deterministic, so 409 on create means that it is done; deletes
carry the uid, so 404 and 409 mean that it is gone.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any

import structlog

from videojob_api import names

from . import metrics
from .attempt import Attempt
from .clock import format_time
from .errors import ClusterError, Conflict, Forbidden, Gone, Invalid, JobRefusedError
from .facts import is_owned_by
from .logs import log_of_run
from .observed import (
    Action,
    CreateCleanUp,
    CreateJob,
    DeleteJob,
    DeleteVideoJob,
    Deliver,
    EmitEvent,
    Observed,
    ReleasePod,
    SetFinalizers,
    WakeJob,
)
from .world import World

log = structlog.get_logger()

COMPONENT = "videojob-operator"
_DENIED = re.compile(r"denied (the )?request")
"""By a policy, in the API server's words, whatever status that has chosen: it may change its mind."""


async def act(observed: Observed, actions: tuple[Action, ...], world: World) -> None:
    """Do them in order; an error ends it, and the key is tried again as a whole."""
    for action in actions:
        match action:
            case CreateJob():
                await _create_job(observed, action, world)
            case DeleteJob():
                await _delete_job(observed, action, world)
            case DeleteVideoJob():
                await _delete_videojob(observed, world)
            case SetFinalizers():
                await _set_finalizers(observed, action, world)
            case CreateCleanUp():
                await _create_clean_up(observed, action, world)
            case Deliver():
                world.courier.start(observed, action)
            case ReleasePod():
                await _release_pod(observed, action, world)
            case WakeJob():
                await _wake_job(observed, action, world)
            case EmitEvent():
                await _emit(observed, action, world)


async def _create_job(observed: Observed, action: CreateJob, world: World) -> None:
    """The Job, made now or by an earlier try; a known one is not made again: a quota may be full."""
    namespace = action.manifest["metadata"]["namespace"]
    name = action.manifest["metadata"]["name"]
    for job in world.cache.own_jobs_of(observed.key, observed.uid):
        if job["metadata"]["name"] == name and (made := world.attempt_of(job)):
            _check_run(made, action)
            return
    try:
        if action.config_map is not None:
            await _put_config_map(action.config_map, world)
        job = await world.cluster.create_job(action.manifest)
    except Conflict:
        job = await world.cluster.get_job(namespace, name)
    except ClusterError as error:
        job = await _find_in_spite_of(error, action, world)
    if not is_owned_by(job, observed.uid):
        raise JobRefusedError(f"a foreign Job {name} is in its place", is_final=False)
    made = world.attempt_of(job)
    if made is None:  # nobody would see its end, and each look would make another
        await _delete_job(observed, DeleteJob(name, job["metadata"]["uid"]), world)
        raise JobRefusedError("something has changed it on its way into nonsense", is_final=True)
    world.cache.put_job(job)
    _check_run(made, action)
    log_of_run(made.run_id, made.number)


async def _find_in_spite_of(error: ClusterError, action: CreateJob, world: World) -> dict[str, Any]:
    """The Job that is there though making it was answered otherwise.

    A quota that it has used up itself speaks before the API server says that it is there already; and
    where etcd is late, it is made all the same.

    Raises:
        JobRefusedError: if it is not there. For now where a webhook can't be called (500): a policy, Kueue.
        ClusterError: if nobody has refused it.
    """
    refused = isinstance(error, (Invalid, Forbidden))
    if not refused and error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error
    meta = action.manifest["metadata"]
    try:
        return await world.cluster.get_job(meta["namespace"], meta["name"])
    except Gone:
        pass
    if refused and action.config_map is not None:
        await _delete_config_map(meta["namespace"], meta["name"], world)
    is_final = isinstance(error, Invalid) and not _DENIED.search(str(error))
    raise JobRefusedError(str(error), is_final=is_final) from error


def _check_run(made: Attempt, action: CreateJob) -> None:
    """Refuse a Job that an operator before made and could not say so: it is another run's.

    Raises:
        Conflict: the VideoJob is looked at again, with that Job.
    """
    wanted = action.manifest["metadata"]["annotations"].get(names.ANNOTATION_RUN_TOKEN)
    if made.run_token not in (None, wanted):
        raise Conflict(f"Job {made.name} was made for runToken {made.run_token!r}, not {wanted!r}")


async def _put_config_map(body: dict[str, Any], world: World) -> None:
    """Made before the Job, so that no pod waits for it.

    One that is there was left by an earlier try that got no Job. Store and placement may have changed
    since, and an immutable ConfigMap can't be written again.

    Raises:
        Conflict: if the Job is there too, of a try whose answer was lost; it goes on with its own.
    """
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    try:
        await world.cluster.create_config_map(body)
    except Conflict:
        with suppress(Gone):
            await world.cluster.get_job(namespace, name)
            raise
        await _delete_config_map(namespace, name, world)
        await world.cluster.create_config_map(body)


async def _delete_config_map(namespace: str, name: str, world: World) -> None:
    with suppress(Gone):
        await world.cluster.delete_config_map(namespace, name)


async def _delete_job(observed: Observed, action: DeleteJob, world: World) -> None:
    namespace = observed.key.namespace
    try:
        await world.cluster.delete_job(
            namespace, action.name, action.uid, foreground=action.stays_for_pods
        )
    except (Gone, Conflict):
        pass  # gone, or another one of that name
    except ClusterError as error:
        if not action.may_fail:
            raise
        log.warning("Job not deleted", kube_job=action.name, error=str(error))
    if action.has_config_map:
        await _delete_config_map(namespace, action.name, world)


async def _delete_videojob(observed: Observed, world: World) -> None:
    """A conflict is raised on: the object has changed, and so may have its time to live."""
    namespace, name = observed.key
    with suppress(Gone):
        await world.cluster.delete_videojob(
            namespace, name, observed.uid, observed.resource_version
        )
    log.info("time to live is over")


async def _set_finalizers(observed: Observed, action: SetFinalizers, world: World) -> None:
    namespace, name = observed.key
    finalizers = action.finalizers
    log.info("finalizers set", finalizers=finalizers)
    try:
        body = await world.cluster.patch_finalizers(
            namespace, name, observed.resource_version, finalizers
        )
    except Gone:
        body = None
    if body is None or (observed.deleting and not finalizers):
        # At once, and not when the watch tells: a look at the stale copy would clean up once more.
        meta = {"namespace": namespace, "name": name, "uid": observed.uid}
        world.forget_videojob({"metadata": meta})
    else:
        world.cache.put_videojob(body)


async def _create_clean_up(observed: Observed, action: CreateCleanUp, world: World) -> None:
    """A refusal (a quota, a policy) is no end: it is tried again until the five minutes are over."""
    meta = action.manifest["metadata"]
    try:
        job = await world.cluster.create_job(action.manifest)
    except Conflict:
        job = await world.cluster.get_job(meta["namespace"], meta["name"])
    except (Invalid, Forbidden) as error:
        log.warning("the clean-up Job is refused", kube_job=meta["name"], error=str(error))
        return
    world.cache.put_job(job)


async def _release_pod(observed: Observed, action: ReleasePod, world: World) -> None:
    """Deleted first: its Job's finalizer keeps it until it has failed, and it is seen to hang until then.

    The other way round a deletion that fails would be the last: no watch tells of pods that have failed.
    """
    namespace = observed.key.namespace
    for do in (world.cluster.force_delete_pod, world.cluster.fail_pod):
        with suppress(Gone, Conflict):  # gone, or another one of that name
            await do(namespace, action.name, action.uid)
    log.warning("pod of a lost node released", pod=f"{namespace}/{action.name}")


async def _wake_job(observed: Observed, action: WakeJob, world: World) -> None:
    """Mark the last pod that is left of it: what happens to a pod is told to its Job."""
    namespace = observed.key.namespace
    pods = await world.cluster.list_pods_of_job(namespace, action.name)
    own = [pod["metadata"] for pod in pods if is_owned_by(pod, action.uid)]
    if own:
        last = max(own, key=lambda meta: meta["creationTimestamp"])
        with suppress(Gone, Conflict):
            await world.cluster.mark_pod(namespace, last["name"], last["uid"], world.now())
            log.warning("Job without a worker woken by its pod", pod=f"{namespace}/{last['name']}")
    # Not before it is done: an error is tried again at once.
    world.idle[observed.uid] = world.monotonic()


async def _emit(observed: Observed, action: EmitEvent, world: World) -> None:
    if observed.deleting:  # the Event may be hard to find once its object is gone
        log.info(action.message, reason=action.reason)
    if action.type == "Normal" and not world.event_pace.take(world.now()):
        metrics.EVENTS_LEFT_OUT.inc()  # the status says the same
        return
    try:
        await world.cluster.create_event(build_event(observed, action, world.now()))
    except Conflict:
        pass  # said before
    except ClusterError as error:  # an Event is a courtesy: it must not hold up the status
        log.warning("event not written", reason=action.reason, error=str(error))


def build_event(observed: Observed, action: EmitEvent, now: datetime) -> dict[str, Any]:
    """An Event whose name follows from what it says, so that saying it twice makes one."""
    what = f"{observed.uid}/{observed.run_id}/{action.reason}/{action.message}"
    digest = hashlib.sha256(what.encode()).hexdigest()[:16]
    time = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{observed.key.name[:200].rstrip('-.')}.{digest}",
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
