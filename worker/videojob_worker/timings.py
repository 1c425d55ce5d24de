"""Wall and CPU time of the stages, those of children included.

Used by ``run``; the manifest shows it.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

from videojob_api.manifest import StageTiming

from .log import say


class Timings:
    """A stop watch for each stage."""

    def __init__(self) -> None:
        self.stages: list[StageTiming] = []
        self._begun = cpu_seconds()

    @property
    def cpu_seconds(self) -> float:
        """Used since this was made."""
        return cpu_seconds() - self._begun

    @contextmanager
    def stage(self, name: str, **facts: object) -> Iterator[None]:
        """Measure what is done inside; a stage that fails is not noted."""
        say(f"{name} begins", stage=name, **facts)
        wall, cpu = time.monotonic(), cpu_seconds()
        yield
        timing = StageTiming(
            stage=name,
            wall_seconds=round(time.monotonic() - wall, 3),
            cpu_seconds=round(cpu_seconds() - cpu, 3),
        )
        self.stages.append(timing)
        say(f"{name} done", **timing.wire())


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
