"""Observe: gather everything one decision needs, and freeze it. IO only where a decision asks for it.

Called by ``reconcile`` alone. It reads and decides nothing: what costs a request (store, nodes, ended
pods, Events) is fetched only when a Job is due, an input has ended, or nothing else tells why one waits.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from pydantic import ValidationError

from videojob_api import names
from videojob_api.indexes import parse_indexes
from videojob_api.reasons import ExitCode
from videojob_api.report import Result
from videojob_api.status import Usage, VideoJobStatus
from videojob_api.videojob import VideoJobSpec

from .attempt import Attempt
from .errors import ClusterError, Gone
from .events import ask_events
from .facts import (
    count_evictions,
    count_ignored_failures,
    has_ended,
    is_at_work,
    is_owned_by,
    keep_own_outputs,
    parse_costs,
    parse_endings,
    parse_hanging_pod,
    parse_job_index,
    parse_waiting_pod,
)
from .logs import log_of_run
from .namespaces import has_lost_pods, is_going
from .nodes import Nodes, parse_node
from .observe_removal import begin_removal, observe_removal
from .observed import Key, Observed, Place, StoreMissing
from .policies.admission import needs_job
from .policies.placement import depends_on_nodes
from .policies.queueing import build_ticket
from .policies.removal import is_over
from .policies.waiting import find_silence
from .stores import find_store
from .templates import find_template, use_template
from .verdicts import MAX_KILLS
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
    except ClusterError as error:
        if observed.removal is None or not is_over(observed.removal, world.now()):
            raise
        # Nothing may hold a VideoJob for ever.
        log.warning("letting go without a look", error=str(error))
        return observed


def read(key: Key, body: Body, world: World) -> Observed:
    """What the VideoJob itself tells."""
    meta = body["metadata"]
    uid: str = meta["uid"]
    spec, invalid = world.specs.get(uid, body["spec"], lambda: parse_spec(body))
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
        spec=spec,
        invalid=invalid,
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
    attempts = tuple(job for job in jobs if job.run_id == current)
    world.book.fold(uid, current, attempts)
    if not status.phase.is_terminal:
        await _take_over(key, uid, current, status, attempts, world)
        attempts = tuple(_with_pods(uid, attempt, world) for attempt in attempts)
        attempts = tuple([await _without_evicted(key, uid, a, world) for a in attempts])
        for attempt in attempts:
            await _read_endings(key, uid, attempt, world)
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
        hanging=tuple(
            hanging
            for job in jobs
            for pod in world.cache.pods_of_job(uid, job.uid)
            if (hanging := parse_hanging_pod(pod)) is not None
        ),
        idle_since=_idle_since(uid, newest, world),
        quiet_since=_quiet_since(uid, newest, world),
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
    store = await find_store(key, spec.store_ref.name, world)
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


def parse_spec(body: Body) -> tuple[VideoJobSpec | None, str]:
    """The manifest's spec, or the sentence why it is not understood."""
    try:
        return VideoJobSpec.model_validate(body["spec"]), ""
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return None, f"spec.{where}: {first['msg']}"


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
    async for job in world.cluster.each_job_of(observed.key.namespace, uid):
        world.cache.put_job(job)


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


def _with_pods(uid: str, attempt: Attempt, world: World) -> Attempt:
    """The attempt as its pods show it, which is a second or two ahead of the Job's own status.

    Only success is taken from pods: what follows a failure is the Job's to decide.
    """
    pods = world.cache.pods_of_job(uid, attempt.uid)
    done = set()
    world.book.record_costs(uid, attempt, parse_costs(pods, attempt.gpus))
    for job_index, (ending, result) in parse_endings(pods).items():
        if ending.exit_code == ExitCode.DONE and job_index < len(attempt.indexes):
            index = attempt.indexes[job_index]
            world.book.record_ending(uid, attempt, index, ending, result)
            done.add(index)
    at_work = sum(1 for pod in pods if is_at_work(pod))
    return replace(
        attempt,
        completed=attempt.completed | done,
        ready=max(attempt.ready, at_work),
    )


def _idle_since(uid: str, newest: Attempt | None, world: World) -> datetime | None:
    """Since when it has been seen without a pod that lives; None where it has one, or may have none."""
    if (
        newest is not None
        and not (newest.is_over or newest.suspended or newest.deleted)
        and all(has_ended(pod) for pod in world.cache.pods_of_job(uid, newest.uid))
    ):
        return world.idle.setdefault(uid, world.now())
    world.idle.pop(uid, None)
    return None


