"""How soon one is served: among many that wait for few places, and on an idle cluster."""

from __future__ import annotations

import asyncio
import statistics
import time
from itertools import zip_longest

import control_plane
from asking import show_progress, until_in_sync, until_ready
from client import Client, at_once, connected
from loads import JOBS, PODS, VIDEOJOBS, build_videojob
from measure import cpu_seconds
from outcome import Figure, Outcome

from videojob_api import names
from videojob_operator.facts import has_ended

_LIFE_SECONDS = 3.5
"""Longer than a worker of `stages.yaml`, and all that is written about it."""


async def measure_line(jobs: int) -> Outcome:
    """So many VideoJobs wait for few places: how soon a place is filled, and by whom."""
    places, probes = 20, 10
    outcome = Outcome(f"{jobs:,} wait for {places} places", ["", ""])
    # Workers end two seconds after their start, so that places are given out all the time.
    with show_progress() as progress, control_plane.running():
        bar = progress.add_task(f"{jobs:,} in line", total=jobs)
        async with connected("admin") as client:

            async def create(number: int) -> None:
                await client.request("POST", VIDEOJOBS, build_videojob(f"video-{number:05}"))
                progress.advance(bar)

            await at_once(create, range(jobs))
            with control_plane.operator(max_running=str(places)) as pid:
                await until_ready()
                await until_in_sync(jobs)
                before = cpu_seconds(pid)
                gaps, ahead = await _watch_turns(client, places, probes)
                used = cpu_seconds(pid) - before
            started = time.monotonic()
            with control_plane.operator(max_running=str(places)) as pid:
                await until_ready()
                await until_in_sync(jobs)
                again, cpu = time.monotonic() - started, cpu_seconds(pid)
    outcome.figures = [
        Figure("place freed to the next Job, median", statistics.median(gaps), None, "s"),
        Figure("place freed to the next Job, worst", max(gaps), 2, "s"),
        Figure("one of high priority: applied to its Job, worst", max(ahead), None, "s"),
        Figure("operator's CPU per turn", 1000 * used / max(1, len(gaps)), None, "ms"),
        Figure("restart among them: start to in sync", again, 15, "s"),
        Figure("CPU of that", cpu, None, "s"),
    ]
    return outcome


async def _watch_turns(client: Client, places: int, probes: int) -> tuple[list[float], list[float]]:
    """From the end of each worker to the Job that takes its place; then some that go first.

    A place has no name: the first to be freed is taken by the first Job that is made. Of the places that
    are free when this begins, as many Jobs are passed over.
    """
    ends: list[float] = []
    made: dict[str, float] = {}
    news = asyncio.Event()
    first = {body["metadata"]["name"] for body in (await client.request("GET", JOBS))["items"]}
    pods = [body for body in (await client.request("GET", PODS))["items"] if has_ended(body)]
    over = {pod["metadata"]["name"] for pod in pods}
    at_work = first - {pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] for pod in pods}

    async def watch_pods() -> None:
        async for _, seen in client.watch(PODS):
            name, ended = seen["metadata"]["name"], has_ended(seen)
            if ended and name not in over:
                over.add(name)
                ends.append(time.monotonic())

    async def watch_jobs() -> None:
        async for kind, seen in client.watch(JOBS):
            if kind == "ADDED" and seen["metadata"]["name"] not in first:
                made[seen["metadata"]["labels"][names.LABEL_JOB]] = time.monotonic()
                news.set()

    tasks = [asyncio.create_task(watch_pods()), asyncio.create_task(watch_jobs())]
    await asyncio.sleep(33)
    ended, created = list(ends), sorted(made.values())[max(0, places - len(at_work)) :]
    now = time.monotonic()  # who has waited until now has waited so long at least
    pairs = zip_longest(ended, created[: len(ended)], fillvalue=now)
    gaps = [made_at - freed_at for freed_at, made_at in pairs]
    ahead = []
    for number in range(probes):
        name = f"urgent-{number}"
        applied = time.monotonic()
        await client.request("POST", VIDEOJOBS, build_videojob(name, scheduling={"priority": 100}))
        async with asyncio.timeout(60):
            while name not in made:
                news.clear()
                await news.wait()
        ahead.append(made[name] - applied)
    for task in tasks:
        task.cancel()
    return gaps, ahead


async def measure_latency(_: int) -> Outcome:
    """One VideoJob after the other on an idle cluster: from its watch event to its Job's."""
    probes = 100
    seen: dict[str, float] = {}
    made: dict[str, float] = {}
    news = asyncio.Event()
    with control_plane.running(), control_plane.operator() as __:
        await until_ready()
        async with connected("admin") as client:

            async def watch_videojobs() -> None:
                async for kind, body in client.watch(VIDEOJOBS):
                    if kind == "ADDED":
                        seen[body["metadata"]["name"]] = time.monotonic()
                        news.set()

            async def watch_jobs() -> None:
                async for kind, body in client.watch(JOBS):
                    if kind == "ADDED":
                        name = body["metadata"]["labels"][names.LABEL_JOB]
                        made[name] = time.monotonic()
                        news.set()

            tasks = [asyncio.create_task(watch_videojobs()), asyncio.create_task(watch_jobs())]
            await asyncio.sleep(1)
            for number in range(probes + 5):
                await client.request("POST", VIDEOJOBS, build_videojob(f"probe-{number:03}"))
                async with asyncio.timeout(30):
                    while len(made) <= number or len(seen) <= number:
                        news.clear()
                        await news.wait()
                await asyncio.sleep(_LIFE_SECONDS)  # the cluster is idle again
            for task in tasks:
                task.cancel()
    # Two watches: the Job's may be the faster one.
    measured = sorted(1000 * max(0.0, made[name] - seen[name]) for name in sorted(seen)[5:])
    return Outcome(
        "Idle cluster: from a VideoJob's watch event to its Job's",
        ["", ""],
        figures=[
            Figure("median", statistics.median(measured), None, "ms"),
            Figure("99th of a hundred", measured[-2], 50, "ms"),
        ],
    )
