"""The world: what the loop works with, in one value that is handed down (no globals)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .cache import Cache
from .cluster import Cluster
from .reportbook import ReportBook
from .settings import Settings
from .workqueue import WorkQueue


@dataclass
class World:
    """Connection, memory and clock."""

    cluster: Cluster
    settings: Settings
    cache: Cache = field(default_factory=Cache)
    book: ReportBook = field(default_factory=ReportBook)
    queue: WorkQueue = field(default_factory=WorkQueue)
    leading: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once this replica may write; a standby waits for it."""
    watching: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the watches are up."""

    def now(self) -> datetime:
        """The operator's clock."""
        return datetime.now(UTC)
