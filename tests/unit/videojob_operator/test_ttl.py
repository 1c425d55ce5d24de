"""Time to live: by the spec, from the end on, exactly that object, tried again when it fails."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import KEY, NOW, Situation, a_time, a_videojob, seconds
from fake_cluster import StillWorld, a_world_with_a_videojob, fake

from videojob_api.status import Phase
from videojob_operator.errors import ClusterError, Conflict
from videojob_operator.observed import Decision, DeleteJob, DeleteVideoJob
from videojob_operator.policies.finished import decide_finished
from videojob_operator.policies.ttl import expiry
from videojob_operator.reconcile import reconcile

BOTH = {"secondsAfterSucceeded": 100, "secondsAfterFailed": 1000}
GONE = Decision(actions=(DeleteVideoJob(),))


def ended(phase: Phase, ttl: dict[str, int] | None, *, ago: float = 0) -> Situation:
    situation = a_videojob(ttl=ttl).running().with_succeeded(0)
    return situation.with_status(phase=phase, finished_at=a_time(ago))


@pytest.mark.parametrize(
    ("phase", "ttl", "wanted"),
    [
        (Phase.SUCCEEDED, None, None),
        (Phase.SUCCEEDED, {}, None),
        (Phase.SUCCEEDED, {"secondsAfterFailed": 5}, None),
        (Phase.FAILED, {"secondsAfterSucceeded": 5}, None),
        (Phase.SUCCEEDED, BOTH, 100),
        (Phase.FAILED, BOTH, 1000),
        (Phase.REJECTED, BOTH, 1000),
        (Phase.SUCCEEDED, {"secondsAfterSucceeded": 0}, 0),
        (Phase.RUNNING, BOTH, None),
    ],
)
def test_when_it_expires(phase: Phase, ttl: dict[str, int] | None, wanted: float | None) -> None:
    expires = expiry(ended(phase, ttl))
    assert expires == (None if wanted is None else NOW + seconds(wanted))


def test_it_is_deleted_when_it_has_expired_and_not_a_second_before() -> None:
    assert decide_finished(ended(Phase.SUCCEEDED, BOTH, ago=100), NOW) == GONE
    early = decide_finished(ended(Phase.SUCCEEDED, BOTH, ago=99), NOW)
    assert early == Decision(requeue_seconds=1)


def test_the_first_of_children_and_ttl_is_waited_for() -> None:
    short, long = ({"secondsAfterSucceeded": s} for s in (50, 5000))
    assert decide_finished(ended(Phase.SUCCEEDED, short), NOW) == Decision(requeue_seconds=50)
    assert decide_finished(ended(Phase.SUCCEEDED, long), NOW) == Decision(requeue_seconds=3600)
    later = decide_finished(ended(Phase.SUCCEEDED, long, ago=3600), NOW)
    assert later is not None
    assert [type(a) for a in later.actions] == [DeleteJob]
    assert later.requeue_seconds == 1400


def test_a_manifest_that_is_not_understood_is_kept() -> None:
    situation = replace(ended(Phase.FAILED, BOTH, ago=9999), spec=None, attempts=())
    assert decide_finished(situation, NOW) == Decision()


def test_what_is_being_deleted_is_not_deleted_again() -> None:
    situation = replace(ended(Phase.SUCCEEDED, BOTH, ago=200), deleting=True)
    assert decide_finished(situation, NOW) == Decision()


# ---- the loop


async def an_ended_world() -> StillWorld:
    world, key = a_world_with_a_videojob(ttl=BOTH)
    (body,) = fake(world).all("videojobs")
    status = {
        "observedGeneration": 1,
        "phase": "Succeeded",
        "acceptedAt": a_time(60),
        "finishedAt": a_time(),
        "attempt": 1,
        "indexes": {"succeeded": "0"},
    }
    world.cache.put_videojob(fake(world).put("videojobs", {**body, "status": status}))
    assert await reconcile(key, world) == 100
    return world


async def test_a_restart_changes_nothing_and_a_missing_job_is_not_asked_for() -> None:
    world = await an_ended_world()
    restarted = StillWorld(world.cluster, world.settings)
    (body,) = fake(world).all("videojobs")
    restarted.cache.put_videojob(body)
    fake(world).requests.clear()
    assert await reconcile(KEY, restarted) == 100
    assert fake(world).requests == []
    restarted.moment += seconds(100)
    await reconcile(KEY, restarted)
    assert fake(world).all("videojobs") == []
    assert [method for method, _ in fake(world).requests] == ["DELETE"]


async def test_a_delete_that_fails_is_tried_again() -> None:
    world = await an_ended_world()
    world.moment += seconds(100)
    fake(world).failures = [ClusterError("down", 500)]
    with pytest.raises(ClusterError):
        await reconcile(KEY, world)
    await reconcile(KEY, world)
    assert fake(world).all("videojobs") == []


async def test_one_that_has_changed_meanwhile_is_looked_at_again() -> None:
    world = await an_ended_world()
    (body,) = fake(world).all("videojobs")
    body["spec"]["ttl"]["secondsAfterSucceeded"] = 500
    newer = fake(world).put("videojobs", body)
    world.moment += seconds(100)
    with pytest.raises(Conflict):
        await reconcile(KEY, world)
    world.cache.put_videojob(newer)
    assert await reconcile(KEY, world) == 400
    assert len(fake(world).all("videojobs")) == 1


async def test_one_that_is_gone_already_is_no_error() -> None:
    world = await an_ended_world()
    fake(world).drop("videojobs", KEY.name)
    world.moment += seconds(100)
    assert await reconcile(KEY, world) is None
