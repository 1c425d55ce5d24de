"""Namespaces: whether one is being deleted. IO; asked by observe where it may matter.

Kubernetes deletes the pods of a namespace first and its Jobs only when they have gone. A Job whose pod was
deleted keeps the last failed one of an input until there is another in its place, and none may be made any
more: unless somebody deletes the Job, the namespace stays for ever.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from .attempt import Attempt
from .errors import Forbidden, Gone
from .observed import Key
from .world import World

_SECONDS = 10
"""A pod that was deleted stays known, and a look follows each report of the others."""


async def is_going(key: Key, world: World) -> bool:
    """Whether that of a VideoJob is being deleted; no, where that may not be read.

    Asked now and then only: where it was asked a moment ago, the VideoJob is looked at again later.
    """
    seen = world.namespaces_seen.get(key.namespace)
    if seen is not None and time.monotonic() - seen[0] <= _SECONDS:
        world.queue.add_after(key, _SECONDS + 1)
        return seen[1]
    going = await _ask(key.namespace, world)
    world.namespaces_seen[key.namespace] = time.monotonic(), going
    return going


async def _ask(namespace: str, world: World) -> bool:
    try:
        body = await world.cluster.get_namespace(namespace)
    except Gone:
        return True
    except Forbidden:
        return False
    return "deletionTimestamp" in body["metadata"]


def has_lost_pods(uid: str, attempts: Iterable[Attempt], world: World) -> bool:
    """Whether a Job that is to go on has a pod that was deleted, or has none though some have failed."""
    for attempt in attempts:
        if attempt.deleted or attempt.is_over:
            continue
        pods = world.cache.pods_of_job(uid, attempt.uid)
        if any("deletionTimestamp" in pod["metadata"] for pod in pods):
            return True
        if attempt.pods_failed and not pods:
            return True
    return False
