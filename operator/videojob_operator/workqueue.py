"""The queue: keys to look at, each once, with delays and back-off. N workers take from it.

Fed by handlers, reports and the loop's own requeues. It knows keys and nothing else. The semantics are
those of client-go's workqueue: a key added while it is being worked on is worked on once more after.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from . import metrics
from .logs import log_of_job
from .observed import Key

log = structlog.get_logger()

_FIRST_BACKOFF_SECONDS = 0.1
_LONGEST_BACKOFF_SECONDS = 60.0


class WorkQueue:
    """A de-duplicating queue of keys."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: dict[Key, float] = {}
        """Key → when it was added; in the queue, not taken yet."""
        self._active: dict[Key, float] = {}
        """Key → when work on it began."""
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        """Look at it as soon as a worker is free."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = time.monotonic()
            self._ready.put_nowait(key)
            metrics.QUEUE_ADDS.inc()
            metrics.QUEUE_DEPTH.set(len(self._waiting))

    def add_after(self, key: Key, seconds: float) -> None:
        """Look at it in a while; an earlier appointment stands."""
        loop = asyncio.get_running_loop()
        old = self._timers.get(key)
        if old is not None:
            if old.when() <= loop.time() + seconds:
                return
            old.cancel()
        self._timers[key] = loop.call_later(max(0.0, seconds), self.add, key)

    def forget(self, key: Key) -> None:
        """Drop the appointment and the failures of a key that is gone."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        self._failures.pop(key, None)

    def oldest_seconds(self) -> float:
        """How long the longest-waiting key has waited."""
        return max((time.monotonic() - since for since in self._waiting.values()), default=0.0)

    @property
    def working_on(self) -> int:
        """How many keys are being worked on."""
        return len(self._active)

    def working_seconds(self) -> float:
        """The time of all work under way, added up."""
        return sum(time.monotonic() - since for since in self._active.values())

    def longest_working_seconds(self) -> float:
        """The time of the longest work under way: it grows without end where a worker hangs."""
        return max((time.monotonic() - since for since in self._active.values()), default=0.0)

    async def run(self, work: Callable[[Key], Awaitable[float | None]], workers: int) -> None:
        """Take keys until cancelled; an error tries the key again, ever more slowly."""
        metrics.MAX_CONCURRENT.set(workers)
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker(work))

    async def _worker(self, work: Callable[[Key], Awaitable[float | None]]) -> None:
        while True:
            key = await self._ready.get()
            metrics.QUEUE_WAIT.observe(time.monotonic() - self._waiting.pop(key))
            metrics.QUEUE_DEPTH.set(len(self._waiting))
            self._active[key] = time.monotonic()
            try:
                await self._work_on(key, work)
            finally:
                del self._active[key]
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)
            # Much of the work waits for nothing: without this, a long queue would be one step of the
            # loop, and the lease, the probes and the watches would wait for its end.
            await asyncio.sleep(0)

    async def _work_on(self, key: Key, work: Callable[[Key], Awaitable[float | None]]) -> None:
        started = time.perf_counter()
        log_of_job(key.namespace, key.name)
        try:
            requeue = await work(key)
        except Exception as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            doubled = _FIRST_BACKOFF_SECONDS * 2 ** min(failures, 16)
            delay = min(doubled, _LONGEST_BACKOFF_SECONDS)
            metrics.RECONCILES.labels(result="error").inc()
            metrics.RECONCILE_ERRORS.inc()
            metrics.RETRIES.inc()
            expected = type(error).__module__.startswith("videojob_operator")
            log.warning(
                "reconcile failed; trying again",
                error=str(error),
                kind=type(error).__name__,
                seconds=delay,
                exc_info=not expected,
            )
            self.add_after(key, delay)
        else:
            self._failures.pop(key, None)
            metrics.RECONCILES.labels(
                result="success" if requeue is None else "requeue_after"
            ).inc()
            if requeue is not None:
                self.add_after(key, requeue)
        finally:
            took = time.perf_counter() - started
            metrics.RECONCILE_TIME.observe(took)
            metrics.WORK_TIME.observe(took)
