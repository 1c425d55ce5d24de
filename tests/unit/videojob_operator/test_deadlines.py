"""The deadline runs from acceptance to the end, waiting included."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from builders import NOW, Situation, a_videojob, seconds

from videojob_api.status import Phase
from videojob_operator.decide import decide
from videojob_operator.observed import DeleteJob, EmitEvent, StoreMissing
from videojob_operator.policies.deadlines import deadline, decide_deadline


def a_short_job(inputs: int = 1) -> Situation:
    return a_videojob(inputs, activeDeadlineSeconds=100)


SITUATIONS = {
    "running": a_short_job(3).running(ago=100).with_succeeded(0),
    "no node": a_short_job().waiting_for_worker(ago=100).with_waiting("Unschedulable", "no GPU"),
    "no store": a_short_job().at_phase(Phase.PENDING, ago=100).with_store(StoreMissing("media")),
    "store refuses": a_short_job().running(ago=100).with_index(0, exit_code=44),
    "some inputs alone were tried again": a_short_job(2)
    .running(ago=100)
    .with_index(0, exit_code=45)
    .with_index(1, exit_code=137)
    .with_attempt(indexes=(1,))
    .with_succeeded(1)
    .with_store(StoreMissing("media")),
    "killed again and again": a_short_job().running(ago=100).with_index(0, exit_code=137),
}


def test_there_is_no_deadline_before_acceptance() -> None:
    assert deadline(a_short_job()) is None
    assert decide_deadline(a_short_job(), NOW + timedelta(days=999)) is None


def test_it_runs_from_acceptance() -> None:
    assert deadline(a_short_job().running(ago=30)) == NOW + seconds(70)


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_second_before_nothing_is_said(name: str) -> None:
    assert decide_deadline(SITUATIONS[name], NOW - seconds(1)) is None


def stopped(late: Situation) -> Situation:
    """What is there once its workers have done as they were told."""
    decision = decide(late, NOW)
    over = tuple(attempt for attempt in late.attempts if not attempt.may_work)
    if over == late.attempts:
        return late
    told = [action.uid for action in decision.actions if isinstance(action, DeleteJob)]
    assert told == [attempt.uid for attempt in late.attempts if attempt.may_work]
    return replace(late.written(decision), attempts=over)


@pytest.mark.parametrize("name", SITUATIONS)
def test_at_the_deadline_whatever_waits_or_works_fails(name: str) -> None:
    decision = decide(stopped(SITUATIONS[name]), NOW)
    assert decision.policy == "decide_deadline"
    status = decision.status
    assert status is not None
    assert status.phase is Phase.FAILED
    assert status.failure is not None
    assert (status.failure.reason, status.failure.retryable) == ("DeadlineExceeded", True)
    assert status.message is not None
    assert status.message.startswith("Not done within activeDeadlineSeconds (100).")
    assert status.finished_at == "2026-03-01T12:00:00Z"
    (event,) = (a for a in decision.actions if isinstance(a, EmitEvent))
    assert (event.type, event.reason) == ("Warning", "DeadlineExceeded")


def test_workers_are_stopped_and_what_they_finished_still_counts() -> None:
    decision = decide(SITUATIONS["running"], NOW)
    job = SITUATIONS["running"].attempts[0]
    assert decision.actions[0] == DeleteJob(job.name, job.uid, stays_for_pods=True)
    assert decision.status is not None
    assert decision.status.input_counts is not None
    assert decision.status.input_counts.succeeded == 1
    assert decision.status.indexes is not None
    assert decision.status.indexes.succeeded == "0"


def test_workers_that_do_not_stop_hold_off_the_end_for_ten_minutes() -> None:
    """A node is dead and its pod not released, a foreign finalizer, a queue that is gone."""
    late = SITUATIONS["running"]
    stopping = late.written(decide(late, NOW)).with_newest(deleted_at=NOW)
    assert decide(stopping, NOW).requeue_seconds == 600
    before = stopping.with_newest(deleted_at=NOW - seconds(3600))
    assert decide(before, NOW).requeue_seconds == 600, "by somebody else, before the deadline"
    assert decide(stopping, NOW + seconds(599)).status is None
    status = decide(stopping, NOW + seconds(600)).status
    assert status is not None
    assert status.phase is Phase.FAILED
    assert (status.message or "").startswith("Not done within activeDeadlineSeconds (100).")


def test_one_that_is_seen_to_be_late_long_after_gives_its_workers_time_to_stop_too() -> None:
    """The deadline was moved up, or no operator ran."""
    late = a_short_job(3).running(ago=3600)
    decision = decide(late, NOW)
    assert decision.status is not None
    assert (decision.status.phase, decision.requeue_seconds) == (Phase.RUNNING, 600)
    assert any(isinstance(action, DeleteJob) for action in decision.actions)
    stopping = late.written(decision).with_newest(deleted_at=NOW)
    assert decide(stopping, NOW + seconds(599)).status is None
    status = decide(stopping, NOW + seconds(600)).status
    assert status is not None
    assert status.phase is Phase.FAILED


@pytest.mark.parametrize("name", ["no store", "no node"])
def test_what_it_waited_for_is_said(name: str) -> None:
    late = stopped(SITUATIONS[name].with_status(message="None yet."))
    status = decide(late, NOW).status
    assert status is not None
    assert status.message == "Not done within activeDeadlineSeconds (100). Last: None yet."


def test_it_ends_once_its_workers_have_stopped_and_with_what_they_have_done_by_then() -> None:
    late = SITUATIONS["running"].with_status(message="Working on 3 inputs on the CPU.")
    decision = decide(late, NOW)
    assert decision.status is not None
    assert (decision.status.phase, decision.status.failure) == (Phase.RUNNING, None)
    said = "Not done within activeDeadlineSeconds (100); its workers are stopping. Last: Working on"
    assert (decision.status.message or "").startswith(said)
    assert not [action for action in decision.actions if isinstance(action, EmitEvent)]
    stopping = late.written(decision).with_newest(deleted_at=NOW)
    again = decide(stopping, NOW)
    assert (again.actions, again.status) == ((), None), "it is told to stop once"
    more = decide(stopping.with_succeeded(1), NOW + seconds(31)).status
    assert more is not None
    assert more.indexes is not None
    assert more.indexes.succeeded == "0-1"
    done = decide(stopping.with_succeeded(1).with_succeeded(2), NOW)
    assert done.status is not None
    assert done.status.phase is Phase.SUCCEEDED, "all was done in time to stop"


def test_work_that_ended_in_time_is_judged_by_its_outcome() -> None:
    done = a_short_job(2).running(ago=100).with_succeeded(0).with_index(1, exit_code=42)
    assert decide_deadline(done, NOW) is None
    assert decide(done, NOW).policy == "decide_outcome"


def test_a_job_that_would_go_on_with_what_was_given_up_is_stopped() -> None:
    late = a_videojob(2).running(ago=86400)
    late = late.with_newest(given_up=frozenset({0}), failed=frozenset({0}), completed=frozenset())
    late = late.with_newest(ended_at=NOW).with_index(1, exit_code=44)
    decision = decide_deadline(late, NOW)
    assert decision is not None
    assert [a.uid for a in decision.actions if isinstance(a, DeleteJob)] == [late.attempts[0].uid]


def test_jobs_that_are_over_are_not_deleted_early() -> None:
    situation = SITUATIONS["store refuses"].with_attempt().with_status(attempt=2)
    (job,) = (a for a in decide(situation, NOW).actions if isinstance(a, DeleteJob))
    assert job.uid == "job-2"


def test_a_job_whose_jobs_are_gone_can_still_run_out_of_time() -> None:
    situation = replace(SITUATIONS["running"], attempts=())
    decision = decide(situation, NOW)
    assert decision.status is not None
    assert decision.status.phase is Phase.FAILED
    assert not [a for a in decision.actions if isinstance(a, DeleteJob)]


def test_what_is_not_done_then_has_failed_and_all_sets_are_exact() -> None:
    late = a_videojob(4, activeDeadlineSeconds=100).running(ago=100)
    late = late.with_succeeded(0).with_index(1, exit_code=42)
    status = decide(stopped(late), NOW).status
    assert status is not None
    assert status.indexes is not None
    told = (status.indexes.succeeded, status.indexes.failed, status.indexes.rejected)
    assert told == ("0", "2-3", "1")
    assert status.input_counts is not None
    assert (status.input_counts.failed, status.input_counts.active) == (2, 0)
    unfinished = {i.name: (i.state, i.reason, i.message) for i in status.inputs}
    assert unfinished["in-3"] == ("Failed", "DeadlineExceeded", "not done within 100 s")
