"""Stores: the VideoStore that a VideoJob names, looked up when something is about to use it.

IO. Called by observe and observe_removal.
"""

from __future__ import annotations

from pydantic import ValidationError

from videojob_api.base import read_known
from videojob_api.videostore import VideoStoreSpec

from .errors import Gone
from .observed import Key, StoreMissing
from .world import World


async def find_store(key: Key, name: str, world: World) -> VideoStoreSpec | StoreMissing:
    """The store, or that it is missing or not understood.

    Raises:
        Forbidden: if it may not be read, for now or for good.
    """
    try:
        body = await world.cluster.get_store(key.namespace, name)
    except Gone:
        return StoreMissing(name)
    try:
        store, _ = read_known(VideoStoreSpec, body["spec"])
    except ValidationError as error:
        return StoreMissing(name, invalid=error.errors()[0]["msg"])
    return store
