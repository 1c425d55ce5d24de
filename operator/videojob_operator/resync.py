"""Resync: after a gap in a watch, and every ten minutes, the cluster is compared with the cache.

kopf lists again after a gap, yet tells nothing of what was deleted meanwhile: such ghosts go here, and what
was missed is looked at.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import structlog

from videojob_api import names

from . import metrics
from .cluster import Body
from .errors import ClusterError, Gone
from .facts import has_ended
from .packed import version_of
from .patience import bear, pauses
from .served import look_into_each
from .world import World

log = structlog.get_logger()

INTERVAL_SECONDS = 600
_FIRST_SECONDS = 30.0
"""What the first looks have asked for may have gone before the watches were up: it is never told of."""
_PLURALS = ("videojobs", "jobs", "pods")
_SETTLE_SECONDS = 2.0
"""After the first sign of a gap: more of the same list is on its way, and other watches had one too."""


async def resync_forever(world: World) -> None:
    """Compare after each gap and now and then, until cancelled.

    Raises:
        DeafError: after half an hour without an answer.
    """
    world.compared_at = time.monotonic()  # the watches begin with lists of their own
    pause, settle, longer = _FIRST_SECONDS, _SETTLE_SECONDS, pauses(_SETTLE_SECONDS)
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await world.gap.wait()
        is_first = pause == _FIRST_SECONDS and not world.gap.is_set()
        pause = INTERVAL_SECONDS
        await asyncio.sleep(settle)
        world.gap.clear()
        try:
            ghosts = await resync(world, ghosts_alone=is_first)
        except ClusterError as error:
            log.warning("resync failed; trying again", error=str(error))
            bear(error, world.compared_at, time.monotonic())
            world.gap.set()
            settle = next(longer)  # all is listed anew, by one that can't keep up as it is
        else:
            settle, longer = _SETTLE_SECONDS, pauses(_SETTLE_SECONDS)
            world.compared_at = time.monotonic()
            log.info("resync done", ghosts=ghosts)


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

    closed = await look_into_each(world, look)
    ghosts = [
        (plural, body)
        for plural, body in known.values()
        if _uid(body) not in there and body["metadata"]["namespace"] not in closed
        # A pod that has ended meanwhile is no ghost: it stays for what it says.
        if plural == "videojobs" or not has_ended(world.cache.known_pod(body) or body)
    ]
    for plural, body in ghosts:
        _forget(plural, body, world)
    world.line.keep_only({known.uid for _, known in world.cache.videojobs()})
    if ghosts_alone:
        return len(ghosts)
    # What went while the lists were read must not come back with them.
    went = known.keys() - _remembered(world).keys()
    over = {known.uid for _, known in world.cache.videojobs() if known.is_over}
    missed = [
        (plural, body)
        for uid, (plural, body) in there.items()
        if uid not in went and not _is_known(plural, body, world)
        # The pods of what has ended are forgotten at once, and may be told of as alive for a while.
        if plural != "pods" or body["metadata"].get("labels", {}).get(names.LABEL_UID) not in over
    ]
    if missed:  # most often it is on its way
        await asyncio.sleep(_SETTLE_SECONDS)
    missed = [one for one in missed if not _is_known(*one, world)]
    found = [await _catch_up(plural, body, world) for plural, body in missed]
    for key, _ in world.cache.videojobs():
        if not world.cache.is_at_rest(key):
            world.queue.add(key, urgent=False)
    metrics.WATCH_MISSED.set(sum(found))
    return len(ghosts)


def look_at_listed(body: Body, world: World) -> None:
    """Remember a VideoJob from a list; one that has long ended and asks for nothing is not looked at."""
    key = world.cache.put_videojob(body)
    if not world.cache.is_at_rest(key):
        world.queue.add(key, urgent=False)


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
