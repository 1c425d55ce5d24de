"""All at once: VideoJobs, the floor and bare Jobs in turn, each on a control plane of its own."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass

import control_plane
from asking import show_progress, until_ready
from client import connected
from loads import LOADS, Count, Life, record_life
from measure import Spent, memory_mib, spending
from outcome import Figure, Outcome

_SMALL = 1000
_HEADER = [
    "jobs",
    "what",
    "s",
    "jobs/s",
    "operator ms",
    "client ms",
    "control plane ms",
    "writes of it",
    "writes",
]


@dataclass
class _Run:
    kind: str
    jobs: int
    spent: Spent
    memory: tuple[float, float] = (0.0, 0.0)


async def measure_all_at_once(jobs: int) -> Outcome:
    """VideoJobs, the floor and bare Jobs in turn: twice at a thousand, once at the full size."""
    life = await _record()
    runs = []
    for size, rounds in ((min(jobs, _SMALL), 2), *(((jobs, 1),) if jobs > _SMALL else ())):
        for number in range(1, rounds + 1):
            for kind in LOADS:
                title = f"{size:,} {kind}" + (f", round {number}" if rounds > 1 else "")
                runs.append(await _run(kind, size, life, title))
                _tell(runs[-1])
    outcome = Outcome("All at once", _HEADER, [_row(run) for run in runs])
    for size in sorted({run.jobs for run in runs}):
        outcome.figures += _compare(size, [run for run in runs if run.jobs == size])
    if jobs > _SMALL:
        small, large = (_cpu_ms(runs, size) for size in (_SMALL, jobs))
        growth = 100 * (large / small - 1)
        outcome.figures.append(
            Figure(f"growth of CPU per job, {_SMALL:,} to {jobs:,}", growth, 10, "%")
        )
    return outcome


def _cpu_ms(runs: list[_Run], size: int) -> float:
    own = [r.spent.cpu_seconds["operator"] for r in runs if r.kind == "operator" and r.jobs == size]
    return 1000 * statistics.mean(own) / size


def _compare(size: int, runs: list[_Run]) -> list[Figure]:
    seconds = {
        kind: statistics.mean(r.spent.wall_seconds for r in runs if r.kind == kind)
        for kind in LOADS
    }
    plane = {
        kind: statistics.mean(r.spent.control_plane_cpu() for r in runs if r.kind == kind)
        for kind in LOADS
    }
    ours = [run for run in runs if run.kind == "operator"]
    writes = statistics.mean(run.spent.writes_of(control_plane.OPERATOR).total() for run in ours)
    return [
        Figure(
            f"{size:,}: time against the floor",
            seconds["operator"] / seconds["floor"],
            1.15,
            "times",
        ),
        Figure(
            f"{size:,}: time against bare Jobs", seconds["operator"] / seconds["bare"], 1.5, "times"
        ),
        Figure(f"{size:,}: operator's CPU per job", _cpu_ms(runs, size), 8, "ms"),
        Figure(
            f"{size:,}: control plane's CPU against the floor",
            plane["operator"] / plane["floor"],
            None,
            "times",
        ),
        Figure(f"{size:,}: operator's API writes per job", writes / size, None, ""),
        Figure(
            f"{size:,}: operator's memory at its peak",
            max(run.memory[1] for run in ours),
            None,
            "MiB",
        ),
    ]


def _row(run: _Run) -> list[str]:
    spent, per_job = run.spent, 1000 / run.jobs
    own = spent.cpu_seconds.get("operator")
    return [
        f"{run.jobs:,}",
        run.kind,
        f"{spent.wall_seconds:.1f}",
        f"{run.jobs / spent.wall_seconds:.1f}",
        "" if own is None else f"{own * per_job:.2f}",
        f"{spent.cpu_seconds['client'] * per_job:.2f}",
        f"{spent.control_plane_cpu() * per_job:.1f}",
        f"{spent.writes_of(control_plane.OPERATOR).total() / run.jobs:.2f}"
        if run.kind != "bare"
        else "",
        f"{spent.all_writes() / run.jobs:.2f}",
    ]


def _tell(run: _Run) -> None:
    """The row at once: the whole takes an hour at the full size, and may be ended before."""
    cells = zip(_HEADER, _row(run), strict=True)
    print("  " + ", ".join(f"{name} {cell}" for name, cell in cells if cell), flush=True)


async def _record() -> Life:
    with control_plane.running(), control_plane.operator() as _:
        await until_ready()
        async with connected("admin") as client:
            return await record_life(client)


async def _run(kind: str, jobs: int, life: Life, title: str) -> _Run:
    with show_progress() as progress, control_plane.running() as plane:
        count = Count(jobs, progress, progress.add_task(title, total=jobs))
        if kind != "operator":
            return _Run(kind, jobs, await _spend(kind, plane.parts, life, count))
        with control_plane.operator() as pid:
            await until_ready()
            spent = await _spend(kind, {**plane.parts, "operator": pid}, life, count)
            _tell_operators_writes(spent)
            return _Run(kind, jobs, spent, memory_mib(pid))


async def _spend(kind: str, pids: dict[str, int], life: Life, count: Count) -> Spent:
    async with (
        connected("admin") as user,
        connected(control_plane.OPERATOR) as writer,
        spending({**pids, "client": os.getpid()}) as spent,
    ):
        await LOADS[kind](user, writer, life, count.total, count)
    return spent


def _tell_operators_writes(spent: Spent) -> None:
    by_kind = spent.writes_of(control_plane.OPERATOR)
    print("  operator's writes:", ", ".join(f"{n} {what}" for what, n in sorted(by_kind.items())))
