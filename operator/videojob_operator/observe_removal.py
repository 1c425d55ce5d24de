"""Observe a removal: what has to be known of a VideoJob that is being deleted with its outputs.

IO, called by observe for such VideoJobs alone. Everything is asked of the API server: a cache that has
just been started would not know of workers that still publish.
"""

from __future__ import annotations

from dataclasses import replace

from videojob_api import names

from .clean_up_job import parse_clean_up
from .namespaces import is_going
from .observed import CleanUp, Observed, Removal
from .policies.removal import wants_deletion
from .stores import find_store
from .world import World


def begin_removal(uid: str, world: World) -> Removal:
    """A VideoJob is being deleted with its outputs, seen so for the first time or again.

    The time counts from this operator's first look, and not from the deletion: outputs were left behind
    where no operator was running, or where thousands were deleted at once.
    """
    return Removal(world.since(world.removing, uid), is_namespace_going=False, workers=0)


async def observe_removal(observed: Observed, removal: Removal, world: World) -> Observed:
    """The same VideoJob with its workers, its clean-up Job and its store.

    Args:
        observed: what is known so far.
        removal: that of it which is known.
        world: to ask.
    """
    removal = replace(removal, is_namespace_going=await is_going(observed.key, world))
    if removal.is_namespace_going:
        return replace(observed, removal=removal)
    # Also where the outputs are to stay by now: one that is at work must not outlive the finalizer.
    removal = replace(removal, clean_up=await _clean_up(observed, world))
    if observed.spec is None or not wants_deletion(observed):
        return replace(observed, removal=removal)
    namespace, uid = observed.key.namespace, observed.uid
    workers = await world.cluster.list_live_pods_of(namespace, uid)
    removal = replace(removal, workers=len(workers))
    store = await find_store(observed.key, observed.spec.store_ref.name, world)
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
