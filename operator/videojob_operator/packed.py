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
_WAITING = (Phase.PENDING, Phase.QUEUED)


@dataclass(frozen=True, slots=True)
class Known:
    """One VideoJob, and what is asked of all of them at once."""

    uid: str
    version: int
    phase: str
    is_stalled: bool
    waiting_since: str
    """Since when it waits for a worker, as Kubernetes writes it; empty when not, or for a person."""
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
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    stalled = phase not in _OVER and conditions.get("Stalled", {}).get("status") == "True"
    scheduled = conditions.get("Scheduled", {})
    return Known(
        uid=meta["uid"],
        version=version_of(body),
        phase=phase,
        is_stalled=stalled,
        waiting_since="" if stalled else _waiting_since(phase, body, scheduled),
        is_at_rest=is_at_rest(body),
        _whole=None if is_over else body,
        _packed=zlib.compress(orjson.dumps(body), _QUICKLY) if is_over else b"",
    )


def _waiting_since(phase: str, body: Body, scheduled: Body) -> str:
    status = body.get("status", {})
    if phase in _WAITING:
        began: str = status.get("resumedAt") or status.get("acceptedAt") or ""
        # One that lost its place has worked in between.
        worked: str = (status.get("progress") or {}).get("updatedAt", "")
        return max(began, worked) or body["metadata"].get("creationTimestamp", "")
    if phase == Phase.RUNNING and scheduled.get("status") != "True":  # its next worker
        since: str = scheduled.get("lastTransitionTime", "")
        return since or (status.get("progress") or {}).get("updatedAt", "")
    return ""
