"""The census: how many VideoJobs stand where, counted over the cache whenever the metrics are read.

A collector for prometheus-client, registered by ``__main__``. It reads memory only, and has no label by
which the number of series could grow with the number of VideoJobs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from videojob_api.status import Phase

from .clock import parse_time
from .metrics import PREFIX
from .world import World


class Census(Collector):
    """What is true now, as against what has been counted on the way."""

    def __init__(self, world: World) -> None:
        self._world = world

    def collect(self) -> Iterable[Metric]:
        """The gauges; a replica that stands by has seen nothing and says so."""
        phases: Counter[str] = Counter({str(phase): 0 for phase in Phase})
        stalled, longest_wait, quiet = 0, 0.0, 0.0
        now = self._world.now()
        for _, known in self._world.cache.videojobs():
            phases[known.phase] += 1
            stalled += known.is_stalled
            longest_wait = max(longest_wait, _waited_seconds(known.waiting_since, now))
            if known.phase == Phase.RUNNING:
                heard = self._world.book.heard_at(known.uid)
                quiet = max(quiet, time.monotonic() - heard if heard else 0.0)
        by_phase = GaugeMetricFamily(
            f"{PREFIX}_videojobs", "VideoJobs there are, by phase", labels=["phase"]
        )
        for phase, count in phases.items():
            by_phase.add_metric([phase], count)
        yield by_phase
        yield _gauge("stalled", "VideoJobs that wait for something only a person can mend", stalled)
        yield _gauge(
            "longest_waiting_seconds",
            "The longest that a VideoJob waits for a worker",
            longest_wait,
        )
        yield _gauge(
            "report_age_seconds", "The longest that workers of a running VideoJob are silent", quiet
        )
        line, queue = self._world.line, self._world.queue
        yield _gauge("pending", "VideoJobs waiting in the operator's own line", line.length)
        yield _gauge("places", "Workers' pods that count towards maxRunning", line.pods)
        yield _gauge(
            "workqueue_unfinished_work_seconds",
            "Time of all work under way",
            queue.working_seconds(),
        )
        yield _gauge(
            "workqueue_longest_running_processor_seconds",
            "Time of the longest work under way",
            queue.longest_working_seconds(),
        )
        yield _gauge("active_workers", "Reconciles under way", queue.working_on)
        yield _gauge("leader", "1 where this replica leads", float(self._world.leading.is_set()))


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", documentation, value=value)


def _waited_seconds(text: str, now: datetime) -> float:
    since = parse_time(text)
    return max(0.0, (now - since).total_seconds()) if since else 0.0
