"""The world: what the loop works with, in one value that is handed down (no globals)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from videojob_api.status import VideoJobStatus

from .attempt import Attempt, Silence
from .cache import Cache
from .cluster import Cluster
from .courier import Courier
from .facts import parse_attempt
from .line import Line
from .memo import Memo
from .nodes import Nodes
from .pace import (
    EVENTS_ASKED_AT_ONCE,
    EVENTS_ASKED_PER_SECOND,
    EVENTS_AT_ONCE,
    EVENTS_PER_SECOND,
    PROGRESS_WRITES_PER_SECOND,
    Pace,
)
from .reportbook import ReportBook
from .settings import Settings
from .specs import Manifest
from .workqueue import WorkQueue

log = structlog.get_logger()


@dataclass
class World:
    """Connection, memory and clock."""

    cluster: Cluster
    settings: Settings
    cache: Cache = field(default_factory=Cache)
    book: ReportBook = field(default_factory=ReportBook)
    queue: WorkQueue = field(default_factory=WorkQueue)
    prepared: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the API server has answered and ``settings`` has all that is kept there."""
    leading: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once this replica may write; a standby waits for it."""
    watching: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the watches are up."""

    gap: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a watch began anew: what was deleted meanwhile is not told."""

    told: set[str] = field(default_factory=set)
    """Uids of what kopf has told of and that is not gone."""

    compared_at: float = field(default_factory=time.monotonic)
    """When memory and cluster were last compared (monotonic seconds)."""

    courier: Courier = field(init=False)
    """Delivers notifications, beside the loop."""
    pace: Pace = field(
        default_factory=lambda: Pace(PROGRESS_WRITES_PER_SECOND, PROGRESS_WRITES_PER_SECOND)
    )
    """Of progress writes, over all VideoJobs."""
    event_pace: Pace = field(default_factory=lambda: Pace(EVENTS_PER_SECOND, EVENTS_AT_ONCE))
    """Of Events that tell of nothing wrong, over all VideoJobs."""
    asking_pace: Pace = field(
        default_factory=lambda: Pace(EVENTS_ASKED_PER_SECOND, EVENTS_ASKED_AT_ONCE)
    )
    """Of questions what Events say, over all VideoJobs."""
    nodes_seen: tuple[float, Nodes | None] | None = None
    """When the nodes were last listed (monotonic seconds), and what they offered."""

    nodes_asked: asyncio.Task[Nodes | None] | None = None
    """The list that is on its way, or was the last to come."""
    namespaces_seen: dict[str, tuple[float, bool]] = field(default_factory=dict)
    """When a namespace was last asked for (monotonic seconds), and whether it was being deleted."""

    line: Line = field(init=False)
    """The operator's own line."""
    specs: Memo[Manifest] = field(default_factory=Memo)
    statuses: Memo[VideoJobStatus] = field(default_factory=Memo)
    attempts: Memo[Attempt] = field(default_factory=Memo)
    workloads: dict[str, str] = field(default_factory=dict)
    """Job uid → why Kueue does not let it in."""
    # Sightings, in monotonic seconds: see ``since``.
    idle: dict[str, float] = field(default_factory=dict)
    """VideoJob uid → since when its Job has had no pod that lives, or has been woken."""
    quiet: dict[str, float] = field(default_factory=dict)
    """VideoJob uid → since when no worker of its newest Job has been seen at work."""
    at_work: dict[str, float] = field(default_factory=dict)
    """VideoJob uid → since when one has been."""
    silences: dict[str, tuple[datetime, Silence]] = field(default_factory=dict)
    """VideoJob uid → when Events were last asked, and what they told."""
    removing: dict[str, float] = field(default_factory=dict)
    """VideoJob uid → when it was first seen to be deleted with its outputs."""

    def __post_init__(self) -> None:
        """Give the courier what it works with; the line calls whose turn it is by the queue."""
        self.courier = Courier(self.cluster, self.settings, self.queue.add, self.now)
        limits = self.settings.max_running, self.settings.max_running_per_namespace
        self.line = Line(*limits, wake=self.queue.add)

    def __copy__(self) -> World:
        """There is one: kopf wants a copy for every object that it has seen."""
        return self

    def attempt_of(self, job: dict[str, Any]) -> Attempt | None:
        """The attempt that a Job is; None for one that somebody else made or changed."""
        try:
            return self.attempts.get(job["metadata"]["uid"], job, lambda: parse_attempt(job))
        except (KeyError, ValueError) as error:
            meta = job["metadata"]
            name = f"{meta['namespace']}/{meta['name']}"
            log.warning("not a Job of ours", kube_job=name, why=repr(error))
            return None

    def forget(self, uid: str) -> None:
        """Drop what workers and pods of a VideoJob said: it has ended or gone."""
        self.line.forget(uid)
        self.book.forget(uid)
        self.cache.forget_pods(uid)
        self.specs.forget(uid)
        self.statuses.forget(uid)
        self.idle.pop(uid, None)
        self.quiet.pop(uid, None)
        self.at_work.pop(uid, None)
        self.silences.pop(uid, None)

    def forget_videojob(self, body: dict[str, Any]) -> None:
        """Drop all that is remembered of a VideoJob that is gone; a successor of its name stays."""
        key = self.cache.drop_videojob(body)
        if key is not None:
            self.queue.forget(key)
        self.forget(body["metadata"]["uid"])
        self.courier.forget(body["metadata"]["uid"])
        self.removing.pop(body["metadata"]["uid"], None)

    def now(self) -> datetime:
        """The operator's clock."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds of a clock that nobody sets."""
        return time.monotonic()

    def since(self, sightings: dict[str, float], uid: str) -> datetime:
        """When something was first seen of a VideoJob, by ``now``, which may have been set meanwhile."""
        began = sightings.setdefault(uid, self.monotonic())
        return self.now() - timedelta(seconds=self.monotonic() - began)
