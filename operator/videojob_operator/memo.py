"""Memo: what was parsed of an object, for as long as the object says the same.

Used by ``observe``, which looks at a VideoJob many times between two changes of it. It holds so many of
the newest and knows nothing of what is parsed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_SIZE = 1000


class Memo(Generic[T]):
    """The last parse of each object, by its uid."""

    def __init__(self, size: int = _SIZE) -> None:
        self._size = size
        self._known: OrderedDict[str, tuple[object, T]] = OrderedDict()

    def get(self, uid: str, source: object, parse: Callable[[], T]) -> T:
        """What was parsed of an equal source, or what is parsed now. An error is not kept."""
        found = self._known.get(uid)
        if found is not None and (found[0] is source or found[0] == source):
            self._known.move_to_end(uid)
            return found[1]
        parsed = parse()
        self._known[uid] = source, parsed
        self._known.move_to_end(uid)
        if len(self._known) > self._size:
            self._known.popitem(last=False)
        return parsed

    def forget(self, uid: str) -> None:
        """Drop what is kept of one that is gone."""
        self._known.pop(uid, None)
