"""How each kind of injection is done. IO; called by ``run.py`` at the moments that the schedule says.

Each function does one, waits until it is over, and says what it hit. Whom it hits is left to chance, which
follows from the seed; who is there to be hit is not.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import local_cluster
import processes
from chaos import installation
from chaos.access import patiently
from chaos.api_proxy import ApiProxy
from chaos.schedule import Injection, Kind
from chaos.store import Store
from kubernetes import client
from processes import Process

_VICTIM_SECONDS = 180.0
"""How long somebody to hit is waited for. After an outage of the API server controllers, scheduler and
kubelet try again up to half a minute later each; an operator killed then comes back into the next outage.
"""
_LOOK_SECONDS = 0.1
_OOM_ROOM_BYTES = 256 << 10
_APART_SECONDS = 300


class Missed(Exception):
    """There was nothing to hit."""


@dataclass(frozen=True)
class Target:
    """What can be hit."""

    namespace: str
    """Of the stream's jobs."""
    proxy: ApiProxy
    store: Store


Inject = Callable[[Target, Injection, random.Random], str]
T = TypeVar("T")


def inject(target: Target, injection: Injection, seed: int) -> str:
    """Do it; what was hit.

    Raises:
        Missed: if there was nothing to hit.
    """
    chance = random.Random(f"{seed}/{injection.number}/{injection.kind}")  # noqa: S311
    return _HOW[injection.kind](target, injection, chance)


def _wait_for(find: Callable[[], T | None], nobody: str) -> T:
    """What is found, as soon as something is."""
    deadline = time.monotonic() + _VICTIM_SECONDS
    while not (found := find()):
        if time.monotonic() > deadline:
            raise Missed(nobody)
        time.sleep(_LOOK_SECONDS)
    return found


# ---- the operator


def _replicas() -> dict[str, Process]:
    """The operator's processes by the names of their pods."""
    found = processes.with_environment(
        "videojob_operator", f"VIDEOJOB_NAMESPACE={installation.NAMESPACE}\0"
    )
    return _by_pod(found)


def _by_pod(found: Iterable[Process]) -> dict[str, Process]:
    named = {_variable(process, "VIDEOJOB_POD_NAME"): process for process in found}
    return {name: process for name, process in named.items() if name}  # else it has just ended


def _variable(process: Process, name: str) -> str:
    with suppress(OSError):
        for entry in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
            key, _, value = entry.decode(errors="replace").partition("=")
            if key == name:
                return value
    return ""


def _leader() -> tuple[str, Process]:
    """Who leads; waited for, since it may just have been killed."""

    def look() -> tuple[str, Process] | None:
        lease = patiently(
            client.CoordinationV1Api().read_namespaced_lease,
            installation.RELEASE,
            installation.NAMESPACE,
        )
        holder = lease.spec.holder_identity or ""
        process = _replicas().get(holder)
        return process and (holder, process)

    return _wait_for(look, "nobody leads")


def _kill(pod: str, process: Process) -> None:
    """SIGKILL, then a new pod at once: a restart in place would be held back by the kubelet."""
    os.kill(process.pid, signal.SIGKILL)
    with suppress(client.ApiException):
        client.CoreV1Api().delete_namespaced_pod(
            pod, installation.NAMESPACE, grace_period_seconds=0
        )


def _kill_operator(target: Target, injection: Injection, chance: random.Random) -> str:
    victims = _wait_for(_replicas, "no operator runs")
    for pod, process in victims.items():
        _kill(pod, process)
    time.sleep(injection.seconds)
    return f"{len(victims)} replicas"


def _kill_leader(target: Target, injection: Injection, chance: random.Random) -> str:
    pod, process = _leader()
    _kill(pod, process)
    killed, began = pod, time.monotonic()
    pod, _ = _leader()
    while pod == killed:
        time.sleep(0.2)
        pod, _ = _leader()
    return f"{killed}; {pod} leads {time.monotonic() - began:.0f} s later"


def _freeze_leader(target: Target, injection: Injection, chance: random.Random) -> str:
    pod, process = _leader()
    os.kill(process.pid, signal.SIGSTOP)
    try:
        time.sleep(injection.seconds)
    finally:
        if processes.is_alive(process):
            os.kill(process.pid, signal.SIGCONT)
    successor, _ = _leader()
    return f"{pod}; then {successor} leads"


def _cut_watches(target: Target, injection: Injection, chance: random.Random) -> str:
    # The API server or the operator may just be coming back.
    return f"{_wait_for(target.proxy.cut_watches, 'nobody watches')} watches"


def _make_up(status: int) -> Inject:
    def answer(target: Target, injection: Injection, chance: random.Random) -> str:
        before, lost = target.proxy.made_up, target.proxy.lost
        target.proxy.answer = status
        try:
            time.sleep(injection.seconds)
        finally:
            target.proxy.answer = 0
        made_up, lost = target.proxy.made_up - before, target.proxy.lost - lost
        if not made_up:
            raise Missed("nobody asked")
        return f"{made_up} requests" + (f", {lost} of them carried out" if status >= 500 else "")

    return answer


def _move_clock(target: Target, injection: Injection, chance: random.Random) -> str:
    seconds = chance.choice((-_APART_SECONDS, _APART_SECONDS))
    installation.set_clock(seconds)
    try:
        time.sleep(injection.seconds)
    finally:
        installation.set_clock(0)
    return f"the operator's {seconds:+d} s"


# ---- the cluster and the store


