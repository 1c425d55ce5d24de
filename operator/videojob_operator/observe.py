"""Observe: gather everything one decision needs, and freeze it. IO only where a decision asks for it.

Called by ``reconcile`` alone. It reads and decides nothing: what costs a request (store, nodes, ended
pods, Events) is fetched only when a Job is due, an input has ended, or nothing else tells why one waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from pydantic import ValidationError

from videojob_api import names
from videojob_api.report import Result
from videojob_api.status import VideoJobStatus
from videojob_api.videojob import VideoJobSpec

from .attempt import Attempt, Pause
from .endings import read_endings
from .errors import Forbidden, Gone
from .events import ask_events
from .facts import (
    has_ended,
    is_owned_by,
    keep_own_outputs,
    parse_hanging_pod,
    parse_waiting_pod,
)
from .logs import log_of_run
from .namespaces import has_lost_pods, is_going
from .nodes import Nodes, parse_node
from .observe_removal import begin_removal, observe_removal
from .observed import Key, Observed, Place, StoreMissing
from .pauses import parse_pauses
from .policies.admission import needs_job
from .policies.placement import depends_on_nodes
from .policies.queueing import build_ticket
from .policies.removal import is_over
from .policies.waiting import find_silence
from .specs import parse_spec
from .stores import find_store
from .templates import find_template, use_template
from .world import World

Body = dict[str, Any]

log = structlog.get_logger()

_NODES_SECONDS = 30


async def observe(key: Key, world: World) -> Observed | None:
    """Everything about one VideoJob; None when there is none (any more)."""
    body = world.cache.videojob(key)
    if body is None:
        return None
    observed = read(key, body, world)
    try:
        return await _look_around(observed, world)
    except Exception as error:
        if observed.removal is None or not is_over(observed.removal, world.now()):
            raise
        # Nothing may hold a VideoJob for ever, nonsense in what is read least of all.
        log.warning("letting go without a look", error=str(error))
        return observed


def read(key: Key, body: Body, world: World) -> Observed:
    """What the VideoJob itself tells."""
    meta = body["metadata"]
    uid: str = meta["uid"]
    manifest = world.specs.get(uid, body["spec"], lambda: parse_spec(body))
    finalizers, deleting = tuple(meta.get("finalizers", ())), "deletionTimestamp" in meta
    held = deleting and names.FINALIZER in finalizers
    return Observed(
        key=key,
        uid=uid,
        generation=meta.get("generation", 1),
        resource_version=meta["resourceVersion"],
        created_at=meta.get("creationTimestamp", ""),
        status=world.statuses.get(uid, body.get("status", {}), lambda: parse_status(body)),
        settings=world.settings,
        spec=manifest.spec,
        invalid=manifest.invalid,
        unknown=manifest.unknown,
        deleting=deleting,
        finalizers=finalizers,
        removal=begin_removal(uid, world) if held else None,
    )


async def _look_around(observed: Observed, world: World) -> Observed:
    """The same with its template, its Jobs of all runs, their pods, and what workers have said."""
    key, uid, status, current = observed.key, observed.uid, observed.status, observed.run_id
    log_of_run(current, status.attempt or 0)
    template = await find_template(key, observed.spec, status, world)
    spec, template = use_template(observed.spec, template)
    await _recall_jobs(observed, world)
    jobs = await _jobs(key, uid, status, world)
    attempts = tuple(job for job in jobs if job.run_id == current and _fits(job, observed))
    world.book.fold(uid, current, attempts)
    if not status.phase.is_terminal:
        attempts = await read_endings(key, uid, current, status, attempts, world)
    newest = attempts[-1] if attempts else None
    if newest and newest.ready and world.settings.reports_url:
        world.book.expect(uid)
    else:
        world.book.expect_nothing(uid)
    results, endings = world.book.results(uid, current)
    observed = replace(
        observed,
        spec=spec,
        template=template,
        deliveries=world.courier.deliveries(uid, status),
        attempts=attempts,
        earlier=tuple(job for job in jobs if job.run_id != current),
        results=results,
        endings=endings,
        progress=world.book.progress(uid, newest),
        usage=world.book.usage(uid, current),
        workload=world.workloads.get(newest.uid, "") if newest else "",
        waiting=tuple(
            parse_waiting_pod(pod)
            for pod in (world.cache.pods_of_job(uid, newest.uid) if newest else ())
            # The kubelet tells that the worker has ended before the pod's own phase says so.
            if pod.get("status", {}).get("phase") == "Pending" and not has_ended(pod)
        ),
        pauses=_pauses(uid, newest, spec, world),
        hanging=tuple(
            hanging
            for job in jobs
            for pod in world.cache.pods_of_job(uid, job.uid)
            if (hanging := parse_hanging_pod(pod)) is not None
        ),
        idle_since=_idle_since(uid, newest, world),
        quiet_since=_since(uid, newest is not None and not newest.ready, world.quiet, world),
        at_work_since=_since(uid, newest is not None and newest.ready > 0, world.at_work, world),
    )
    if results and spec is not None:
        observed = replace(observed, results=_without_claims(observed, spec, world))
    if has_lost_pods(uid, jobs, world) and await is_going(key, world):
        observed = replace(observed, namespace_going=True)
    if observed.removal is not None:
        return await observe_removal(observed, observed.removal, world)
    if spec is None or not observed.is_accepted:
        return observed
    if not needs_job(observed):
        silence = find_silence(observed, world.now())
        if silence is not None:
            silence = await ask_events(observed, silence, world)
        return replace(observed, silence=silence)
    if (place := _place(observed, world)) and place.position:
        return replace(observed, place=place)
    try:
        store = await find_store(key, spec.store_ref.name, world)
    except Forbidden as error:
        store = StoreMissing(spec.store_ref.name, forbidden=str(error))
    nodes = None if isinstance(store, StoreMissing) else await _nodes(spec, world)
    # Asked again and last: who was let in meanwhile has taken places.
    return replace(observed, store=store, nodes=nodes, place=_place(observed, world))


def _without_claims(observed: Observed, spec: VideoJobSpec, world: World) -> dict[int, Result]:
    """The results without outputs that are not their inputs'; such claims are counted, once."""
    own = {}
    for index, result in observed.results.items():
        own[index] = keep_own_outputs(spec, index, result)
        claims = len(result.outputs) - len(own[index].outputs)
        # Where another run is asked for, this one's outputs may have gone where an older spec said.
        if claims and not observed.is_due_to_rerun:
            world.book.count_claims(observed.uid, observed.run_id, index, claims)
    return own


