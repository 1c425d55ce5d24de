"""A store that refused is asked again without the resource going back and forth."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import NOW, Situation, a_report, a_videojob, seconds

from videojob_api.status import Phase, Stage, VideoJobStatus
from videojob_operator.attempt import Silence
from videojob_operator.decide import decide
from videojob_operator.observed import CreateJob
from videojob_operator.policies.asking import decide_asking


def conditions(status: VideoJobStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in status.conditions}


def refused() -> Situation:
    """The store refused the first attempt, and the resource says so."""
    situation = a_videojob().running().with_index(0, exit_code=44)
    return situation.written(decide(situation, NOW)).with_store()


def asking_again(ago: float = 5) -> Situation:
    """A second attempt has been made."""
    decision = decide(refused(), NOW + seconds(5))
    assert isinstance(decision.actions[0], CreateJob)
    return refused().written(decision).with_attempt(waits=1, created_at=NOW - seconds(ago))


def at_work(situation: Situation, ago: float = 0) -> Situation:
    """Its worker has been ready for so many seconds."""
    return replace(situation.with_newest(active=1, ready=1), at_work_since=NOW - seconds(ago))


def test_the_reason_stands_when_the_next_attempt_is_made() -> None:
    before, after = refused().status, asking_again().status
    assert (after.phase, after.attempt) == (Phase.PENDING, 2)
    assert after.message == before.message
    assert conditions(after) == conditions(before)
    assert conditions(after)["Stalled"] == ("True", "StorageRefused")


@pytest.mark.parametrize(
    "situation",
    [
        asking_again(),
        asking_again().with_waiting("ContainerCreating"),
        at_work(asking_again(ago=60)),
        at_work(asking_again()).with_progress({0: a_report(0, stage=Stage.FETCHING)}),
        asking_again(ago=60).with_newest(active=1),
    ],
    ids=["made", "starting", "at work", "fetching", "slow to start"],
)
def test_nothing_new_is_said_until_the_store_answers(situation: Situation) -> None:
    decision = decide(situation, NOW)
    assert decision.policy == "decide_asking"
    assert decision.status is None
    assert decision.requeue_seconds is not None
    assert decision.requeue_seconds >= 1


@pytest.mark.parametrize(
    "situation",
    [
        at_work(asking_again()).with_progress({0: a_report(3, stage=Stage.PROBING)}),
        at_work(asking_again(ago=60), ago=20),
    ],
    ids=["something was fetched", "at work for long"],
)
def test_an_answer_is_news(situation: Situation) -> None:
    decision = decide(situation, NOW)
    assert decision.policy == "describe_running"
    assert decision.status is not None
    assert decision.status.phase is Phase.RUNNING
    assert conditions(decision.status)["Stalled"][0] == "False"


def test_a_worker_that_is_stuck_is_news() -> None:
    decision = decide(asking_again().with_waiting("Unschedulable", "no node"), NOW)
    assert decision.policy == "explain_wait"
    assert decision.status is not None
    assert conditions(decision.status)["Ready"][1] == "Unschedulable"


def test_another_refusal_waits_longer() -> None:
    situation = asking_again().with_newest(ended_at=NOW).with_index(0, exit_code=44)
    decision = decide(situation, NOW)
    assert (decision.policy, decision.requeue_seconds) == ("decide_outcome", 10)


def test_a_success_ends_it() -> None:
    decision = decide(asking_again().with_succeeded(0), NOW)
    assert decision.status is not None
    assert decision.status.phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    "situation",
    [a_videojob(), a_videojob().waiting_for_worker(), a_videojob().running()],
    ids=["new", "waiting", "running"],
)
def test_who_was_never_refused_is_not_asking_again(situation: Situation) -> None:
    assert decide_asking(situation, NOW) is None


@pytest.mark.parametrize("reason", ["Suspended", "Queued", "WaitingForWorker"])
def test_what_was_told_since_is_not_taken_for_the_stores_refusal(reason: str) -> None:
    told = refused().status
    conditions_since = [
        c.model_copy(update={"reason": reason, "message": "Something else."})
        for c in told.conditions
    ]
    since = refused().with_status(
        **{**vars(told), "conditions": conditions_since, "message": "Something else."}
    )
    decision = decide(since, NOW + seconds(5))
    assert decision.policy == "decide_admit"
    assert decision.status is not None
    assert decision.status.message == "Accepted; waiting for a worker to start."
    assert conditions(decision.status)["Stalled"][0] == "False"
    again = since.written(decision).with_attempt(waits=1, created_at=NOW)
    assert decide(again, NOW).policy == "explain_wait"


def test_a_kill_after_an_old_refusal_is_not_told_as_a_refusal() -> None:
    running = asking_again().with_status(phase=Phase.RUNNING, message="Working on the input.")
    killed = running.with_newest(ended_at=NOW).with_index(0, exit_code=137)
    decision = decide(killed, NOW)
    assert decision.policy == "decide_admit"
    assert decision.status is not None
    assert decision.status.message == "Accepted; waiting for a worker to start."
    assert conditions(decision.status)["Stalled"][0] == "False"


def test_patience_ends_after_twenty_seconds_of_work() -> None:
    begun = at_work(asking_again(ago=60), ago=19)
    decision = decide_asking(begun, NOW)
    assert decision is not None
    assert decision.requeue_seconds == 1
    assert decide_asking(begun, NOW + seconds(1)) is None


def test_a_worker_that_is_slow_to_start_is_waited_for_until_the_deadline() -> None:
    slow = asking_again(ago=30).with_newest(active=1)
    decision = decide_asking(slow, NOW)
    assert decision is not None
    assert decision.requeue_seconds == 86400 - 60


def test_what_keeps_the_next_attempt_from_starting_is_told() -> None:
    """The store may be mended by then, and somebody looks for what is missing now."""
    assert decide(asking_again().with_newest(suspended=True), NOW).policy == "explain_kueue"
    without_pods = asking_again(ago=20)
    decision = decide(without_pods, NOW)
    assert (decision.policy, decision.requeue_seconds) == ("decide_asking", 10)
    silence = Silence(without_pods.attempts[-1].name, is_pod=False, is_asked=True)
    later = decide(replace(without_pods, silence=silence), NOW + seconds(10))
    assert later.policy == "explain_wait"
    assert later.status is not None
    assert conditions(later.status)["Stalled"] == ("True", "NoPodMade")
