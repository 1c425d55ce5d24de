"""First looks: what an operator before has left is taken up, before kopf's watches begin.

Called by ``__main__`` at start. kopf's list of all takes a while where thousands have ended.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import structlog

from videojob_api import names
from videojob_api.status import Phase

from .cluster import Body
from .facts import is_owned_by, parse_attempt
from .observe import read
from .observed import Key
from .policies.queueing import build_ticket, patience_in_line
from .served import look_into_each
from .world import World

log = structlog.get_logger()


async def remember_unfinished(world: World) -> None:
    """Remember what works or waits."""

    async def remember(namespace: str) -> None:
        async for body in world.cluster.each_unfinished(namespace):
            world.cache.put_videojob(body)

    await look_into_each(world, remember)


async def look_at_unfinished(world: World) -> None:
    """Have looked at what is remembered, but for those that stand in line as before.

    Before anybody is let in, the workers that are there are counted, and who stood in line does so again.
    """
    at_work = set() if world.line.is_open else await _count_places(world)
    for key, known in world.cache.videojobs():
        body = known.body
        waits = known.phase == Phase.QUEUED and not world.line.is_open and known.uid not in at_work
        stays = "deletionTimestamp" not in body["metadata"]
        if not (waits and stays and _stand_again(key, body, world)):
            world.queue.add(key, urgent=False)
        await asyncio.sleep(0)  # ten thousand take seconds: the lease and the probes go on


async def _count_places(world: World) -> set[str]:
    """Have the line know who holds places; the uids of those."""
    pods: Counter[tuple[Key, str]] = Counter()
    """By VideoJob: several attempts of one may have their Jobs still."""

    # One that has ended holds none, though its Job may take a while to stop: nobody would tell of that.
    keys = {known.uid: key for key, known in world.cache.videojobs()}

    async def count(namespace: str) -> None:
        found: Counter[tuple[Key, str]] = Counter()
        async for job in world.cluster.each_job(namespace):
            meta = job["metadata"]
            uid = meta["labels"][names.LABEL_UID]
            key = keys.get(uid)
            if key and is_owned_by(job, uid) and meta["namespace"] == key.namespace:
                with suppress(KeyError, ValueError):  # none of ours: nobody waits for its end
                    found[key, uid] += parse_attempt(job).pods
        pods.update(found)

    await look_into_each(world, count)
    for (key, uid), places in pods.items():
        world.line.settle(key, uid, places, None)
    return {uid for (_, uid), places in pods.items() if places}


def _stand_again(key: Key, body: Body, world: World) -> bool:
    """Who stood in line does so before anybody is looked at, else the first looked at goes first.

    True where nothing has changed since: there is nothing to look at, and the line calls whose turn it is.
    """
    try:
        observed = read(key, body, world)
        ticket = build_ticket(observed)
        seconds = patience_in_line(observed, world.now())
    except Exception as error:  # whatever its status says holds up nobody else; its own look tells
        log.warning("not understood", namespace=key.namespace, job=key.name, error=str(error))
        return False
    if ticket is None:  # Kueue's, or held meanwhile
        return False
    world.line.settle(key, observed.uid, 0, ticket)
    if seconds is not None:
        world.queue.add_after(key, seconds)
    return seconds is not None
