"""What a process has used and what was written to the API server, from /proc and the audit log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from places import AUDIT_LOG

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_MEBI = 1 << 20


def cpu_seconds(pid: int) -> float:
    """CPU time of a process since its start, all of its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def memory_mib(pid: int) -> tuple[float, float]:
    """What a process has in memory now, and the most that it had."""
    text = Path(f"/proc/{pid}/status").read_text()
    now, peak = (
        int(found[1])
        for name in ("RSS", "HWM")
        if (found := re.search(rf"Vm{name}:\s+(\d+) kB", text))
    )
    return now * 1024 / _MEBI, peak * 1024 / _MEBI


@dataclass
class Spent:
    """What was used between two moments."""

    wall_seconds: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    """By process."""
    writes: dict[str, Counter[str]] = field(default_factory=dict)
    """By user, then by verb and resource."""

    def writes_of(self, user: str) -> Counter[str]:
        """What one user has written, by verb and resource."""
        return self.writes.get(user, Counter())

    def control_plane_cpu(self) -> float:
        """Of API server, etcd, controllers and scheduler."""
        parts = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        return sum(self.cpu_seconds[part] for part in parts)

    def all_writes(self) -> int:
        """By whomever, but for kwok: it stands for the kubelets of a real cluster."""
        counts = (c for user, c in self.writes.items() if user != "kwok")
        return sum(count.total() for count in counts)


@contextlib.asynccontextmanager
async def spending(pids: Mapping[str, int]) -> AsyncIterator[Spent]:
    """What these processes use while inside."""
    spent = Spent()
    offset = AUDIT_LOG.stat().st_size if AUDIT_LOG.exists() else 0
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    started = time.monotonic()
    yield spent
    spent.wall_seconds = time.monotonic() - started
    spent.cpu_seconds = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    await asyncio.sleep(0.2)  # for the last lines
    spent.writes = _count_writes(offset)


def _count_writes(offset: int) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    with AUDIT_LOG.open("rb") as log:
        log.seek(offset)
        for line in log:
            with contextlib.suppress(ValueError):  # a line that is being written
                event = json.loads(line)
                what = event["objectRef"]
                resource = "/".join(filter(None, (what["resource"], what.get("subresource"))))
                user = event["user"]["username"].rpartition(":")[2]
                counts.setdefault(user, Counter())[f"{event['verb']} {resource}"] += 1
    return counts
