"""Pauses: between two tries no pod is there, and the user wants to know what failed and what comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import (
    AT_WORK,
    KEY,
    NOW,
    Situation,
    a_pod_body,
    a_result,
    a_time,
    a_videojob,
    an_ended_pod,
    seconds,
)
from fake_cluster import (
    StillWorld,
    a_world_with_a_videojob,
    fake,
    job_becomes,
    restarted,
    settled,
    status_of,
    take_up,
    the_job,
)

from videojob_api.status import InputState, Phase
from videojob_operator.attempt import Attempt, Pause, Warned
from videojob_operator.decide import decide
from videojob_operator.observed import CreateJob
from videojob_operator.pauses import parse_pauses
from videojob_operator.policies.waiting import find_silence
from videojob_operator.reconcile import reconcile

DISRUPTED = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": a_time(5)}


def job_of(situation: Situation) -> dict[str, Any]:
    """The Job that is made."""
    made = (a for a in decide(situation, NOW).actions if isinstance(a, CreateJob))
    return next(made).manifest


def an_attempt(*indexes: int) -> Attempt:
    return replace(a_videojob(9).with_attempt().attempts[0], indexes=indexes or (0,))


def a_failed_pod(
    exit_code: int, *, failed: int = 0, ignored: int = 0, **pod: Any
) -> dict[str, Any]:
    """A pod before which so many of its index had failed."""
    body = an_ended_pod(exit_code, **pod)
    body["metadata"]["annotations"] |= {
        "batch.kubernetes.io/job-index-failure-count": str(failed),
        "batch.kubernetes.io/job-index-ignored-failure-count": str(ignored),
    }
    return body


@pytest.mark.parametrize(
    ("failed", "ignored", "wait"),
    [(0, 0, 10), (1, 0, 20), (2, 0, 40), (1, 2, 80), (6, 0, 600), (9, 999_999, 600)],
)
def test_it_goes_on_when_the_job_controller_does(failed: int, ignored: int, wait: int) -> None:
    pod = a_failed_pod(48, failed=failed, ignored=ignored, ago=5)
    (pause,) = parse_pauses([pod], an_attempt(), 10).values()
    assert (pause.tries, pause.until) == (failed + 1, NOW + seconds(wait - 5))


@pytest.mark.parametrize("exit_code", [0, 42, 43, 45, 46, 137])
def test_an_end_that_the_job_does_not_make_good_for_is_no_pause(exit_code: int) -> None:
    assert parse_pauses([an_ended_pod(exit_code)], an_attempt(), 3) == {}


def test_the_last_try_is_no_pause() -> None:
    assert parse_pauses([a_failed_pod(48, failed=3)], an_attempt(), 3) == {}
    assert parse_pauses([a_failed_pod(48, failed=2)], an_attempt(), 3)[0].tries == 3


def follows(exit_code: int, *, disrupted: bool) -> str:
    """What the Job does, by the first of its rules that fits."""
    for rule in job_of(a_videojob().with_store())["spec"]["podFailurePolicy"]["rules"]:
        codes = rule.get("onExitCodes")
        if (exit_code in codes["values"]) if codes else disrupted:
            return str(rule["action"])
    return "Count"


@pytest.mark.parametrize("disrupted", [False, True])
def test_a_pause_is_what_the_jobs_own_rules_say(disrupted: bool) -> None:
    for exit_code in range(1, 256):
        pod = a_failed_pod(exit_code)
        pod["status"]["conditions"] = [DISRUPTED] if disrupted else []
        pauses = parse_pauses([pod], an_attempt(), 3)
        expected = {"FailIndex": None, "Ignore": False, "Count": True}
        counts = pauses[0].counts if pauses else None
        assert counts is expected[follows(exit_code, disrupted=disrupted)], exit_code


def test_a_pod_that_never_ran_says_why_of_itself() -> None:
    """On a node that does not answer it is declared failed long after it was made."""
    pod = a_pod_body(phase="Failed", reason="OutOfcpu", message="Pod was rejected")
    pod["metadata"]["deletionTimestamp"] = a_time(5)
    (pause,) = parse_pauses([pod], an_attempt(), 3).values()
    assert (pause.reason, pause.message) == ("OutOfcpu", "Pod was rejected")
    assert pause.until == NOW + seconds(5)


def test_the_disruption_tells_when_one_ended_whose_container_does_not() -> None:
    """Of a node that is gone: its pod was made long before."""
    pod = a_pod_body(phase="Failed")
    pod["metadata"]["creationTimestamp"] = a_time(3600)
    pod["status"]["conditions"] = [DISRUPTED]
    (pause,) = parse_pauses([pod], an_attempt(), 3).values()
    assert pause.until == NOW + seconds(5)


def test_what_does_not_count_as_a_try_is_made_good_for_all_the_same() -> None:
    stopped = a_failed_pod(143, failed=3)
    assert parse_pauses([stopped], an_attempt(), 3)[0].tries == 3
    evicted = a_failed_pod(137, reason="Error")
    evicted["status"] |= {
        "conditions": [DISRUPTED],
        "reason": "Evicted",
        "message": "The node was low on resource: memory.",
    }
    (pause,) = parse_pauses([evicted], an_attempt(), 0).values()
    assert (pause.tries, pause.reason) == (0, "Evicted")
    assert pause.message == "The node was low on resource: memory."


def test_the_worker_says_why_or_its_last_words_do() -> None:
    told = a_result(state="Failed", reason="StorageUnreachable", message="no answer", exitCode=48)
    pods = [
        a_failed_pod(48, message=told.to_termination_message()),
        a_failed_pod(1, message="Traceback\nKeyError: 'x'", index=1, name="pod-1"),
    ]
    first, second = parse_pauses(pods, an_attempt(3, 5), 3).values()
    assert (first.index, first.reason, first.message) == (3, "StorageUnreachable", "no answer")
    assert (second.index, second.reason) == (5, "WorkerCrashed")
    assert second.message == "the worker ended with exit code 1: KeyError: 'x'"


def test_the_next_pod_ends_the_pause() -> None:
    first = a_failed_pod(48)
    second = a_pod_body(name="pod-1", phase="Pending")
    second["metadata"]["creationTimestamp"] = a_time(1)
    assert parse_pauses([second, first], an_attempt(), 3) == {}


def test_what_has_ended_or_is_nobodys_has_no_pause() -> None:
    pods = [a_failed_pod(48), a_failed_pod(48, index=7, name="pod-7")]
    assert parse_pauses(pods, replace(an_attempt(), failed=frozenset({0})), 3) == {}


A_PAUSE = Pause(0, 1, True, "StorageUnreachable", "no answer", NOW + seconds(10))
SENTENCE = (
    "Try 2 of 4 of in-0 begins at about 2026-03-01T12:00:10Z; "
    "the last ended with StorageUnreachable: no answer"
)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RUNNING])
def test_it_is_said_with_the_next_try_and_its_time(phase: Phase) -> None:
    """What has begun goes on; what was never seen at work waits still."""
    situation = (
        a_videojob().running() if phase is Phase.RUNNING else a_videojob().waiting_for_worker()
    )
    situation = replace(
        situation.with_newest(ready=0, active=0, pods_failed=1), pauses={0: A_PAUSE}
    )
    decision = decide(situation.with_progress(), NOW)
    status = decision.status
    assert status is not None
    assert (decision.policy, status.phase, status.message) == ("explain_pause", phase, SENTENCE)
    ready = next(c for c in status.conditions if c.type == "Ready")
    assert ready.reason == "WaitingForRetry"
    assert [action.reason for action in decision.actions] == ["WaitingForRetry"]  # type: ignore[union-attr]
    (one,) = status.inputs
    assert (one.state, one.reason, one.message) == (
        InputState.PENDING,
        "StorageUnreachable",
        "no answer",
    )
    again = decide(situation.with_progress().written(decision), NOW)
    assert (again.actions, again.status) == ((), None), "it is said once"


def test_one_that_does_not_count_as_a_try_needs_no_event() -> None:
    """A drain is nobody's failure, and a node has many pods."""
    idle = a_videojob().running().with_newest(ready=0, active=0)
    decision = decide(replace(idle, pauses={0: replace(A_PAUSE, counts=False)}), NOW)
    assert (decision.policy, decision.actions) == ("explain_pause", ())


