"""When an attempt is over: the verdict on the job, or the wait before the next attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import NOW, Situation, a_report, a_videojob, seconds

from videojob_api.status import InputState, Phase, VideoJobStatus
from videojob_operator.decide import decide
from videojob_operator.observed import Decision, DeleteJob, EmitEvent
from videojob_operator.policies.outcomes import decide_outcome
from videojob_operator.verdicts import judge

S, F, R = Phase.SUCCEEDED, Phase.FAILED, Phase.REJECTED


def decided(situation: Situation) -> tuple[Decision, VideoJobStatus]:
    decision = decide(situation, NOW)
    assert decision.policy == "decide_outcome"
    assert decision.status is not None
    return decision, decision.status


def ended(*codes: int, **spec: object) -> Situation:
    """One input for each exit code; 0 is done."""
    situation = a_videojob(len(codes), **spec).running()
    for index, code in enumerate(codes):
        done = code == 0
        situation = (
            situation.with_succeeded(index) if done else situation.with_index(index, exit_code=code)
        )
    return situation


@pytest.mark.parametrize(
    ("codes", "allowed", "phase", "reason", "retryable"),
    [
        ((0,), 0, S, "Succeeded", None),
        ((0, 0, 0), 0, S, "Succeeded", None),
        ((42,), 0, R, "Truncated", False),
        ((42, 42), 0, R, "Truncated", False),
        ((0, 42), 0, F, "Truncated", False),
        ((42, 47), 0, F, "OutputUnverified", True),
        ((0, 42), 1, S, "SucceededWithBadInputs", None),
        ((0, 42, 47), 1, F, "OutputUnverified", True),
        ((0, 42, 47), 2, S, "SucceededWithBadInputs", None),
        ((42, 42), 2, S, "SucceededWithBadInputs", None),
        ((43,), 0, F, "NotDoable", False),
        ((46,), 0, F, "ScratchFull", True),
        ((47,), 0, F, "OutputUnverified", True),
        ((1,), 0, F, "WorkerCrashed", True),
    ],
)
def test_a_mix_of_ends_has_one_phase(
    codes: tuple[int, ...], allowed: int, phase: Phase, reason: str, retryable: bool | None
) -> None:
    decision, status = decided(ended(*codes, maxFailedInputs=allowed))
    assert status.phase is phase
    ready = next(c for c in status.conditions if c.type == "Ready")
    assert ready.reason == reason
    assert (status.failure.retryable if status.failure else None) is retryable
    kind = "Normal" if phase is S else "Warning"
    assert decision.actions == (EmitEvent(kind, phase, status.message or ""),)
    assert decision.requeue_seconds == 3600


def test_siblings_of_a_bad_input_finish_first() -> None:
    situation = a_videojob(3).running().with_index(1, exit_code=42).with_succeeded(0)
    assert decide_outcome(situation, NOW) is None


def test_one_bad_input_among_three_leaves_the_results_of_the_others() -> None:
    _, status = decided(ended(0, 42, 0))
    assert status.phase is F
    assert status.message == (
        "2 of 3 inputs succeeded, 1 rejected, 0 failed. in-1: the file ends before its index says"
    )
    assert [o.input for o in status.outputs] == ["in-0", "in-2"]
    assert status.indexes is not None
    assert (status.indexes.succeeded, status.indexes.rejected) == ("0,2", "1")
    states = {i.name: i.state for i in status.inputs}
    assert states["in-1"] is InputState.REJECTED
    assert status.failure is not None
    assert (status.failure.reason, status.failure.exit_code) == ("Truncated", 42)


def test_a_single_input_gets_its_own_sentence() -> None:
    assert decided(ended(42))[1].message == "the file ends before its index says"
    assert decided(ended(0))[1].message == "Done: all outputs are published."
    assert decided(ended(0, 0))[1].message == "Done: 2 of 2 inputs succeeded."
    assert (decided(ended(0, 42))[1].message or "").endswith(
        "in-1: the file ends before its index says"
    )


def test_the_last_words_of_a_crashed_worker_outlive_its_pod() -> None:
    situation = a_videojob().running().with_index(0, exit_code=1, message="x" * 5000 + "Segfault")
    failure = decided(situation)[1].failure
    assert failure is not None
    assert (failure.log_tail or "").endswith("xSegfault")
    assert len(failure.log_tail or "") == 2048


def test_a_failure_is_written_while_siblings_go_on_and_outlives_pods_and_operators() -> None:
    situation = a_videojob(2).running().with_index(1, exit_code=1, message="x\nSegfault")
    running = decide(situation, NOW)
    assert running.status is not None
    told = running.status.failure
    assert told is not None
    assert (running.status.phase, told.exit_code, told.retryable) == (Phase.RUNNING, 1, True)
    after_a_restart = replace(situation.written(running), results={}, endings={})
    status = decided(after_a_restart.with_succeeded(0))[1]
    assert (status.phase, status.failure) == (F, told)


def test_a_failure_stays_when_the_rest_is_cancelled() -> None:
    running = a_videojob(2).running().with_index(1, exit_code=1, message="Segfault")
    told = running.written(decide(running, NOW))
    cancelled = replace(a_videojob(2, cancel=True), status=told.status, results={}, endings={})
    status = decide(cancelled, NOW).status
    assert status is not None
    assert (status.phase, status.failure) == (Phase.CANCELLED, told.status.failure)
    assert status.failure is not None


def test_an_input_that_may_fail_is_no_failure_yet() -> None:
    situation = a_videojob(3, maxFailedInputs=1).running().with_index(1, exit_code=1)
    running = decide(situation, NOW)
    assert running.status is not None
    assert running.status.failure is None
    running = decide(situation.with_index(0, exit_code=1), NOW)
    assert running.status is not None
    assert running.status.failure is not None


def test_the_end_is_at_a_time() -> None:
    status = decided(ended(0))[1]
    assert status.finished_at == "2026-03-01T12:00:00Z"
    assert status.progress is not None
    assert status.progress.percent == 100


@pytest.mark.parametrize("siblings", [(), (0, 42)])
def test_out_of_memory_is_tried_again_at_once_and_siblings_keep_their_ends(
    siblings: tuple[int, ...],
) -> None:
    situation = ended(*siblings, 45).with_store()
    assert decide_outcome(situation, NOW) is None
    assert decide(situation, NOW).policy == "decide_admit"


def test_a_verdict_stands_though_its_job_is_being_deleted_and_it_could_not_be_written() -> None:
    """The write that was to follow the deletion met a newer VideoJob."""
    situation = (
        a_videojob().running().with_index(0, exit_code=None, reason="Evicted", message="low")
    )
    given_up = situation.with_newest(given_up=frozenset({0}), ended_at=None, deleted_at=NOW)
    decision, status = decided(given_up)
    assert (status.phase, status.failure and status.failure.reason) == (Phase.FAILED, "Evicted")
    assert not any(isinstance(action, DeleteJob) for action in decision.actions)
    stopped = situation.with_newest(ended_at=None, deleted_at=NOW)
    assert judge(stopped).failed == frozenset(), "its workers were made to fail"


def test_a_job_that_would_go_on_for_ever_is_stopped_with_the_verdict() -> None:
    situation = (
        a_videojob().running().with_index(0, exit_code=None, reason="Evicted", message="low")
    )
    situation = situation.with_newest(given_up=frozenset({0}), ended_at=None)
    decision, status = decided(situation)
    (job,) = situation.attempts
    assert decision.actions[0] == DeleteJob(job.name, job.uid, stays_for_pods=True)
    assert (status.phase, status.failure and status.failure.reason) == (F, "Evicted")


def test_a_killed_worker_is_made_good_at_once_and_nothing_is_said_of_an_end() -> None:
    situation = ended(137).with_store()
    assert decide_outcome(situation, NOW) is None
    assert decide(situation, NOW).policy == "decide_admit"


def test_the_fifth_kill_is_made_good_and_the_sixth_is_the_end() -> None:
    fifth = a_videojob().running().with_newest(kills=4).with_index(0, exit_code=137)
    assert decide_outcome(fifth, NOW) is None
    sixth = a_videojob().running().with_newest(kills=5).with_index(0, exit_code=137)
    assert decided(sixth)[1].phase is F


@pytest.mark.parametrize(
    ("waits", "wait"),
    [(0, 5), (1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 300), (7, 300), (2000, 300)],
)
def test_a_refusing_store_is_asked_ever_more_slowly(waits: int, wait: float) -> None:
    situation = a_videojob().running().with_newest(waits=waits).with_index(0, exit_code=44)
    decision, status = decided(situation)
    assert decision.requeue_seconds == wait
    assert decision.actions == ()
    assert status.phase is Phase.PENDING
    conditions = {c.type: c for c in status.conditions}
    assert conditions["Stalled"].status == "True"
    assert conditions["Stalled"].reason == "StorageRefused"
    assert (status.message or "").startswith("bucket 'films' does not exist. Asked again at 2026-")
    assert "Given up at" in (status.message or "")

    before = decide_outcome(situation, NOW + seconds(wait - 1))
    assert before is not None
    assert before.requeue_seconds == 1
    assert decide_outcome(situation, NOW + seconds(wait)) is None


def test_the_wait_is_said_once() -> None:
    situation = ended(44)
    after = situation.written(decide(situation, NOW))
    again = decide(after, NOW + seconds(1))
    assert again.status is None
    assert again.requeue_seconds == 4


def test_the_wait_for_a_store_ends_with_the_deadline() -> None:
    situation = a_videojob(activeDeadlineSeconds=100).running(ago=60)
    situation = situation.with_newest(waits=9).with_index(0, exit_code=44)
    assert decided(situation)[0].requeue_seconds == 40


def test_an_api_server_whose_clock_is_ahead_only_delays() -> None:
    situation = a_videojob().running().with_newest(ended_at=NOW + seconds(3))
    decision, status = decided(situation.with_index(0, exit_code=44))
    assert decision.requeue_seconds == 5 + 3
    assert "bucket 'films'" in (status.message or "")


@pytest.mark.parametrize("exit_code", [45, 137])
def test_what_is_made_good_at_once_waits_for_no_clock(exit_code: int) -> None:
    situation = a_videojob().running().with_newest(ended_at=NOW + seconds(300))
    situation = situation.with_index(0, exit_code=exit_code).with_store()
    assert decide(situation, NOW).policy == "decide_admit"


def test_a_kill_beside_a_refusal_waits_with_it_and_the_store_is_named() -> None:
    decision, status = decided(ended(137, 44))
    assert decision.requeue_seconds == 5
    assert "bucket 'films'" in (status.message or "")


def test_a_refusing_store_is_asked_slowly_where_an_attempt_had_some_of_the_inputs_alone() -> None:
    """One ran out of memory and waits for its turn: the others were tried first."""
    situation = ended(45, 44).with_attempt(indexes=(1,), waits=1).with_index(1, exit_code=44)
    assert decided(situation)[0].requeue_seconds == 10
    assert decide(situation.with_store(), NOW + seconds(10)).policy == "decide_admit"


def test_everything_recorded_ends_though_all_jobs_are_gone() -> None:
    situation = replace(a_videojob(2).running(), attempts=())
    situation = situation.with_status(indexes={"succeeded": "0-1", "failed": "", "rejected": ""})
    assert decided(situation)[1].phase is S


@pytest.mark.parametrize(
    ("exit_code", "reason"), [(137, "WorkerCrashed"), (45, "OutOfMemory"), (44, "StorageRefused")]
)
def test_an_input_that_is_tried_again_after_its_siblings_says_why(
    exit_code: int, reason: str
) -> None:
    situation = a_videojob(2).running().with_index(0, exit_code=exit_code)
    situation = situation.with_newest(ended_at=None).with_progress({1: a_report(10)})
    decision = decide(situation, NOW)
    assert decision.status is not None
    running, waiting = decision.status.inputs
    assert running.state is InputState.RUNNING
    assert (waiting.state, waiting.reason, waiting.attempts) == (InputState.PENDING, reason, 1)
    assert waiting.message
