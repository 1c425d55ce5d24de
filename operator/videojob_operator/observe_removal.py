"""Observe a removal: what has to be known of a VideoJob that is being deleted with its outputs.

IO, called by observe for such VideoJobs alone. Everything is asked of the API server: a cache that has
just been started would not know of workers that still publish.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from videojob_api import names

from .clean_up_job import parse_clean_up
from .errors import ClusterError
from .namespaces import is_going
from .observed import CleanUp, Observed, Removal
from .policies.removal import is_over, wants_deletion
from .stores import find_store
from .world import World

log = structlog.get_logger()


async def observe_removal(observed: Observed, world: World) -> Observed:
    """The same VideoJob with its workers, its clean-up Job and its store.

    Once the time is up these are looked at no more where that fails: nothing may hold a VideoJob for ever.
    It is the time since this operator's first look: outputs were left behind where none was running, or
    where thousands were deleted at once.

    Args:
        observed: what is known so far.
        world: to ask.
    """
    since = world.removing.setdefault(observed.uid, world.now())
    going = await is_going(observed.key, world)
    removal = Removal(since, going, workers=0)
    observed = replace(observed, removal=removal)
    if observed.spec is None or going or not wants_deletion(observed):
        return observed
    try:
        return await _look(observed, removal, observed.spec.store_ref.name, world)
    except ClusterError as error:
        if not is_over(removal, world.now()):
            raise
        log.warning("letting go without a look", error=str(error))
        return observed


async def _look(observed: Observed, removal: Removal, store_name: str, world: World) -> Observed:
    namespace, uid = observed.key.namespace, observed.uid
    workers = await world.cluster.list_live_pods_of(namespace, uid)
    removal = replace(removal, workers=len(workers), clean_up=await _clean_up(observed, world))
    store = await find_store(observed.key, store_name, world)
    return replace(observed, removal=removal, store=store)


async def _clean_up(observed: Observed, world: World) -> CleanUp | None:
    name = names.clean_up_name(observed.key.name, observed.uid)
    for job in world.cache.jobs_of(observed.uid):
        if (
            job["metadata"]["name"] == name
            and job["metadata"]["namespace"] == observed.key.namespace
        ):
            pods = await world.cluster.list_pods_of_job(observed.key.namespace, name)
            return parse_clean_up(job, pods)
    return None
