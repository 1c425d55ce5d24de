"""Waiting, explained: what the scheduler or the kubelet says, and only when it is news."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from builders import NOW, Situation, a_report, a_videojob, seconds

from videojob_api.status import InputState, Phase, VideoJobStatus
from videojob_operator.attempt import Silence, Warned
from videojob_operator.decide import decide
from videojob_operator.policies.waiting import explain_wait, find_silence


def said(situation: Situation) -> VideoJobStatus:
    decision = decide(situation, NOW)
    assert decision.policy == "explain_wait"
    assert decision.status is not None
    return decision.status


def conditions(status: VideoJobStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in status.conditions}


def test_a_worker_at_work_is_no_wait() -> None:
    assert explain_wait(a_videojob().running(), NOW) is None


def test_without_a_job_there_is_nothing_to_explain() -> None:
    assert explain_wait(a_videojob(), NOW) is None


@pytest.mark.parametrize("reason", ["", "ContainerCreating", "PodInitializing"])
def test_starting_up_is_no_news(reason: str) -> None:
    fresh = a_videojob().waiting_for_worker()
    situation = fresh.written(decide(fresh, NOW)).with_waiting(reason)
    assert decide(situation, NOW).status is None


@pytest.mark.parametrize(
    ("reason", "message", "sentence", "told", "stalled"),
    [
        (
            "Unschedulable",
            "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
            "No node for a worker yet: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
            "Unschedulable",
            "False",
        ),
        (
            "CreateContainerConfigError",
            'secret "minio" not found',
            'A worker can\'t start: secret "minio" not found',
            "CreateContainerConfigError",
            "True",
        ),
        (
            "ErrImagePull",
            "not found: worker:1",
            "A worker can't start: not found: worker:1",
            "ImagePullFailed",
            "True",
        ),
        (
            "ImagePullBackOff",
            "Back-off pulling image",
            "A worker can't start: Back-off pulling image",
            "ImagePullFailed",
            "True",
        ),
        (
            "InvalidImageName",
            "",
            "A worker can't start: InvalidImageName",
            "InvalidImageName",
            "True",
        ),
        ("RunContainerError", "no", "A worker can't start: no", "RunContainerError", "True"),
    ],
)
def test_being_stuck_is_said_in_the_words_of_who_knows(
    reason: str, message: str, sentence: str, told: str, stalled: str
) -> None:
    status = said(a_videojob().waiting_for_worker().with_waiting(reason, message))
    assert (status.phase, status.message) == (Phase.PENDING, sentence)
    assert conditions(status)["Ready"] == ("False", told)
    assert conditions(status)["Stalled"][0] == stalled


def test_no_node_is_not_scheduled_and_other_waits_do_not_know() -> None:
    waiting = a_videojob().waiting_for_worker()
    assert conditions(said(waiting.with_waiting("Unschedulable")))["Scheduled"][0] == "False"
    assert "Scheduled" not in conditions(said(waiting.with_waiting("ErrImagePull")))


def test_the_stuck_pod_is_told_of_among_others_that_start() -> None:
    situation = a_videojob(2).waiting_for_worker().with_waiting("ContainerCreating")
    status = said(situation.with_waiting("CreateContainerConfigError", "no secret"))
    assert "no secret" in (status.message or "")


def test_the_kubelets_change_of_words_about_a_missing_image_is_no_news() -> None:
    first = a_videojob().waiting_for_worker()
    written = first.written(decide(first.with_waiting("ErrImagePull", "not found"), NOW))
    for reason, message in (
        ("ImagePullBackOff", "Back-off pulling"),
        ("ErrImagePull", "not found, request id 2"),
    ):
        assert decide(written.with_waiting(reason, message), NOW).status is None


def test_a_new_reason_is_news() -> None:
    first = a_videojob().waiting_for_worker()
    written = first.written(decide(first.with_waiting("Unschedulable", "no node"), NOW))
    status = said(written.with_waiting("ErrImagePull", "not found"))
    assert conditions(status)["Ready"][1] == "ImagePullFailed"


def test_a_pause_between_two_pods_is_still_running() -> None:
    between = a_videojob(2).running().with_succeeded(0).with_newest(ready=0)
    assert explain_wait(between, NOW) is None
    assert decide(between, NOW).policy == "describe_running"


def test_a_report_proves_work_before_the_job_says_so() -> None:
    situation = a_videojob().waiting_for_worker().with_progress()
    decision = decide(situation, NOW)
    assert decision.policy == "describe_running"


def test_a_replacement_that_finds_no_node_is_said_though_its_forerunner_reported() -> None:
    lost = a_videojob().running().with_newest(ready=0).with_progress({0: a_report(45)})
    status = said(lost.with_waiting("Unschedulable", "0/3 nodes are available"))
    assert "No node for a worker yet" in (status.message or "")
    assert (status.phase, conditions(status)["Scheduled"][0]) == (Phase.RUNNING, "False")


@pytest.mark.parametrize("inputs", [1, 2])
def test_nobody_is_at_work_while_a_replacement_has_no_node(inputs: int) -> None:
    """The last report is of the worker that is gone."""
    live = a_videojob(inputs).running().with_progress({0: a_report(45, eta_seconds=90)})
    live = live.written(decide(live, NOW))
    lost = live.with_newest(ready=0).with_waiting("Unschedulable", "0/3 nodes are available")
    status = said(lost)
    assert status.inputs[0].state is InputState.PENDING
    assert status.input_counts is not None
    assert status.input_counts.active == 0
    before, told = live.status.progress, status.progress
    assert before is not None
    assert told is not None
    assert (told.percent, told.updated_at) == (before.percent, before.updated_at)
    assert (told.eta_seconds, told.fps) == (None, None)


def test_a_second_attempt_keeps_the_phase_that_was_reached() -> None:
    situation = a_videojob().running().with_index(0, exit_code=137).with_attempt(kills=1)
    status = said(situation.with_waiting("Unschedulable", "no node"))
    assert status.phase is Phase.RUNNING


def no_pod(ago: float, **attempt: Any) -> Situation:
    return a_videojob().waiting_for_worker(ago=ago).with_newest(**{"active": 0, **attempt})


def test_a_job_that_gets_no_pod_is_said_after_half_a_minute() -> None:
    status = said(asked(no_pod(30)))
    job = no_pod(30).attempts[0].name
    assert status.message == (
        f"No pod has been made for a worker yet: `kubectl describe job {job}` says why"
    )
    assert conditions(status)["Stalled"] == ("True", "NoPodMade")
    assert "Scheduled" not in conditions(status)


def asked(situation: Situation, warned: Warned | None = None) -> Situation:
    """The same once Events were asked."""
    silence = find_silence(situation, NOW)
    assert silence is not None
    return replace(situation, silence=replace(silence, is_asked=True, warned=warned))


def test_an_event_says_why_no_pod_is_made() -> None:
    assert find_silence(no_pod(29), NOW) is None
    assert find_silence(no_pod(30), NOW) == Silence(no_pod(30).attempts[0].name, is_pod=False)
    status = said(asked(no_pod(30), Warned("FailedCreate", "exceeded quota: small")))
    assert status.message == "No pod has been made for a worker yet: exceeded quota: small"
    assert conditions(status)["Stalled"] == ("True", "NoPodMade")


def creating(ago: float) -> Situation:
    return a_videojob().waiting_for_worker().with_waiting("ContainerCreating", ago=ago)


@pytest.mark.parametrize(
    ("reason", "stalled"), [("FailedMount", "True"), ("FailedAttachVolume", "False")]
)
def test_an_event_says_why_a_pods_volumes_do_not_come(reason: str, stalled: str) -> None:
    assert find_silence(creating(29), NOW) is None
    assert find_silence(creating(30), NOW) == Silence("pod", is_pod=True)
    assert said(asked(creating(30))).message == "Accepted; waiting for a worker to start."
    status = said(asked(creating(30), Warned(reason, "no such host")))
    assert status.message == "A worker can't start: no such host"
    assert conditions(status)["Ready"][1] == reason
    assert conditions(status)["Stalled"][0] == stalled


def test_what_was_told_stands_until_events_are_asked() -> None:
    told = asked(no_pod(30), Warned("FailedCreate", "exceeded quota: small"))
    told = told.written(decide(told, NOW))
    silence = find_silence(told, NOW)
    assert silence is not None
    after_a_restart = decide(replace(told, silence=silence), NOW)
    assert (after_a_restart.policy, after_a_restart.status) == ("explain_wait", None)
    assert after_a_restart.requeue_seconds == 60


def test_events_are_asked_of_no_job_that_is_at_work_held_or_over() -> None:
    for changes in ({"ready": 1}, {"ended_at": NOW}, {"deleted_at": NOW}, {"suspended": True}):
        assert find_silence(creating(60).with_newest(**changes), NOW) is None
    cancelled = (
        a_videojob(cancel=True).waiting_for_worker().with_waiting("ContainerCreating", ago=60)
    )
    assert find_silence(cancelled, NOW) is None


@pytest.mark.parametrize(("ago", "expected"), [(10, 20), (30, 60), (500, 60)])
def test_it_looks_when_events_are_due_and_again_after_a_minute(ago: float, expected: float) -> None:
    situation = creating(ago)
    if find_silence(situation, NOW):
        situation = asked(situation)
    decision = explain_wait(situation, NOW)
    assert decision is not None
    assert decision.requeue_seconds == expected


def test_a_replacement_whose_volumes_do_not_come_is_looked_at_in_time() -> None:
    crashed = a_videojob().running().with_newest(ready=0, pods_failed=1)
    decision = decide(crashed.with_waiting("ContainerCreating", ago=10), NOW)
    assert (decision.policy, decision.requeue_seconds) == ("describe_running", 20)


@pytest.mark.parametrize(
    "situation",
    [
        no_pod(29),
        no_pod(60, active=1),
        no_pod(60, pods_failed=1),
        no_pod(60).with_waiting("ContainerCreating"),
        a_videojob(2).waiting_for_worker().with_newest(active=0, completed=frozenset({0})),
    ],
    ids=["young", "active", "failed", "waiting", "between two pods"],
)
def test_a_job_that_had_a_pod_is_not_stuck(situation: Situation) -> None:
    assert conditions(said(situation))["Stalled"][0] == "False"


def test_it_looks_again_when_patience_is_over_and_then_at_the_deadline() -> None:
    for ago, expected in ((10, 20), (29, 1)):
        situation = a_videojob(activeDeadlineSeconds=100).waiting_for_worker(ago=ago)
        decision = explain_wait(situation, NOW)
        assert decision is not None
        assert decision.requeue_seconds == expected


def test_the_deadline_wakes_it_at_the_latest() -> None:
    situation = a_videojob(activeDeadlineSeconds=100).waiting_for_worker(ago=40)
    decision = explain_wait(situation, NOW)
    assert decision is not None
    assert decision.requeue_seconds == 60


@pytest.mark.parametrize("reason", ["ResourceClaimMissing", "SchedulingGated"])
def test_what_passes_in_a_moment_does_so_for_a_later_pod_too(reason: str) -> None:
    """However old its Job is."""
    retried = a_videojob().running(ago=3600).with_newest(ready=0, active=1, pods_failed=1)
    new = retried.with_waiting(reason, "in a moment", ago=0)
    assert (decide(new, NOW).policy, decide(new, NOW).requeue_seconds) == ("describe_running", 30)
    late = decide(new, NOW + timedelta(seconds=30))
    assert late.policy == "explain_wait"
    assert late.status is not None
    assert "in a moment" in (late.status.message or "")


def test_a_later_attempt_that_gets_no_pod_is_said_too() -> None:
    """A quota may be full by now; it would be called Running for ever."""
    situation = a_videojob().running().with_index(0, exit_code=137).with_attempt(created_at=NOW)
    starting = decide(situation, NOW)
    assert (starting.policy, starting.requeue_seconds) == ("explain_wait", 30)
    silence = find_silence(situation, NOW + seconds(30))
    assert silence is not None
    situation = replace(situation, silence=replace(silence, is_asked=True))
    late = decide(situation, NOW + seconds(30))
    assert late.status is not None
    assert (late.status.message or "").startswith("No pod has been made for a worker yet")
    assert conditions(late.status)["Stalled"] == ("True", "NoPodMade")
