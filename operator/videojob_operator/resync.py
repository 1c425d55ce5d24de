"""Resync: after a gap in a watch, and every ten minutes, the cluster is compared with the cache.

kopf lists again after a gap, yet tells nothing of what was deleted meanwhile: such ghosts go here, and what
was missed is looked at.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from videojob_api import names
from videojob_api.status import Phase

from .cluster import Body
from .errors import ClusterError
from .facts import has_ended, is_at_rest, parse_attempt
from .manifests import pods_at_once
from .observe import parse_spec
from .observed import Key, Ticket
from .world import World

log = structlog.get_logger()

INTERVAL_SECONDS = 600
_SETTLE_SECONDS = 2
"""After the first sign of a gap: more of the same list is on its way, and other watches had one too."""


async def resync_forever(world: World) -> None:
    """Compare after each gap and now and then, until cancelled."""
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(world.gap.wait(), INTERVAL_SECONDS)
        await asyncio.sleep(_SETTLE_SECONDS)
        world.gap.clear()
        try:
            ghosts = await resync(world)
        except ClusterError as error:
            log.warning("resync failed; trying again", error=str(error))
            world.gap.set()
        else:
            log.info("resync done", ghosts=ghosts)


async def count_places(world: World) -> None:
    """Count the workers that are there and who stood in line, before anybody is let in."""
    if world.line.is_open:
        return
    for namespace in world.settings.watch_namespaces or ("",):
        alive, queued = set(), []  # Jobs outlive their VideoJob by a moment
        async for body in world.cluster.each_videojob(namespace):
            alive.add(_uid(body))
            if body.get("status", {}).get("phase") == Phase.QUEUED:
                queued.append(body)
        for job in await world.cluster.list_jobs(namespace):
            labels = job["metadata"]["labels"]
            if (uid := labels[names.LABEL_UID]) in alive:
                with suppress(KeyError, ValueError):  # none of ours: nobody waits for its end
                    key = Key(job["metadata"]["namespace"], labels[names.LABEL_JOB])
                    world.line.settle(key, uid, parse_attempt(job).pods, None)
        for body in queued:
            _stand_again(body, world)


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


async def resync(world: World) -> int:
    """One comparison; how many ghosts were found."""
    known = _identities(world)
    known_children = [*world.cache.jobs(), *world.cache.pods()]
    alive: set[str] = set()
    unknown: list[Body] = []
    restless: dict[str, Key] = {}
    """Uid → key of those to look at once more."""
    children: list[Body] = []
    for namespace in world.settings.watch_namespaces or ("",):
        async for body in world.cluster.each_videojob(namespace):
            alive.add(_uid(body))
            if not world.cache.knows_videojob(body):
                unknown.append(body)
            elif not _is_at_rest(body, world):
                restless[_uid(body)] = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        children += await world.cluster.list_jobs(namespace)
        children += await world.cluster.list_live_pods(namespace)
    alive |= {_uid(body) for body in children}
    ghosts = [body for body in known if _uid(body) not in alive]
    ghost_children = [
        body for body in known_children if _uid(body) not in alive and not has_ended(body)
    ]
    for body in ghosts:
        world.forget_videojob(body)
    for body in ghost_children:
        drop = world.cache.drop_job if _is_job(body) else world.cache.drop_pod
        if (key := drop(body)) is not None:
            world.queue.add(key)
    # What went while the lists were read must not come back with them.
    still = _identities(world)
    still_children = [*world.cache.jobs(), *world.cache.pods()]
    went = {_uid(body) for body in (*known, *known_children)}
    went -= {_uid(body) for body in (*still, *still_children)}
    for uid in restless.keys() - went:
        world.queue.add(restless[uid])
    for body in unknown:
        if _uid(body) not in went:
            look_at_listed(body, world)
    for body in children:
        if _uid(body) not in went:
            put = world.cache.put_job if _is_job(body) else world.cache.put_pod
            put(body)
    world.line.keep_only({known.uid for _, known in world.cache.videojobs()})
    return len(ghosts) + len(ghost_children)


def look_at_listed(body: Body, world: World) -> None:
    """Remember a VideoJob from a list; one that has long ended and asks for nothing is not looked at."""
    key = world.cache.put_videojob(body)
    if not _is_at_rest(body, world):
        world.queue.add(key)


def _is_at_rest(body: Body, world: World) -> bool:
    return is_at_rest(body) and not world.cache.jobs_of(_uid(body))


def _identities(world: World) -> list[Body]:
    return [
        {"metadata": {"namespace": key.namespace, "name": key.name, "uid": known.uid}}
        for key, known in world.cache.videojobs()
    ]


def _uid(body: Body) -> str:
    uid: str = body["metadata"]["uid"]
    return uid


def _is_job(body: Body) -> bool:
    """Items of a list do not say their kind; only Jobs of ours have completions."""
    return "completions" in body["spec"]
