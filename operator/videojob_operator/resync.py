"""Resync: every ten minutes the cluster is listed and compared with the cache; drift is repaired.

kopf lists again after a gap in a watch, yet tells nothing of what was deleted meanwhile: such ghosts go
here, and what was missed is looked at.
"""

from __future__ import annotations

import asyncio

import structlog

from .cluster import Body
from .errors import ClusterError
from .world import World

log = structlog.get_logger()

INTERVAL_SECONDS = 600


async def resync_forever(world: World) -> None:
    """Compare now and then, until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL_SECONDS)
        try:
            ghosts = await resync(world)
        except ClusterError as error:
            log.warning("resync failed; trying again later", error=str(error))
        else:
            log.info("resync done", ghosts=ghosts)


async def resync(world: World) -> int:
    """One comparison; how many ghosts were found."""
    namespaces = world.settings.watch_namespaces or ("",)
    ghosts = 0
    before = list(world.cache.videojobs())
    jobs_before = world.cache.jobs()
    videojobs: list[Body] = []
    jobs: list[Body] = []
    for namespace in namespaces:
        videojobs += await world.cluster.list_videojobs(namespace)
        jobs += await world.cluster.list_jobs(namespace)
    alive = {body["metadata"]["uid"] for body in (*videojobs, *jobs)}
    for key, body in before:
        if body["metadata"]["uid"] not in alive:
            world.cache.drop_videojob(body)
            world.book.forget(body["metadata"]["uid"])
            world.cache.forget_pods(body["metadata"]["uid"])
            world.queue.forget(key)
            ghosts += 1
    for _, body in jobs_before:
        if body["metadata"]["uid"] not in alive:
            if (key_of_job := world.cache.drop_job(body)) is not None:
                world.queue.add(key_of_job)
            ghosts += 1
    for body in videojobs:
        world.queue.add(world.cache.put_videojob(body))
    for body in jobs:
        world.cache.put_job(body)
    return ghosts
