"""What this container may use: threads, memory, scratch space.

Read by ``cluster`` and ``local`` when a run begins; planning and the sandbox obey it. ffmpeg itself
would count the machine's cores. It must not guess: what isn't limited is None.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from videojob_api import names

_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED_FROM = 1 << 60
"""Version 1 of cgroups writes a huge number for *no limit*."""


@dataclass(frozen=True)
class Budget:
    """What a run may use."""

    threads: int
    memory_bytes: int | None
    """None: as much as the machine has."""
    scratch_bytes: int | None
    """What may still be written to the scratch folder. None: nobody knows."""
    scratch_limit_bytes: int | None = None
    """What the folder's own limit leaves: more, where the node's disk is short. None: it has none."""

    def less_scratch(self, used_bytes: int) -> Budget:
        """What is left once so many bytes lie in the scratch folder."""

        def less(room: int | None) -> int | None:
            return None if room is None else max(0, room - used_bytes)

        return replace(
            self,
            scratch_bytes=less(self.scratch_bytes),
            scratch_limit_bytes=less(self.scratch_limit_bytes),
        )


def read_budget(
    scratch: Path, environment: Mapping[str, str] = os.environ, cgroup: Path = _CGROUP
) -> Budget:
    """Find out what we may use.

    The container's limits come by the downward API; without it (a local run), from the cgroup, and
    else from the cores that this process may run on. The scratch folder's limit is the volume's: the
    node's disk may have far more room, and the kubelet evicts who takes it.
    """
    free = shutil.disk_usage(scratch).free
    limit = _positive(environment.get(names.ENV_SCRATCH_LIMIT))
    return Budget(
        threads=_positive(environment.get(names.ENV_CPU_LIMIT))
        or _cgroup_threads(cgroup)
        or len(os.sched_getaffinity(0)),
        memory_bytes=_positive(environment.get(names.ENV_MEMORY_LIMIT)) or _cgroup_memory(cgroup),
        scratch_bytes=min(free, limit or free),
        scratch_limit_bytes=limit,
    )


def _positive(text: str | None) -> int | None:
    try:
        number = float(text or 0)
    except ValueError:
        return None
    return math.ceil(number) if 0 < number < _UNLIMITED_FROM else None


def _read(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _cgroup_threads(cgroup: Path) -> int | None:
    """The CPU quota in whole cores, rounded up."""
    version_2 = _read(cgroup / "cpu.max")
    if version_2:
        return _cores(*version_2)
    quota, period = (_read(cgroup / "cpu" / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
    return _cores(*quota, *period)


def _cores(quota: str = "max", period: str = "100000") -> int | None:
    if quota == "max" or int(quota) <= 0 or int(period) <= 0:
        return None
    return max(1, math.ceil(int(quota) / int(period)))


def _cgroup_memory(cgroup: Path) -> int | None:
    values = _read(cgroup / "memory.max") or _read(cgroup / "memory" / "memory.limit_in_bytes")
    return _positive(values[0]) if values and values[0] != "max" else None
