"""Cancel: the workers stop, the run ends Cancelled, and nothing brings it back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import NOW, Situation, a_result, a_videojob

from videojob_api.status import InputState, Phase, VideoJobStatus
from videojob_operator.attempt import Ending
from videojob_operator.decide import decide
from videojob_operator.observed import Decision, DeleteJob, EmitEvent


def decided(situation: Situation) -> tuple[Decision, VideoJobStatus]:
    decision = decide(situation, NOW)
    assert decision.policy == "decide_cancel"
    assert decision.status is not None
    return decision, decision.status


def cancelled(situation: Situation) -> Situation:
    """`cancel: true` was applied."""
    assert situation.spec is not None
    return replace(situation, spec=situation.spec.model_copy(update={"cancel": True}))


def test_workers_are_stopped_first() -> None:
    situation = cancelled(a_videojob(3).running().with_succeeded(0))
    decision, status = decided(situation)
    (job,) = situation.attempts
    assert decision.actions == (DeleteJob(job.name, job.uid, stays_for_pods=True),)
    assert status.phase is Phase.CANCELLING
    assert status.finished_at is None


def test_while_they_stop_nobody_is_told_twice() -> None:
    situation = cancelled(a_videojob().running())
    stopping = situation.written(decide(situation, NOW)).with_newest(deleted_at=NOW)
    assert decide(stopping, NOW).actions == ()
    assert decide(stopping, NOW).status is None


def test_it_ends_once_they_have_stopped() -> None:
    situation = cancelled(a_videojob(3).running().with_succeeded(0))
    gone = replace(situation.written(decide(situation, NOW)), attempts=())
    decision, status = decided(gone)
    assert status.phase is Phase.CANCELLED
    assert status.message == "Cancelled; 1 of 3 inputs had succeeded."
    assert decision.actions == (EmitEvent("Normal", "Cancelled", status.message),)
    assert status.failure is None
    assert [i.state for i in status.inputs] == [
        InputState.SUCCEEDED,
        InputState.CANCELLED,
        InputState.CANCELLED,
    ]
    assert status.finished_at is not None


@pytest.mark.parametrize(
    "situation",
    [a_videojob(), a_videojob().with_store(), a_videojob().at_phase(Phase.SUSPENDED, attempt=1)],
    ids=["new", "store known", "suspended"],
)
def test_what_has_not_started_ends_at_once(situation: Situation) -> None:
    decision, status = decided(cancelled(situation))
    assert status.phase is Phase.CANCELLED
    assert all(isinstance(action, EmitEvent) for action in decision.actions)


def test_a_wait_for_the_store_ends_at_once() -> None:
    situation = cancelled(a_videojob().running().with_index(0, exit_code=44))
    assert decided(situation)[1].phase is Phase.CANCELLED


def test_taken_back_too_late_it_is_cancelled_all_the_same() -> None:
    situation = a_videojob().running().with_status(phase=Phase.CANCELLING)
    assert decided(situation)[1].phase is Phase.CANCELLING
    assert decided(replace(situation, attempts=()))[1].phase is Phase.CANCELLED


def test_what_is_published_while_the_workers_stop_counts() -> None:
    situation = cancelled(a_videojob(2).running())
    stopping = situation.written(decide(situation, NOW)).with_newest(deleted_at=NOW)
    gone = replace(stopping, attempts=(), endings={1: Ending(0)}, results={1: a_result(1)})
    status = decided(gone)[1]
    assert status.message == "Cancelled; 1 of 2 inputs had succeeded."
    assert status.output_count == 1


def test_what_has_ended_by_itself_ends_as_what_it_is() -> None:
    assert (
        decide(cancelled(a_videojob().running().with_succeeded(0)), NOW).policy == "decide_outcome"
    )
    over = a_videojob().at_phase(Phase.SUCCEEDED)
    assert decide(cancelled(over), NOW).policy == "decide_finished"