def _place(observed: Observed, world: World) -> Place | None:
    """Where it stands in the operator's own line, if it wants to start and there is one for it."""
    ticket = build_ticket(observed)
    return world.line.look(ticket) if ticket else None


def parse_status(body: Body) -> VideoJobStatus:
    """The status; of one that a later version wrote, what is needed to let go of a VideoJob.

    Raises:
        ValidationError: if it is not understood and the VideoJob is not being deleted.
    """
    told = body.get("status", {})
    try:
        return VideoJobStatus.model_validate(told)
    except ValidationError:
        if "deletionTimestamp" not in body["metadata"]:
            raise
        needed = {name: told[name] for name in ("runID", "attempt") if name in told}
        return VideoJobStatus.model_validate(needed)


async def _recall_jobs(observed: Observed, world: World) -> None:
    """Once for each run that is not its VideoJob's first Job: those before may not be known yet.

    After a start the first looks come before the watch has told of all Jobs. What their pods have cost
    would be counted again, how they ended would be lost, and workers of the run before would go on beside
    this one's. Nor may the first one, of a VideoJob whose outputs are to be deleted: what no Job has made
    is not looked for.
    """
    uid, run_id, status = observed.uid, observed.run_id, observed.status
    is_first = observed.run == 1 and (status.attempt or 0) < 2 and observed.removal is None
    if status.phase.is_terminal or is_first or world.book.has_taken_over(uid, run_id):
        return
    known = {job["metadata"]["uid"] for job in world.cache.jobs_of(uid)}
    async for job in world.cluster.each_job_of(observed.key.namespace, uid):
        # One that went while the list was on its way must not come back with it.
        if job["metadata"]["uid"] not in known or world.cache.known_job(job):
            world.cache.put_job(job)


