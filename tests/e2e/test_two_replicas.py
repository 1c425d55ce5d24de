"""Two replicas: one leads, the other takes over, and the former changes nothing any more."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import deploy
import places
import processes
import pytest
from minio import Minio
from on_cluster import TERMINAL, Kubectl, a_videojob, eventually

pytestmark = pytest.mark.alone

SYSTEM = Kubectl(deploy.NAMESPACE)


@pytest.fixture(scope="module", autouse=True)
def two_replicas(installed: None) -> Iterator[None]:
    """The release has two replicas for a while; then again the one that it has."""
    deploy.ensure(values=["replicas=2"])
    wait_for_leader(other_than="")
    yield
    deploy.ensure()


def lease() -> dict[str, Any]:
    """What the Lease says."""
    spec: dict[str, Any] = SYSTEM.get("lease", deploy.RELEASE).get("spec", {})
    return spec


def leader() -> str:
    """The pod that holds the lease."""
    holder: str = lease().get("holderIdentity", "")
    return holder


def wait_for_leader(other_than: str, seconds: float = 60) -> str:
    """The pod that leads, once it is another one and lives."""

    def other_leader() -> str:
        name = leader()
        return name if name and name != other_than and process_of(name) else ""

    found: str = eventually(other_leader, seconds=seconds)
    return found


def process_of(pod: str) -> processes.Process | None:
    """The operator's own process in a pod."""
    found = processes.with_environment("videojob_operator", f"VIDEOJOB_POD_NAME={pod}\0")
    return found[0] if found else None


def audit_events(about: str) -> list[dict[str, Any]]:
    """What the API server has logged with these words in it."""
    with places.AUDIT_LOG.open() as log:
        return [json.loads(line) for line in log if about in line]


def jobs_made(namespace: str) -> Counter[str]:
    """How often the API server has made each Job."""
    events = audit_events(f'"{namespace}"')
    return Counter(
        event["objectRef"]["name"]
        for event in events
        if event["verb"] == "create"
        and event["stage"] == "ResponseComplete"
        and event["objectRef"].get("resource") == "jobs"
        and event["objectRef"].get("namespace") == namespace
        and event.get("responseStatus", {}).get("code") == 201
    )


def writes_of(pod: str, since: str) -> list[str]:
    """What a pod's token has written since a moment, its Lease excepted (which is not logged)."""
    events = audit_events(f'"{pod}"')
    return [
        f"{event['verb']} {event['requestURI']}"
        for event in events
        if pod in event["user"].get("extra", {}).get("authentication.kubernetes.io/pod-name", [])
        and event["requestReceivedTimestamp"] > since
    ]


def test_the_second_leads_within_15_seconds_of_the_firsts_death(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    first, before = leader(), lease()
    process = process_of(first)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    died = time.monotonic()
    kube.apply(a_videojob("after", clip))
    wait_for_leader(other_than=first)
    assert time.monotonic() - died < 15
    after = lease()
    assert after["leaseTransitions"] == before["leaseTransitions"] + 1
    assert before["renewTime"] <= after["acquireTime"] <= after["renewTime"]
    assert kube.wait_end("after")["phase"] == "Succeeded"


def test_a_leader_that_was_frozen_beyond_its_lease_changes_nothing(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    first = wait_for_leader(other_than="")
    process = process_of(first)
    assert process is not None
    names = [f"job-{number}" for number in range(12)]
    kube.apply(*(a_videojob(name, clip) for name in names))
    eventually(lambda: kube.items("jobs"), seconds=30)
    os.kill(process.pid, signal.SIGSTOP)  # with work in flight: Jobs, pods and reports
    ended = [name for name in names if kube.status(name).get("phase") in TERMINAL]
    assert len(ended) < len(names), "there was nothing left to do"
    try:
        second = wait_for_leader(other_than=first)
        status = [kube.wait_end(name, seconds=180)["phase"] for name in names]
        assert status == ["Succeeded"] * len(names)
        assert writes_of(second, since=""), "this is how writes are told apart"
        continued = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    finally:
        os.kill(process.pid, signal.SIGCONT)
    eventually(lambda: not processes.is_alive(process), seconds=30)  # a former leader ends
    time.sleep(2)  # what would be written late
    assert writes_of(first, since=continued) == []
    made = jobs_made(kube.namespace)
    assert len(made) == len(names)
    assert set(made.values()) == {1}
