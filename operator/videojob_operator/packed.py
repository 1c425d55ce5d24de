"""A VideoJob as the cache keeps it: whole while it is at work, packed once it has ended.

Used by ``cache`` alone. Ten thousand finished ones with long statuses would otherwise be most of the
operator's memory, though hardly any is ever looked at again.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import orjson

from videojob_api.status import Phase

from .facts import is_at_rest

Body = dict[str, Any]

_QUICKLY = 1
_OVER = frozenset(str(phase) for phase in Phase if phase.is_terminal)


@dataclass(frozen=True, slots=True)
class Known:
    """One VideoJob, and what is asked of all of them at once."""

    uid: str
    version: int
    created_at: str
    phase: str
    is_stalled: bool
    waiting_since: str
    """When it was accepted or went on after a suspension, whatever was later."""
    is_at_rest: bool
    """Whether it has ended and asks for nothing."""
    _whole: Body | None
    _packed: bytes

    @property
    def body(self) -> Body:
        """The whole object."""
        if self._whole is not None:
            return self._whole
        found: Body = orjson.loads(zlib.decompress(self._packed))
        return found

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and nobody deletes it."""
        return self._whole is None


def version_of(body: Body) -> int:
    """Its resourceVersion, as a number."""
    text = body["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0


def keep(body: Body) -> Known:
    """Take an object over; without what only the API server needs."""
    meta, status = body["metadata"], body.get("status", {})
    meta.pop("managedFields", None)
    phase = status.get("phase", str(Phase.PENDING))
    is_over = phase in _OVER and "deletionTimestamp" not in meta
    conditions = status.get("conditions", [])
    return Known(
        uid=meta["uid"],
        version=version_of(body),
        created_at=meta.get("creationTimestamp", ""),
        phase=phase,
        is_stalled=any(c["type"] == "Stalled" and c["status"] == "True" for c in conditions),
        waiting_since=status.get("resumedAt") or status.get("acceptedAt") or "",
        is_at_rest=is_at_rest(body),
        _whole=None if is_over else body,
        _packed=zlib.compress(orjson.dumps(body), _QUICKLY) if is_over else b"",
    )