def _stop_part(name: str) -> Inject:
    def stop(target: Target, injection: Injection, chance: random.Random) -> str:
        local_cluster.crash(name)
        try:
            time.sleep(injection.seconds)
        finally:
            local_cluster.revive(name)
        return name

    return stop


def _stop_store(target: Target, injection: Injection, chance: random.Random) -> str:
    target.store.stop()
    try:
        time.sleep(injection.seconds)
    finally:
        target.store.start()
    return "MinIO"


def _remove_service(target: Target, injection: Injection, chance: random.Random) -> str:
    core, name = client.CoreV1Api(), installation.RELEASE
    service = core.read_namespaced_service(name, installation.NAMESPACE)
    core.delete_namespaced_service(name, installation.NAMESPACE)
    try:
        time.sleep(injection.seconds)
    finally:
        meta = service.metadata
        meta.resource_version = meta.uid = meta.creation_timestamp = None
        service.spec.cluster_ip = service.spec.cluster_ips = None
        patiently(core.create_namespaced_service, installation.NAMESPACE, service)
    return f"Service {name}"


# ---- the workers


def _workers(target: Target) -> dict[str, Process]:
    """The workers' own processes by the names of their pods."""
    found = processes.with_environment("videojob_worker", f'"namespace":"{target.namespace}"')
    return _by_pod(found)


def _hit_worker(
    target: Target, chance: random.Random, hit: Callable[[str, Process], object]
) -> str:
    """Do something to a worker, or to another one if it has just ended; its pod."""

    def hit_one() -> str | None:
        found = _workers(target)
        if not found:
            return None
        pod = chance.choice(sorted(found))
        try:
            hit(pod, found[pod])
        except ProcessLookupError:
            return None
        except client.ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None
        return pod

    return _wait_for(hit_one, "nobody is at work")


def _kill_worker(target: Target, injection: Injection, chance: random.Random) -> str:
    return _hit_worker(target, chance, lambda _, process: os.kill(process.pid, signal.SIGKILL))


def _delete_worker(target: Target, injection: Injection, chance: random.Random) -> str:
    delete = client.CoreV1Api().delete_namespaced_pod
    return _hit_worker(target, chance, lambda pod, _: delete(pod, target.namespace))


def _evict_worker(target: Target, injection: Injection, chance: random.Random) -> str:
    def evict(pod: str, _: Process) -> None:
        eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name=pod))
        client.CoreV1Api().create_namespaced_pod_eviction(pod, target.namespace, eviction)

    return _hit_worker(target, chance, evict)


def _starve_worker(target: Target, injection: Injection, chance: random.Random) -> str:
    """Lower the memory limit of a worker that has just begun to what it has: the kernel does the rest."""
    seen = set(_workers(target))

    def starve_one() -> str | None:
        found = _workers(target)
        for pod in sorted(set(found) - seen):
            seen.add(pod)
            group = _MemoryGroup.of(found[pod])
            if group is not None and group.starve():
                return pod
        return None

    return _wait_for(starve_one, "nobody who began ran out of memory")


@dataclass(frozen=True)
class _MemoryGroup:
    """The memory cgroup of a container, in either version."""

    limit: Path
    usage: Path
    events: Path

    @classmethod
    def of(cls, process: Process) -> _MemoryGroup | None:
        with suppress(OSError):
            for line in Path(f"/proc/{process.pid}/cgroup").read_text().splitlines():
                _, controllers, path = line.split(":", 2)
                if controllers == "memory":
                    root = Path("/sys/fs/cgroup/memory" + path)
                    return cls(
                        root / "memory.limit_in_bytes",
                        root / "memory.usage_in_bytes",
                        root / "memory.oom_control",
                    )
                if not controllers and Path("/sys/fs/cgroup/cgroup.controllers").exists():
                    root = Path("/sys/fs/cgroup" + path)
                    return cls(root / "memory.max", root / "memory.current", root / "memory.events")
        return None

    def starve(self) -> bool:
        """Whether the kernel has killed for it."""
        with suppress(OSError):  # it may end of itself first
            before = self._kills()
            deadline = time.monotonic() + 3
            while time.monotonic() < deadline:
                # Again and again: what the kernel can reclaim (cached files) is in it at first. Below
                # what a group holds, the older version of cgroups refuses.
                with suppress(OSError):
                    self.limit.write_text(str(int(self.usage.read_text()) + _OOM_ROOM_BYTES))
                if self._kills() > before:
                    return True
                time.sleep(0.02)
        return False

    def _kills(self) -> int:
        lines = (line.split() for line in self.events.read_text().splitlines())
        return next((int(words[1]) for words in lines if words[0] == "oom_kill"), 0)


_HOW: dict[Kind, Inject] = {
    Kind.OPERATOR_KILL: _kill_operator,
    Kind.LEADER_KILL: _kill_leader,
    Kind.LEADER_FREEZE: _freeze_leader,
    Kind.API_SERVER_STOP: _stop_part("kube-apiserver"),
    Kind.ETCD_STOP: _stop_part("etcd"),
    Kind.KUBELET_RESTART: _stop_part("kubelet"),
    Kind.WATCH_CUT: _cut_watches,
    Kind.API_429: _make_up(429),
    Kind.API_500: _make_up(500),
    Kind.CLOCK_APART: _move_clock,
    Kind.STORE_STOP: _stop_store,
    Kind.REPORTS_GONE: _remove_service,
    Kind.WORKER_KILL: _kill_worker,
    Kind.WORKER_DELETE: _delete_worker,
    Kind.WORKER_EVICT: _evict_worker,
    Kind.WORKER_OOM: _starve_worker,
}