def _fits(job: Attempt, observed: Observed) -> bool:
    """Whether a Job is over inputs that there are; another is none of ours, whoever has made or changed it.

    A Job of another ``runToken`` was over other inputs, perhaps; its run is to end.
    """
    spec = observed.spec
    if spec is None or observed.is_due_to_rerun or job.run_token not in (None, spec.run_token):
        return True
    return max(job.indexes) < observed.input_count


async def _jobs(key: Key, uid: str, status: VideoJobStatus, world: World) -> list[Attempt]:
    """Our Jobs of all runs, oldest first. One that should be there and is not known is asked for."""
    bodies = world.cache.own_jobs_of(key, uid)
    jobs = {a.name: a for a in map(world.attempt_of, bodies) if a is not None}
    if status.attempt and not status.phase.is_terminal:
        run = names.run_number(status.run_id or names.run_id(uid, 1))
        name = names.child_name(key.name, uid, run=run, attempt=status.attempt)
        if name not in jobs and (job := await _ask_for(key, uid, name, world)) is not None:
            jobs[name] = job
    return sorted(jobs.values(), key=lambda job: (names.run_number(job.run_id), job.number))


async def _ask_for(key: Key, uid: str, name: str, world: World) -> Attempt | None:
    try:
        body = await world.cluster.get_job(key.namespace, name)
    except Gone:
        return None
    if not is_owned_by(body, uid) or (job := world.attempt_of(body)) is None:
        return None
    world.cache.put_job(body)
    return job


def _idle_since(uid: str, newest: Attempt | None, world: World) -> datetime | None:
    """Since when it has been seen without a pod that lives; None where it has one, or may have none."""
    if (
        newest is not None
        and not (newest.is_over or newest.suspended or newest.deleted)
        and all(has_ended(pod) for pod in world.cache.pods_of_job(uid, newest.uid))
    ):
        return world.since(world.idle, uid)
    world.idle.pop(uid, None)
    return None


def _pauses(
    uid: str, newest: Attempt | None, spec: VideoJobSpec | None, world: World
) -> Mapping[int, Pause]:
    if newest is None or spec is None or newest.is_over or newest.suspended or newest.deleted:
        return {}
    return parse_pauses(world.cache.pods_of_job(uid, newest.uid), newest, spec.retry.limit)


def _since(uid: str, is_so: bool, sightings: dict[str, float], world: World) -> datetime | None:
    """Since when it has been seen so; it need not be the first time."""
    if is_so:
        return world.since(sightings, uid)
    sightings.pop(uid, None)
    return None


async def _nodes(spec: VideoJobSpec, world: World) -> Nodes | None:
    """What nodes offer, if it matters and may be read; listed twice a minute at most."""
    if not world.settings.read_nodes or not depends_on_nodes(spec.accelerator, spec.steps):
        return None
    if world.nodes_seen is not None and time.monotonic() - world.nodes_seen[0] <= _NODES_SECONDS:
        return world.nodes_seen[1]
    if world.nodes_asked is None or world.nodes_asked.done():
        world.nodes_asked = asyncio.create_task(_list_nodes(world))
    return await asyncio.shield(world.nodes_asked)  # who comes meanwhile gets the same answer


async def _list_nodes(world: World) -> Nodes | None:
    nodes = None
    try:
        offers = [parse_node(node) async for node in world.cluster.each_node()]
        nodes = Nodes(tuple(offer for offer in offers if offer is not None))
    except Forbidden as error:  # a Role of somebody's own; each VideoJob says NodesUnknown
        if world.nodes_seen is None:
            log.warning("nodes may not be listed: Auto asks for no GPU", error=str(error))
    world.nodes_seen = time.monotonic(), nodes
    return nodes
