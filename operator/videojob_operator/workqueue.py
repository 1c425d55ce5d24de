"""The queue: keys to look at, each once, with delays and back-off. N workers take from it.

Fed by handlers, reports and the loop's own requeues. It knows keys and nothing else. The semantics are
those of client-go's workqueue: a key added while it is being worked on is worked on once more after.

There are two lanes. Who adds very many keys at once, in case something was missed (a start, a resync), lets
news go first: else whose turn it is would wait for ten thousand others.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from . import metrics
from .logs import log_of_job
from .observed import Key

log = structlog.get_logger()

_FIRST_BACKOFF_SECONDS = 0.1
_LONGEST_BACKOFF_SECONDS = 60.0
_PATIENT_SHARE = 4
"""One in so many is taken from those that let others go first: news that never end must not starve them."""


class WorkQueue:
    """A de-duplicating queue of keys."""

    def __init__(self) -> None:
        self._urgent: OrderedDict[Key, float] = OrderedDict()
        self._patient: OrderedDict[Key, float] = OrderedDict()
        """Key → when it was added (monotonic seconds); each is in one lane alone."""
        self._waiting = asyncio.Semaphore(0)
        """Counts both."""
        self._taken = 0
        self._taken_at = time.monotonic()
        self._active: dict[Key, float] = {}
        """Key → when work on it began."""
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key, *, urgent: bool = True) -> None:
        """Look at it as soon as a worker is free; if it is not urgent, after those that are.

        An appointment stands until the key is taken: it may come first, and is urgent.
        """
        if key in self._active:
            self._again.add(key)
        elif urgent and key in self._patient:
            self._urgent[key] = self._patient.pop(key)
        elif key not in self:
            lane = self._urgent if urgent else self._patient
            lane[key] = time.monotonic()
            self._waiting.release()
            metrics.QUEUE_ADDS.inc()
            metrics.QUEUE_DEPTH.set(len(self))

    def __contains__(self, key: Key) -> bool:
        """Whether it waits for a worker."""
        return key in self._urgent or key in self._patient

    def __len__(self) -> int:
        """How many wait for a worker."""
        return len(self._urgent) + len(self._patient)

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
        self._cancel_appointment(key)
        self._failures.pop(key, None)

    def _cancel_appointment(self, key: Key) -> None:
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    def standstill_seconds(self) -> float:
        """For how long no worker has taken a key though one waits; a long queue need not stand still."""
        if not len(self):
            return 0.0
        first = min(next(iter(lane.values())) for lane in (self._urgent, self._patient) if lane)
        return time.monotonic() - max(first, self._taken_at)

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
            key = await self._take()
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

    async def _take(self) -> Key:
        await self._waiting.acquire()
        self._taken, self._taken_at = self._taken + 1, time.monotonic()
        lanes = [self._urgent, self._patient]
        if self._taken % _PATIENT_SHARE == 0:
            lanes.reverse()
        key, added = (lanes[0] or lanes[1]).popitem(last=False)
        self._cancel_appointment(key)
        metrics.QUEUE_WAIT.observe(self._taken_at - added)
        metrics.QUEUE_DEPTH.set(len(self))
        return key

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