def _quiet_since(uid: str, newest: Attempt | None, world: World) -> datetime | None:
    """Since when no worker of it has been seen at work; it need not be the first time."""
    if newest is not None and not newest.ready:
        return world.quiet.setdefault(uid, world.now())
    world.quiet.pop(uid, None)
    return None


async def _without_evicted(key: Key, uid: str, attempt: Attempt, world: World) -> Attempt:
    """The attempt, with inputs failed that one node after the other evicts.

    Their pods carry ``DisruptionTarget``, so the Job would start them again for ever. How often it has
    is told by the pod that it started last; by what, only by all of them.
    """
    ignored = {
        attempt.indexes[job_index]: count
        for pod in world.cache.pods_of_job(uid, attempt.uid)
        if (count := count_ignored_failures(pod)) > MAX_KILLS
        if 0 <= (job_index := parse_job_index(pod)) < len(attempt.indexes)
    }
    if world.book.is_disruption_news(uid, attempt, ignored):
        pods = await _list_pods(key, attempt, world)
        evictions, endings = count_evictions(pods), parse_endings(pods)
        for job_index, index in enumerate(attempt.indexes):
            if evictions[job_index] > MAX_KILLS:
                ending, _ = endings[job_index]
                world.book.give_up(uid, attempt, index, ending)
    given_up = world.book.given_up(uid, attempt) & attempt.open
    return replace(attempt, failed=attempt.failed | given_up, given_up=given_up)


async def _read_endings(key: Key, uid: str, attempt: Attempt, world: World) -> None:
    """Look at the pods of inputs that have ended and about which nothing is known yet."""
    unread = world.book.unread(uid, attempt)
    if not unread:
        return
    pods = await _list_pods(key, attempt, world)
    world.book.record_costs(uid, attempt, parse_costs(pods, attempt.gpus))
    for job_index, (ending, result) in parse_endings(pods).items():
        if job_index < len(attempt.indexes) and attempt.indexes[job_index] in unread:
            index = attempt.indexes[job_index]
            world.book.record_ending(uid, attempt, index, ending, result)
    world.book.mark_looked(uid, attempt, unread)


async def _list_pods(key: Key, attempt: Attempt, world: World) -> list[Body]:
    """All pods that an attempt's Job still has, ended ones too."""
    found = await world.cluster.list_pods_of_job(key.namespace, attempt.name)
    return [pod for pod in found if is_owned_by(pod, attempt.uid)]


async def _take_over(
    key: Key,
    uid: str,
    run_id: str,
    status: VideoJobStatus,
    attempts: tuple[Attempt, ...],
    world: World,
) -> None:
    """Once for each run: what an operator before has counted of pods that are gone.

    Of those that are still there it has counted all but the successes that its status does not know.
    """
    if world.book.has_taken_over(uid, run_id):
        return
    succeeded = parse_indexes(status.indexes.succeeded) if status.indexes else []
    counted: list[Usage] = []
    for attempt in attempts if status.usage else ():
        pods = await _list_pods(key, attempt, world)
        known = [
            pod
            for pod in pods
            if pod.get("status", {}).get("phase") != "Succeeded"
            or _index_of(pod, attempt) in succeeded
        ]
        counted += parse_costs(known, attempt.gpus).values()
        world.book.record_costs(uid, attempt, parse_costs(pods, attempt.gpus))
    world.book.take_over(uid, run_id, status.usage, counted)


def _index_of(pod: Body, attempt: Attempt) -> int:
    """The input that a pod works on; -1 where it does not say."""
    job_index = parse_job_index(pod)
    return attempt.indexes[job_index] if 0 <= job_index < len(attempt.indexes) else -1


async def _nodes(spec: VideoJobSpec, world: World) -> Nodes | None:
    """What nodes offer, if it matters and may be read; listed twice a minute at most."""
    if not world.settings.read_nodes or not depends_on_nodes(spec.accelerator, spec.steps):
        return None
    if world.nodes_seen is not None and time.monotonic() - world.nodes_seen[0] <= _NODES_SECONDS:
        return world.nodes_seen[1]
    if world.nodes_asked is None or world.nodes_asked.done():
        world.nodes_asked = asyncio.create_task(_list_nodes(world))
    return await asyncio.shield(world.nodes_asked)  # who comes meanwhile gets the same answer


async def _list_nodes(world: World) -> Nodes:
    offers = [parse_node(node) async for node in world.cluster.each_node()]
    nodes = Nodes(tuple(offer for offer in offers if offer is not None))
    world.nodes_seen = time.monotonic(), nodes
    return nodes
