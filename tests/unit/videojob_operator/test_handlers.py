"""An event says only "look at this one again"; and what the probes say."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Iterable
from typing import Any

import kopf
import pytest
from aiohttp.test_utils import TestClient, TestServer
from builders import AT_WORK, KEY, UID, a_job_body, a_pod_body, a_videojob_body, an_ended_pod
from fake_cluster import StillWorld, a_world, a_world_with_a_videojob, fake, queued, tell
from kopf._cogs.clients import patching
from kopf._cogs.structs.references import Resource
from kopf._core.actions.lifecycles import all_at_once
from kopf._core.engines.indexing import OperatorIndexers
from kopf._core.reactor.inventory import ResourceMemories
from kopf._core.reactor.processing import process_resource_event

from videojob_api import names
from videojob_operator.handlers import (
    REGISTRY,
    build_kopf_settings,
    job_seen,
    live_pod_seen,
    videojob_seen,
)
from videojob_operator.reconcile import reconcile
from videojob_operator.resync import INTERVAL_SECONDS
from videojob_operator.settings import Settings
from videojob_operator.web import build_health_app


@pytest.mark.parametrize("type_", [None, "ADDED", "MODIFIED"])
async def test_a_videojob_that_changed_is_remembered_and_queued(type_: str | None) -> None:
    world = a_world()
    await tell(videojob_seen, a_videojob_body(), world, type_)
    assert world.cache.videojob(KEY) is not None
    assert queued(world) == {KEY}


async def test_a_videojob_that_is_gone_is_forgotten_with_its_pods() -> None:
    world = a_world()
    await tell(videojob_seen, a_videojob_body(), world)
    world.cache.put_pod(an_ended_pod(0))
    await tell(videojob_seen, a_videojob_body(), world, "DELETED")
    assert world.cache.videojob(KEY) is None
    assert world.cache.pods_of(UID) == ()


async def test_jobs_and_pods_queue_their_videojob() -> None:
    world = a_world()
    await tell(job_seen, a_job_body(), world)
    assert queued(world) == {KEY}
    world = a_world()
    world.cache.put_job(a_job_body())
    await tell(live_pod_seen, a_pod_body(), world)
    assert queued(world) == {KEY}


async def test_a_job_that_is_gone_makes_its_videojob_look_again() -> None:
    world = a_world()
    world.cache.put_job(a_job_body())
    await tell(job_seen, a_job_body(), world, "DELETED")
    assert world.cache.jobs_of(UID) == ()
    assert queued(world) == {KEY}


async def test_places_are_not_freed_by_a_job_that_only_says_whose_it_is() -> None:
    world = a_world(max_running=4)
    await tell(videojob_seen, a_videojob_body(), world)
    world.line.settle(KEY, UID, 3, None)
    for owners in ([], [{"kind": "VideoJob", "name": "other", "uid": UID}]):
        forged = a_job_body(uid="forged")
        forged["metadata"]["ownerReferences"] = owners
        await tell(job_seen, forged, world)
        await tell(job_seen, forged, world, "DELETED")
    assert world.line.pods == 3


async def test_a_child_of_nobody_queues_nothing() -> None:
    world = a_world()
    await tell(live_pod_seen, a_pod_body(), world)
    await tell(live_pod_seen, a_pod_body(), world, "DELETED")
    assert queued(world) == set()


async def test_a_pod_that_ended_is_believed_before_its_job_says_so() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    (job,) = fake(world).all("jobs")
    running = a_pod_body(job_uid=job["metadata"]["uid"], **AT_WORK)
    await tell(live_pod_seen, running, world)
    await reconcile(key, world)
    assert fake(world).all("videojobs")[0]["status"]["phase"] == "Running"

    ended = an_ended_pod(0, job_uid=job["metadata"]["uid"])
    await tell(live_pod_seen, ended, world, "DELETED")
    await reconcile(key, world)
    assert fake(world).all("videojobs")[0]["status"]["phase"] == "Succeeded"
    await reconcile(key, world)
    assert world.cache.pods_of(UID) == ()


async def test_a_pod_that_failed_is_left_for_its_job_to_judge() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    (job,) = fake(world).all("jobs")
    failed = an_ended_pod(47, job_uid=job["metadata"]["uid"])
    await tell(live_pod_seen, failed, world, "DELETED")
    await reconcile(key, world)
    assert fake(world).all("videojobs")[0]["status"]["phase"] == "Pending"


async def test_the_end_of_a_forerunner_leaves_the_appointment_of_its_successor() -> None:
    world = a_world()
    world.cache.put_videojob(a_videojob_body(uid="successor", version=9))
    world.queue.add_after(KEY, 60)
    await tell(videojob_seen, a_videojob_body(version=5), world, "DELETED")
    assert world.cache.videojob(KEY) is not None
    assert set(world.queue._timers) == {KEY}
    await tell(videojob_seen, a_videojob_body(uid="successor", version=10), world, "DELETED")
    assert world.queue._timers == {}


def test_only_our_live_pods_are_watched() -> None:
    watching = build_kopf_settings(Settings()).watching
    assert watching.field_selectors["", "v1", "pods"] == names.LIVE_PODS
    assert watching.label_selectors["", "v1", "pods"] == names.LABEL_UID


def test_kopf_writes_nothing_anywhere() -> None:
    settings = build_kopf_settings(Settings())
    assert settings.posting.enabled is False
    assert settings.scanning.disabled is True
    for group in (REGISTRY._changing, REGISTRY._spawning, REGISTRY._indexing):
        assert group.get_all_handlers() == []
    assert len(REGISTRY._watching.get_all_handlers()) == 3


@pytest.mark.parametrize(
    ("group", "version", "plural", "body"),
    [
        (names.GROUP, "v1alpha1", "videojobs", a_videojob_body()),
        ("batch", "v1", "jobs", a_job_body()),
        ("", "v1", "pods", a_pod_body()),
    ],
    ids=["VideoJob", "Job", "pod"],
)
async def test_the_finalizers_of_other_kopf_operators_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, group: str, version: str, plural: str, body: dict[str, Any]
) -> None:
    """kopf's own code looks for one to take off in each object, handlers or not."""
    patched = []

    async def patch_obj(*, patch: Any, **_: Any) -> tuple[None, None]:
        patched.append(patch.fns)
        return None, None

    async def see(finalizer: str) -> None:
        held = copy.deepcopy(body)
        held["metadata"]["finalizers"] = [finalizer]
        await process_resource_event(
            lifecycle=all_at_once,
            indexers=OperatorIndexers(),
            registry=REGISTRY,
            settings=settings,
            memories=ResourceMemories(),
            memobase=a_world(),
            resource=Resource(group, version, plural, namespaced=True),
            raw_event={"type": "MODIFIED", "object": held},
            event_queue=asyncio.Queue(),
        )

    monkeypatch.setattr(patching, "patch_obj", patch_obj)
    settings = build_kopf_settings(Settings())
    await see(kopf.OperatorSettings().persistence.finalizer)
    assert patched == []
    await see(settings.persistence.finalizer)
    assert len(patched) == 1, "so it would be"


