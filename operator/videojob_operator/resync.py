"""Resync: after a gap in a watch, and every ten minutes, the cluster is compared with the cache.

kopf lists again after a gap, yet tells nothing of what was deleted meanwhile: such ghosts go here, and what
was missed is looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import structlog

from videojob_api import names
from videojob_api.status import Phase

from . import metrics
from .cluster import Body
from .errors import ClusterError, Forbidden, Gone
from .facts import has_ended, parse_attempt
from .manifests import pods_at_once
from .observe import parse_spec
from .observed import Key, Ticket
from .packed import version_of
from .world import World

log = structlog.get_logger()

INTERVAL_SECONDS = 600
_FIRST_SECONDS = 30
"""What the first looks have asked for may have gone before the watches were up: it is never told of."""
_PLURALS = ("videojobs", "jobs", "pods")
_RIGHTS_SECONDS = 5
_SETTLE_SECONDS = 2
"""After the first sign of a gap: more of the same list is on its way, and other watches had one too."""


async def resync_forever(world: World) -> None:
    """Compare after each gap and now and then, until cancelled."""
    world.compared_at = time.monotonic()  # the watches begin with lists of their own
    pause = _FIRST_SECONDS
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(world.gap.wait(), pause)
        is_first = pause == _FIRST_SECONDS and not world.gap.is_set()
        pause = INTERVAL_SECONDS
        await asyncio.sleep(_SETTLE_SECONDS)
        world.gap.clear()
        try:
            ghosts = await resync(world, ghosts_alone=is_first)
        except ClusterError as error:
            log.warning("resync failed; trying again", error=str(error))
            world.gap.set()
        else:
            world.compared_at = time.monotonic()
            log.info("resync done", ghosts=ghosts)


async def count_places(world: World) -> None:
    """Count the workers that are there and who stood in line, before anybody is let in.

    Who stood there is among what was looked at before (``look_at_unfinished``).
    """
    if world.line.is_open:
        return

    async def count(namespace: str) -> None:
        pods: Counter[tuple[Key, str]] = Counter()
        """By VideoJob: several attempts of one may have their Jobs still."""
        videojobs = world.cluster.each_metadata("videojobs", namespace)
        alive = {_uid(body) async for body in videojobs}  # Jobs outlive their VideoJob by a moment
        async for job in world.cluster.each_job(namespace):
            labels = job["metadata"]["labels"]
            if (uid := labels[names.LABEL_UID]) in alive:
                with suppress(KeyError, ValueError):  # none of ours: nobody waits for its end
                    key = Key(job["metadata"]["namespace"], labels[names.LABEL_JOB])
                    pods[key, uid] += parse_attempt(job).pods
        for (key, uid), places in pods.items():
            world.line.settle(key, uid, places, None)

    await _in_each_namespace(world, count)
    for _, known in world.cache.videojobs():
        if known.phase == Phase.QUEUED:
            _stand_again(known.body, world)


async def look_at_unfinished(world: World) -> None:
    """Look at what works or waits before kopf lists all, which takes a while where thousands have ended."""

    async def look(namespace: str) -> None:
        async for body in world.cluster.each_unfinished(namespace):
            look_at_listed(body, world)

    await _in_each_namespace(world, look)


async def _in_each_namespace(
    world: World, look: Callable[[str], Coroutine[Any, Any, None]]
) -> set[str]:
    """Look into each namespace that is served, and say which of several may not be looked into.

    Such a one has gone, most likely, and the rights in it too: the others must not suffer from that. An
    API server that has just been started says so too, until it has read all rights.

    Raises:
        Forbidden: if no namespace may be looked into.
    """
    served = world.settings.watch_namespaces or ("",)
    closed = {namespace for namespace in served if await _is_closed(namespace, look)}
    if closed:
        await asyncio.sleep(_RIGHTS_SECONDS)
        closed = {namespace for namespace in closed if await _is_closed(namespace, look)}
    if len(closed) == len(served):
        raise Forbidden(f"no right to look into {' or '.join(served)}", HTTPStatus.FORBIDDEN)
    return closed


async def _is_closed(namespace: str, look: Callable[[str], Coroutine[Any, Any, None]]) -> bool:
    """Whether the rights in a namespace are missing."""
    try:
        await look(namespace)
    except Forbidden as error:
        if not namespace or error.status != HTTPStatus.FORBIDDEN:
            raise
        log.warning("namespace passed over", namespace=namespace, error=str(error))
        return True
    return False


def _stand_again(body: Body, world: World) -> None:
    """Who stood in line does so before anybody is looked at, else the first looked at goes first."""
    spec, _ = parse_spec(body)
    if spec is None or spec.scheduling.queue_name:
        return
    meta, key = body["metadata"], Key(body["metadata"]["namespace"], body["metadata"]["name"])
    pods = pods_at_once(spec, world.settings, len(spec.inputs))
    priority = spec.scheduling.priority
    ticket = Ticket(key, meta["uid"], priority, meta["creationTimestamp"], pods)
    world.line.settle(key, meta["uid"], 0, ticket)


async def resync(world: World, *, ghosts_alone: bool = False) -> int:
    """One comparison; how many ghosts were found. At first, the lists of the watches are on their way.

    What is there is listed by its metadata alone: ten thousand statuses are not read to learn that they are
    known. Only what the watches have not told is asked for.
    """
    known = _remembered(world)
    there: dict[str, tuple[str, Body]] = {}

    async def look(namespace: str) -> None:
        for plural in _PLURALS:
            async for body in world.cluster.each_metadata(plural, namespace):
                there[_uid(body)] = plural, _identity(body)

    closed = await _in_each_namespace(world, look)
    ghosts = [
        (plural, body)
        for plural, body in known.values()
        if _uid(body) not in there and body["metadata"]["namespace"] not in closed
        if plural == "videojobs" or not has_ended(body)
    ]
    for plural, body in ghosts:
        _forget(plural, body, world)
    world.line.keep_only({known.uid for _, known in world.cache.videojobs()})
    if ghosts_alone:
        return len(ghosts)
    # What went while the lists were read must not come back with them.
    went = known.keys() - _remembered(world).keys()
    missed = [one for uid, one in there.items() if uid not in went and not _is_known(*one, world)]
    if missed:  # most often it is on its way
        await asyncio.sleep(_SETTLE_SECONDS)
    missed = [one for one in missed if not _is_known(*one, world)]
    found = [await _catch_up(plural, body, world) for plural, body in missed]
    for key, _ in world.cache.videojobs():
        if not world.cache.is_at_rest(key):
            world.queue.add(key)
    metrics.WATCH_MISSED.set(sum(found))
    return len(ghosts)


def look_at_listed(body: Body, world: World) -> None:
    """Remember a VideoJob from a list; one that has long ended and asks for nothing is not looked at."""
    key = world.cache.put_videojob(body)
    if not world.cache.is_at_rest(key):
        world.queue.add(key)


def _remembered(world: World) -> dict[str, tuple[str, Body]]:
    """Uid → plural and object; of VideoJobs only who they are."""
    found = [
        ("videojobs", {"metadata": {"namespace": key.namespace, "name": key.name, "uid": one.uid}})
        for key, one in world.cache.videojobs()
    ]
    found += [("jobs", body) for body in world.cache.jobs()]
    found += [("pods", body) for body in world.cache.pods()]
    return {_uid(body): (plural, body) for plural, body in found}


def _is_known(plural: str, body: Body, world: World) -> bool:
    """Whether that copy of an object, or a newer one, is here."""
    if plural == "videojobs":
        return world.cache.knows_videojob(body)
    old = world.cache.known_job(body) if plural == "jobs" else world.cache.known_pod(body)
    return old is not None and version_of(old) >= version_of(body)


def _forget(plural: str, body: Body, world: World) -> None:
    world.told.discard(_uid(body))
    if plural == "videojobs":
        world.forget_videojob(body)
        return
    drop = world.cache.drop_job if plural == "jobs" else world.cache.drop_pod
    if (key := drop(body)) is not None:
        world.queue.add(key)


async def _catch_up(plural: str, body: Body, world: World) -> bool:
    """Ask for what no watch has told of; whether it is there still."""
    meta = body["metadata"]
    try:
        body = await world.cluster.get_listed(plural, meta["namespace"], meta["name"])
    except Gone:
        return False
    if plural == "videojobs":
        look_at_listed(body, world)
        return True
    put = world.cache.put_job if plural == "jobs" else world.cache.put_pod
    if (key := put(body)) is not None:
        world.queue.add(key)
    return True


def _identity(body: Body) -> Body:
    """What tells an object and its version apart: ten thousand are held at once."""
    meta = body["metadata"]
    kept = ("namespace", "name", "uid", "resourceVersion", "labels")
    return {"metadata": {name: meta[name] for name in kept if name in meta}}


def _uid(body: Body) -> str:
    uid: str = body["metadata"]["uid"]
    return uid
