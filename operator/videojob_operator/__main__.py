"""The operator's process: settings, logging, endpoints, kopf's watches and the queue's workers.

Run as ``python -m videojob_operator``. If one part ends, the whole process does, and Kubernetes starts
it again: nothing is lost, since all state is in the API server.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import kopf
import structlog
import uvloop
from prometheus_client import REGISTRY as METRICS

from .census import Census
from .certificates import Pair, ensure_certificate
from .cluster import Cluster
from .errors import ClusterError
from .first_looks import look_at_unfinished, remember_unfinished
from .handlers import REGISTRY, build_kopf_settings, watch_workloads
from .leadership import hold_lease, lead
from .logs import configure_logging
from .patience import bear, pauses
from .reconcile import reconcile
from .reports import GUESTS, Reports
from .resync import resync_forever
from .seeds import ensure_seed_key
from .settings import Settings
from .web import build_health_app, build_tls, serving
from .world import World

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

_DAY_SECONDS = 24 * 3600
_PAUSE_SECONDS = 1.0


def main() -> int:
    """Run until SIGTERM."""
    try:
        settings = Settings.from_environment(os.environ)
    except ValueError as error:
        print(f"videojob-operator: {error}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level)
    # What is parsed has no cycles, and there is much of it: looking for them costs a sixth of parsing.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    with suppress(StoppedError):
        uvloop.run(run(settings))
    return 0


async def run(settings: Settings) -> None:
    """Connect, serve, watch, reconcile."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    cluster = await Cluster.connect()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(cluster.close)
        world = World(cluster, settings)
        METRICS.register(Census(world))
        # First of all: an API server is waited for longer than the kubelet waits for an answer.
        health = build_health_app(world)
        await stack.enter_async_context(serving(health, settings.http_port))
        pair = await patiently(stop, _certificate, cluster, settings)
        seed_key = await patiently(
            stop, ensure_seed_key, cluster, settings.namespace, settings.reports_secret
        )
        ca_pem = pair.ca_pem if pair else ""
        world.settings = replace(settings, reports_ca_pem=ca_pem, seed_key=seed_key)
        world.prepared.set()
        if pair is not None:
            reports = Reports(world).build_app()
            tls = build_tls(pair)
            await stack.enter_async_context(
                serving(reports, settings.reports_port, tls, guests=GUESTS)
            )
        if settings.leader_elect:
            await lead(world, stop)
            if stop.is_set():
                return
        world.leading.set()
        await _run_parts(world, stop, pair)


async def _run_parts(world: World, stop: asyncio.Event, pair: Pair | None) -> None:
    """The first looks, then all the rest; the first to end ends all, and the lease is given back."""
    parts: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait(), name="stop")]
    if world.settings.leader_elect:  # first: the lease runs while places are counted
        parts.append(asyncio.create_task(hold_lease(world), name="lease"))
    looks = asyncio.create_task(_look_first(world, stop), name="first looks")
    try:
        done, _ = await asyncio.wait([*parts, looks], return_when=asyncio.FIRST_COMPLETED)
        if done == {looks}:
            looks.result()
            parts += _start_parts(world, stop, pair)
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping", because=sorted(task.get_name() for task in done))
    finally:
        for task in (looks, *parts):
            task.cancel()
        await asyncio.gather(looks, *parts, return_exceptions=True)
    for task in done:
        task.result()  # an error of a part is the process's error


async def _look_first(world: World, stop: asyncio.Event) -> None:
    await patiently(stop, remember_unfinished, world)
    await patiently(stop, look_at_unfinished, world)
    await patiently(stop, world.cluster.find_videojobs)  # kopf asks once what there is to watch


def _start_parts(world: World, stop: asyncio.Event, pair: Pair | None) -> list[asyncio.Task[Any]]:
    """kopf, the queue's workers and the periodic tasks."""
    settings = world.settings
    if settings.read_workloads:
        watch_workloads()
    work = functools.partial(reconcile, world=world)
    parts = [
        asyncio.create_task(
            kopf.operator(
                registry=REGISTRY,
                settings=build_kopf_settings(settings),
                memo=world,
                clusterwide=not settings.watch_namespaces,
                namespaces=settings.watch_namespaces,
                standalone=True,
                ready_flag=world.watching,
                stop_flag=stop,
            ),
            name="kopf",
        ),
        asyncio.create_task(world.queue.run(work, settings.concurrency), name="queue"),
        asyncio.create_task(resync_forever(world), name="resync"),
    ]
    if pair is not None:
        watch = _watch_certificate(world, stop, pair)
        parts.append(asyncio.create_task(watch, name="certificate"))
    return parts


class StoppedError(Exception):
    """The process was told to stop before it had begun."""


async def patiently(
    stop: asyncio.Event, ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Ask ever more seldom until the API server answers: a process that ended would be held back longer.

    Raises:
        StoppedError: when told to stop meanwhile.
        DeafError: after half an hour without an answer.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    for pause in pauses(_PAUSE_SECONDS):
        try:
            return await ask(*args, **kwargs)
        except ClusterError as error:
            if not error.may_pass:
                raise
            log.warning("the API server does not answer; asking again", error=str(error))
            bear(error, began, clock())
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
            break
    raise StoppedError


async def _certificate(cluster: Cluster, settings: Settings) -> Pair | None:
    if not settings.reports_url:
        return None
    host = urlsplit(settings.reports_url).hostname or ""
    return await ensure_certificate(cluster, settings.namespace, settings.reports_secret, host)


async def _watch_certificate(world: World, stop: asyncio.Event, served: Pair) -> None:
    """End the process when the certificate has been renewed, here or by another replica.

    The next one starts with it.
    """
    while True:
        await asyncio.sleep(_DAY_SECONDS)
        if await patiently(stop, _certificate, world.cluster, world.settings) != served:
            return


if __name__ == "__main__":
    sys.exit(main())