# ---- probes


async def probe(world: StillWorld, path: str) -> tuple[int, str]:
    async with TestClient(TestServer(build_health_app(world))) as client:
        response = await client.get(path)
        return response.status, await response.text()


async def test_a_live_process_says_so() -> None:
    assert await probe(a_world(), "/healthz") == (200, "ok\n")


async def test_a_process_that_waits_for_the_api_server_lives_and_is_not_ready() -> None:
    assert (await probe(a_world(), "/healthz"))[0] == 200
    assert await probe(a_world(), "/readyz") == (503, "the API server has not answered yet\n")


async def test_a_standby_is_ready() -> None:
    world = a_world()
    world.prepared.set()
    assert await probe(world, "/readyz") == (200, "standing by\n")


async def test_a_leader_is_ready_once_its_watches_are_up() -> None:
    world = a_world()
    world.prepared.set()
    world.leading.set()
    assert (await probe(world, "/readyz"))[0] == 503
    world.watching.set()
    assert await probe(world, "/readyz") == (200, "ok\n")


async def test_a_leader_that_hears_nothing_of_the_cluster_is_not_ready() -> None:
    world = a_world()
    world.prepared.set()
    world.leading.set()
    world.watching.set()
    world.compared_at -= 3 * INTERVAL_SECONDS + 1
    status, text = await probe(world, "/readyz")
    assert status == 503
    assert text.startswith("nothing was heard of the cluster for 1801 s")


@pytest.mark.parametrize(
    ("seconds", "waits", "ready"), [(61, True, False), (59, True, True), (61, False, True)]
)
async def test_a_leader_whose_queue_stands_still_is_not_ready(
    seconds: float, waits: bool, ready: bool
) -> None:
    world = a_world()
    world.prepared.set()
    world.leading.set()
    world.watching.set()
    if waits:
        world.queue.add(KEY)
        world.queue._urgent[KEY] -= seconds
    world.queue._taken_at -= seconds
    status, text = await probe(world, "/readyz")
    assert status == (200 if ready else 503)
    assert ready or text == "for 61 s no worker was free for what waits\n"