def test_while_the_next_input_starts_nothing_pauses() -> None:
    """The Job has made a pod, and its watch has not told yet."""
    between = replace(a_videojob(3).running().with_newest(ready=0, active=1), pauses={0: A_PAUSE})
    assert decide(between, NOW).policy == "describe_running"


def test_a_job_that_pauses_is_not_taken_for_one_that_gets_no_pod() -> None:
    idle = a_videojob().running(ago=600).with_newest(ready=0, active=0, pods_failed=0)
    assert find_silence(idle, NOW) is not None
    assert find_silence(replace(idle, pauses={0: A_PAUSE}), NOW) is None


def test_a_try_that_does_not_come_is_told_with_what_keeps_its_pod() -> None:
    """A quota that came since, for one."""
    overdue = replace(A_PAUSE, until=NOW - seconds(29))
    idle = a_videojob().running(ago=600).with_newest(ready=0, active=0, pods_failed=1)
    late = replace(idle, pauses={0: overdue})
    decision = decide(late, NOW)
    assert (decision.policy, decision.requeue_seconds) == ("explain_pause", 1)
    assert find_silence(late, NOW) is None
    now = NOW + seconds(1)
    silence = find_silence(late, now)
    assert silence is not None
    warned = Warned("FailedCreate", "exceeded quota: pods")
    told = decide(replace(late, silence=replace(silence, is_asked=True, warned=warned)), now)
    assert told.policy == "explain_wait"
    assert told.status is not None
    assert told.status.message == ("No pod has been made for a worker yet: exceeded quota: pods")
    (one,) = told.status.inputs
    assert one.reason == "StorageUnreachable", "how the last try ended stays"


