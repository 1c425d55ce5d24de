"""Many that have ended, and restarts among them: memory, rest, and how soon an operator is at work."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from dataclasses import astuple, dataclass
from typing import Any

import control_plane
from asking import show_progress, until_in_sync, until_ready
from client import Body, Client, at_once, connected
from control_plane import ScaleError
from loads import JOBS, VIDEOJOBS, build_videojob
from measure import cpu_seconds, memory_mib, spending
from outcome import Figure, Outcome
from rich.progress import Progress

from videojob_api import names
from videojob_api.conditions import build_conditions, merge_conditions
from videojob_api.status import Phase, VideoJobStatus
from videojob_operator.resync import INTERVAL_SECONDS

_STARTS = 3
"""Every five minutes the API server compares its memory with etcd, which takes it a while."""
_REST_SECONDS = 30
_LONG_REST_SECONDS = INTERVAL_SECONDS + 20
"""At the full size: long enough that the operator compares all that it knows with the cluster."""


async def measure_finished(jobs: int) -> Outcome:
    """So many finished VideoJobs of 20 KB: memory, rest, and how soon an operator is at work again."""
    with show_progress() as progress, control_plane.running():
        bar = progress.add_task(f"{jobs:,} finished VideoJobs", total=jobs)
        async with connected("admin") as client:
            await at_once(lambda n: _finish_one(client, n, progress, bar), range(jobs), 32)
            size = len(json.dumps(_finished_status("old-00000"), separators=(",", ":")))
            print(f"  status of each: {size:,} bytes")
            title = f"{jobs:,} finished VideoJobs of 20 KB"
            return Outcome(title, ["", ""], figures=await _watch_restarts(client, jobs))


@dataclass(frozen=True)
class _Start:
    """Of one operator, in seconds."""

    in_sync: float
    cpu: float
    new_job: float


async def _watch_restarts(client: Client, jobs: int) -> list[Figure]:
    starts: list[_Start] = []
    at_rest: list[Figure] = []
    for number in range(_STARTS):
        with control_plane.operator() as pid:
            starts.append(await _start(client, pid, jobs, f"zz-newcomer-{number}"))
            print(f"  {starts[-1]}", flush=True)
            if number == _STARTS - 1:
                at_rest = await _watch_rest(pid, jobs)
    in_sync, cpu, new_job = (
        statistics.median(one) for one in zip(*map(astuple, starts), strict=True)
    )
    return [
        Figure(f"start to in sync, median of {_STARTS}", in_sync, 15, "s"),
        Figure("CPU of that", cpu, None, "s"),
        Figure("start to a new VideoJob's Job", new_job, 8, "s"),
        *at_rest,
    ]


async def _start(client: Client, pid: int, jobs: int, newcomer: str) -> _Start:
    """How soon an operator that has just been started is at work."""
    started = time.monotonic()
    # The last of the list, so that all others come before it.
    await client.request("POST", VIDEOJOBS, build_videojob(newcomer))
    made = asyncio.create_task(_time_of_job(client, newcomer))
    await until_ready()
    await until_in_sync(jobs)
    found = _Start(time.monotonic() - started, cpu_seconds(pid), await made - started)
    await _until_phase(client, newcomer, "Succeeded")
    return found


async def _watch_rest(pid: int, jobs: int) -> list[Figure]:
    await asyncio.sleep(10)
    rest_seconds = _LONG_REST_SECONDS if jobs >= 10_000 else _REST_SECONDS
    async with spending({"operator": pid}) as rest:
        await asyncio.sleep(rest_seconds)
    now, peak = memory_mib(pid)
    writes = rest.writes_of(control_plane.OPERATOR).total()
    idle = 100 * rest.cpu_seconds["operator"] / rest.wall_seconds
    is_judged = jobs <= 10_000
    return [
        Figure("memory, steady", now, 220 if is_judged else None, "MiB"),
        Figure("memory, peak", peak, 300 if is_judged else None, "MiB"),
        Figure("CPU at rest", idle, 1, "% of a core"),
        Figure(f"API writes in {rest_seconds} s of rest", writes, 0, ""),
    ]


async def _finish_one(client: Client, number: int, progress: Progress, bar: Any) -> None:
    name = f"old-{number:05}"
    await client.request("POST", VIDEOJOBS, build_videojob(name))
    status = _finished_status(name)
    await client.merge(f"{VIDEOJOBS}/{name}/status", {"status": status})
    progress.advance(bar)


def _finished_status(name: str) -> Body:
    """A status of about 20 KB, as many renditions and pictures leave it."""
    folder = f"results/{name}/film"
    said, now = "All inputs succeeded.", "2026-01-01T00:00:00Z"
    conditions = build_conditions(Phase.SUCCEEDED, "Succeeded", said, scheduled=True, stalled=False)
    status = VideoJobStatus.model_validate(
        {
            "conditions": merge_conditions([], conditions, generation=1, now=now),
            "observedGeneration": 1,
            "runID": "00000000-1",
            "attempt": 1,
            "phase": "Succeeded",
            "message": said,
            "progress": {"percent": 100, "updatedAt": now},
            "inputs": [{"name": "film", "state": "Succeeded", "percent": 100, "attempts": 1}],
            "indexes": {"succeeded": "0"},
            "inputCounts": {"total": 1, "succeeded": 1},
            "outputs": [
                {
                    "name": f"stream-{n:03}.m4s",
                    "input": "film",
                    "step": "stream",
                    "key": f"{folder}/stream/a-folder-with-a-long-name-{n % 5}/stream-{n:03}.m4s"
                    + "-" * 96,
                    "bytes": 1_048_576 + n,
                    "sha256": f"{n:064x}",
                    "mimeType": "video/mp4",
                    "width": 1920,
                    "height": 1080,
                    "durationSeconds": 6.0,
                }
                for n in range(50)
            ],
            "outputCount": 812,
            "outputBytes": 812 << 20,
            "acceptedAt": now,
            "startedAt": now,
            "finishedAt": now,
        }
    )
    return status.wire()


async def _time_of_job(client: Client, videojob: str) -> float:
    async for _, seen in client.watch(JOBS):
        if seen["metadata"]["labels"].get(names.LABEL_JOB) == videojob:
            return time.monotonic()
    raise ScaleError("the watch of Jobs ended")


async def _until_phase(client: Client, name: str, phase: str) -> None:
    async with asyncio.timeout(120):
        while True:
            body = await client.request("GET", f"{VIDEOJOBS}/{name}")
            if body.get("status", {}).get("phase") == phase:
                return
            await asyncio.sleep(0.2)