async def test_metrics_have_the_shapes_that_dashboards_know_and_no_names_of_jobs() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    status, text = await probe(world, "/metrics")
    assert status == 200
    for name in (
        "videojob_operator_reconcile_total",
        "videojob_operator_reconcile_time_seconds_bucket",
        "videojob_operator_workqueue_depth",
        "videojob_operator_workqueue_adds_total",
        'videojob_operator_decisions_total{policy="decide_admit"}',
    ):
        assert name in text
    assert KEY.name not in text


async def test_our_own_write_and_what_tells_nothing_new_queue_nothing() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    await tell(videojob_seen, fake(world).all("videojobs")[0], world)
    (job,) = fake(world).all("jobs")
    await tell(job_seen, job, world, "ADDED")
    assert queued(world) == set()


async def test_what_somebody_else_writes_queues_its_videojob() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    (body,) = fake(world).all("videojobs")
    await tell(videojob_seen, fake(world).put("videojobs", body), world)
    assert queued(world) == {key}


async def test_a_jobs_counters_wait_a_moment_and_its_end_does_not() -> None:
    world = a_world()
    first = a_job_body()
    world.cache.put_job(first)
    counted = {**first, "status": {"active": 1}}
    await tell(job_seen, counted, world)
    assert queued(world) == set()
    assert set(world.queue._timers) == {KEY}
    await tell(job_seen, {**first, "status": {"active": 0, "failedIndexes": "0"}}, world)
    assert queued(world) == {KEY}


async def test_news_go_before_what_is_listed() -> None:
    """After a start there may be ten thousand that work."""
    world = a_world()
    for type_, name in ((None, "listed"), ("ADDED", "new")):
        for seen, body in ((job_seen, a_job_body()), (live_pod_seen, a_pod_body(phase="Pending"))):
            of = f"{name}-{seen.__name__}"
            body["metadata"] |= {"uid": of, "name": of}
            body["metadata"]["annotations"] = {names.ANNOTATION_CLEANS_UP: of}
            event = {"type": type_, "object": body}
            await seen(event=event, memo=world, logger=None)
    assert {key.name.partition("-")[0] for key in world.queue._urgent} == {"new"}
    assert {key.name.partition("-")[0] for key in world.queue._patient} == {"listed"}
    assert len(world.queue) == 4


async def test_a_pod_is_looked_at_when_it_says_something_new() -> None:
    world = a_world()
    world.cache.put_job(a_job_body())
    world.cache.put_pod(a_pod_body(phase="Pending"))
    await tell(live_pod_seen, a_pod_body(phase="Pending"), world)
    assert queued(world) == set()
    await tell(live_pod_seen, an_ended_pod(0, name=a_pod_body()["metadata"]["name"]), world)
    assert queued(world) == {KEY}


@pytest.mark.parametrize(
    ("spec", "status", "is_looked_at"),
    [
        ({}, {"phase": "Succeeded", "observedGeneration": 1}, False),
        ({}, {"phase": "Running", "observedGeneration": 1}, True),
        ({}, {"phase": "Succeeded", "observedGeneration": 0}, True),
        (
            {"ttl": {"secondsAfterSucceeded": 60}},
            {"phase": "Failed", "observedGeneration": 1},
            True,
        ),
    ],
)
async def test_of_those_listed_at_the_start_the_ones_at_rest_are_left_alone(
    spec: dict[str, Any], status: dict[str, Any], is_looked_at: bool
) -> None:
    world = a_world()
    body = a_videojob_body() | {"status": status}
    body["spec"] |= spec
    body["metadata"]["generation"] = 1
    await tell(videojob_seen, body, world, None)
    assert world.cache.videojob(KEY) is not None
    assert queued(world) == ({KEY} if is_looked_at else set())


async def test_kopf_neither_copies_the_world_nor_remembers_objects() -> None:
    world = a_world()
    assert copy.copy(world) is world
    persistence = build_kopf_settings(Settings()).persistence
    body = kopf.Body(a_videojob_body())
    assert persistence.diffbase_storage.fetch(body=body) is None
    assert not persistence.diffbase_storage.build(body=body)


def test_kopf_asks_an_api_server_that_is_gone_without_end_and_each_time_from_the_first_pause() -> (
    None
):
    pauses = build_kopf_settings(Settings()).networking.error_backoffs
    assert isinstance(pauses, Iterable)
    for _ in range(2):
        first, *_, last = itertools.islice(pauses, 1000)
        assert (first, last) == (0.5, 5)
