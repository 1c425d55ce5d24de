"""What the API server does not take, or gives back altered: told on the resource, never in a loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from builders import UID, a_result, a_videojob_body, seconds
from fake_cluster import (
    StillWorld,
    a_world_with_a_videojob,
    attempts,
    fake,
    job_becomes,
    pod_ended,
    reported,
    settled,
    status_of,
)

from videojob_api import names
from videojob_api.status import Phase
from videojob_operator.errors import ClusterError, Conflict, Forbidden, Gone, Invalid
from videojob_operator.reconcile import reconcile

Method = Callable[..., Awaitable[dict[str, Any]]]


def refusing(error: Exception) -> Method:
    async def refuse(*_: object) -> dict[str, Any]:
        raise error

    return refuse


def condition(world: StillWorld, kind: str) -> tuple[str, str]:
    return next((c.status, c.reason) for c in status_of(world).conditions if c.type == kind)


# ---- a Job that is not made


@pytest.mark.parametrize("status", [400, 422])
async def test_a_job_that_is_never_accepted_ends_with_the_api_servers_sentence(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    world, key = a_world_with_a_videojob()
    error = Invalid("spec.template: the claim's name is too long", status)
    monkeypatch.setattr(world.cluster, "create_job", refusing(error))
    await reconcile(key, world)
    assert status_of(world).phase is Phase.FAILED
    assert "the claim's name is too long" in (status_of(world).message or "")
    assert condition(world, "Ready")[1] == "InvalidSpec"
    await settled(world)


@pytest.mark.parametrize(
    "words",
    [
        'admission webhook "images.example" denied the request: the registry does not answer',
        "ValidatingAdmissionPolicy 'no-root' with binding 'all' denied request: no",
    ],
)
async def test_a_policy_that_denies_it_may_change_its_mind(words: str) -> None:
    """Whatever status it answers with: 400 where it names none, 422 by default."""
    world, key = a_world_with_a_videojob()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.cluster, "create_job", refusing(Invalid(words, 400)))
        assert await reconcile(key, world) == 30
        assert condition(world, "Stalled") == ("True", "JobRefused")
    await reconcile(key, world)
    assert status_of(world).attempt == 1


async def test_what_was_done_before_a_refusal_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    world, key = a_world_with_a_videojob(2)
    await reconcile(key, world)
    pod_ended(world, 0, a_result(0, outputs=2).to_termination_message(), index=0)
    pod_ended(world, 137, index=1)
    job_becomes(world, completedIndexes="0", failedIndexes="1")
    monkeypatch.setattr(world.cluster, "create_job", refusing(Invalid("no", 422)))
    await reconcile(key, world)
    status = status_of(world)
    assert status.phase is Phase.FAILED
    assert status.indexes is not None
    assert (status.indexes.succeeded, status.indexes.failed) == ("0", "1")
    assert (status.output_count, len(status.outputs)) == (2, 2)


async def test_a_job_that_is_not_accepted_now_is_said_and_tried_ever_more_seldom() -> None:
    world, key = a_world_with_a_videojob()
    with pytest.MonkeyPatch.context() as patch:
        error = Forbidden("exceeded quota: jobs, used: 5, limited: 5", 403)
        patch.setattr(world.cluster, "create_job", refusing(error))
        assert await reconcile(key, world) == 30
        status = status_of(world)
        assert (status.phase, status.attempt) == (Phase.PENDING, None)
        assert "exceeded quota: jobs" in (status.message or "")
        assert condition(world, "Stalled") == ("True", "JobRefused")
        await settled(world)
        world.moment += seconds(30)
        assert await reconcile(key, world) == 30
        world.moment += seconds(600)
        assert await reconcile(key, world) == pytest.approx(63)
        world.moment += seconds(6000)
        assert await reconcile(key, world) == 120
    await reconcile(key, world)
    assert status_of(world).attempt == 1
    assert condition(world, "Stalled")[0] == "False"


async def test_a_webhook_that_can_not_be_called_is_said() -> None:
    """The API server has no other number for it, and it may stay so until somebody mends it."""
    world, key = a_world_with_a_videojob()
    said = 'Internal error occurred: failed calling webhook "mjob.kb.io": connection refused'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.cluster, "create_job", refusing(ClusterError(said, 500)))
        assert await reconcile(key, world) == 30
    assert said in (status_of(world).message or "")
    assert condition(world, "Stalled") == ("True", "JobRefused")


@pytest.mark.parametrize("status", [0, 429, 503, 504])
async def test_an_api_server_that_is_not_up_to_it_is_asked_again(status: int) -> None:
    world, key = a_world_with_a_videojob()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.cluster, "create_job", refusing(ClusterError("busy", status)))
        with pytest.raises(ClusterError, match="busy"):
            await reconcile(key, world)
    assert fake(world).status_writes == 0


async def test_a_foreign_job_in_the_place_is_said_and_left_alone() -> None:
    world, key = a_world_with_a_videojob()
    name = names.child_name(key.name, UID, run=1, attempt=1)
    foreign = {"metadata": {"name": name, "namespace": key.namespace}, "spec": {}, "status": {}}
    fake(world).put("jobs", foreign)
    assert await reconcile(key, world) == 30
    assert status_of(world).phase is Phase.PENDING
    assert f"a foreign Job {name} is in its place" in (status_of(world).message or "")
    assert condition(world, "Stalled") == ("True", "JobRefused")
    assert world.cache.jobs() == []
    fake(world).drop("jobs", name)
    await reconcile(key, world)
    assert status_of(world).attempt == 1


# ---- the work order's ConfigMap, which is made before its Job


async def test_without_its_order_no_job_is_made_and_the_reason_is_said() -> None:
    world, key = a_world_with_a_videojob(500)
    with pytest.MonkeyPatch.context() as patch:
        error = Forbidden("exceeded quota: configmaps", 403)
        patch.setattr(world.cluster, "create_config_map", refusing(error))
        assert await reconcile(key, world) == 30
        assert "exceeded quota: configmaps" in (status_of(world).message or "")
        assert condition(world, "Stalled") == ("True", "JobRefused")
        assert fake(world).all("jobs") == []
    await reconcile(key, world)
    assert len(fake(world).all("configmaps")) == len(fake(world).all("jobs")) == 1


@pytest.mark.parametrize("refused", ["create_config_map", "create_job"])
async def test_an_order_or_its_job_that_is_never_accepted_ends_it_and_leaves_nothing(
    refused: str,
) -> None:
    world, key = a_world_with_a_videojob(500)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.cluster, refused, refusing(Invalid("too long", 422)))
        await reconcile(key, world)
    assert status_of(world).phase is Phase.FAILED
    assert fake(world).all("jobs") == fake(world).all("configmaps") == []


LATE = ClusterError("etcdserver: request timed out", 500)


@pytest.mark.parametrize(
    ("answer", "get_fails"),
    [
        (LATE, False),
        (LATE, True),
        (Conflict("it is there", 409), True),
        (Forbidden("exceeded quota: one-job", 403), False),
    ],
    ids=["late", "late twice", "there and late", "its own quota"],
)
async def test_an_order_stays_where_its_job_has_been_made_all_the_same(
    answer: ClusterError, get_fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """etcd was late with its answer, or the quota that the Job has used up speaks first."""
    world, key = a_world_with_a_videojob(500)
    real = world.cluster.create_job

    async def create_all_the_same(manifest: dict[str, Any]) -> dict[str, Any]:
        await real(manifest)
        raise answer

    with monkeypatch.context() as patch:
        patch.setattr(world.cluster, "create_job", create_all_the_same)
        if get_fails:
            patch.setattr(world.cluster, "get_job", refusing(LATE))
            with pytest.raises(ClusterError):
                await reconcile(key, world)
        else:
            await reconcile(key, world)
            assert status_of(world).attempt == 1
    assert len(fake(world).all("configmaps")) == len(fake(world).all("jobs")) == 1
    await reconcile(key, world)
    await settled(world)
    assert len(fake(world).all("configmaps")) == len(fake(world).all("jobs")) == 1


# ---- what else goes wrong


async def test_an_event_that_can_not_be_written_does_not_hold_up_the_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    job_becomes(world, active=1, ready=1)
    error = Forbidden("exceeded quota: events", 403)
    monkeypatch.setattr(world.cluster, "create_event", refusing(error))
    await reconcile(key, world)
    assert status_of(world).phase is Phase.RUNNING


async def test_a_store_that_is_not_understood_is_said_until_it_is_mended() -> None:
    world, key = a_world_with_a_videojob()
    store = fake(world).drop("videostores", "media")
    fake(world).put("videostores", {**store, "spec": {"tape": {}}})
    assert await reconcile(key, world) == 5
    assert condition(world, "Stalled") == ("True", "StoreInvalid")
    message = status_of(world).message or ""
    assert (
        message
        == "The VideoStore 'media' is not understood: Extra inputs are not permitted; mend it."
    )
    assert ("GET", "/api/v1/nodes") not in fake(world).requests
    await settled(world)
    fake(world).put("videostores", store)
    await reconcile(key, world)
    assert attempts(world) == ["1"]


async def test_a_videojob_that_is_gone_when_its_status_is_written_is_forgotten() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    job_becomes(world, active=1, ready=1)
    reported(world, 5)
    fake(world).drop("videojobs", key.name)
    await reconcile(key, world)
    assert world.cache.videojob(key) is None
    assert world.book._pages == {}


async def test_a_successor_is_kept_when_the_write_for_its_forerunner_finds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, key = a_world_with_a_videojob()

    async def replaced(*_: object) -> dict[str, Any]:
        world.cache.put_videojob(a_videojob_body(version=10**6, uid="successor"))
        raise Gone("not found", 404)

    monkeypatch.setattr(world.cluster, "patch_status", replaced)
    await reconcile(key, world)
    body = world.cache.videojob(key)
    assert body is not None
    assert body["metadata"]["uid"] == "successor"


async def test_an_answer_that_comes_after_the_deletion_brings_nothing_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, key = a_world_with_a_videojob()
    patch_status = world.cluster.patch_status

    async def slow(*arguments: Any) -> dict[str, Any]:
        answer = await patch_status(*arguments)
        world.forget_videojob(answer)  # the watch was faster
        return answer

    monkeypatch.setattr(world.cluster, "patch_status", slow)
    await reconcile(key, world)
    assert world.cache.videojob(key) is None