def test_of_several_the_first_to_go_on_is_told_of() -> None:
    later = replace(A_PAUSE, index=1, until=NOW + seconds(40))
    idle = a_videojob(3).running().with_newest(ready=0, active=0)
    situation = replace(idle, pauses={1: later, 0: A_PAUSE})
    status = decide(situation, NOW).status
    assert status is not None
    assert "12:00:10Z, and 1 more inputs later; the last" in (status.message or "")


def test_while_others_work_each_input_says_its_own() -> None:
    situation = replace(a_videojob(2).running().with_newest(ready=1), pauses={0: A_PAUSE})
    decision = decide(situation, NOW)
    assert decision.policy == "describe_running"
    assert decision.status is not None
    assert {i.name: i.reason for i in decision.status.inputs} == {
        "in-0": "StorageUnreachable",
        "in-1": None,
    }


async def a_failed_try() -> StillWorld:
    """A worker has failed, and its Job pauses."""
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    job_becomes(world, active=1, ready=1)
    await reconcile(key, world)
    assert status_of(world).phase is Phase.RUNNING
    told = a_result(state="Failed", reason="StorageUnreachable", message="no answer", exitCode=48)
    job = the_job(world)["metadata"]
    pod = a_failed_pod(48, message=told.to_termination_message(), job_uid=job["uid"], ago=5)
    pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job["name"]
    world.cache.put_pod(fake(world).put("pods", pod))
    job_becomes(world, failed=1)
    await reconcile(key, world)
    return world


async def test_a_try_that_failed_is_told_and_then_the_next_one_is() -> None:
    world = await a_failed_try()
    status = status_of(world)
    assert (status.phase, status.progress and status.progress.eta_seconds) == (Phase.RUNNING, None)
    assert (status.message or "").startswith("Try 2 of 4 of in-0 begins at about")
    await settled(world)
    pod = a_pod_body(name="pod-1", job_uid=the_job(world)["metadata"]["uid"], **AT_WORK)
    pod["metadata"]["creationTimestamp"] = a_time(0)
    world.cache.put_pod(fake(world).put("pods", pod))
    job_becomes(world, failed=1, active=1, ready=1)
    await reconcile(KEY, world)
    assert status_of(world).message == "Working on the input on the CPU."
    events = [event["reason"] for event in fake(world).all("events")]
    assert events.count("Running") == 1, "it has not begun anew"
    assert events.count("WaitingForRetry") == 1


async def test_an_operator_that_starts_in_a_pause_tells_of_it_still() -> None:
    world = await a_failed_try()
    before = status_of(world).message
    fresh = restarted(world)
    fresh.moment += seconds(1)
    await take_up(fresh)
    await reconcile(KEY, fresh)
    assert status_of(fresh).message == before
    await settled(fresh)


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_worker_that_fills_its_scratch_space_is_not_started_again(says_so: bool) -> None:
    """Evicted for that it ends as one that was told to stop, which does not count as a try."""
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    told = a_result(state="Failed", reason="Interrupted", message="told to stop", exitCode=143)
    job = the_job(world)["metadata"]
    pod = a_failed_pod(
        143, message=told.to_termination_message() if says_so else "", job_uid=job["uid"]
    )
    full = 'Usage of EmptyDir volume "scratch" exceeds the limit "3Gi".'
    pod["status"] |= {"reason": "Evicted", "message": full}
    pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job["name"]
    fake(world).put("pods", pod)  # it left the watch as it was before
    second = a_pod_body(name="pod-1", phase="Running", job_uid=job["uid"])
    second["metadata"]["annotations"] |= a_failed_pod(143, ignored=1)["metadata"]["annotations"]
    world.cache.put_pod(second)
    await reconcile(key, world)
    status = status_of(world)
    assert (status.phase, status.failure and status.failure.reason) == (Phase.FAILED, "ScratchFull")
    assert "deletionTimestamp" in the_job(world)["metadata"], "it would go on with it"
