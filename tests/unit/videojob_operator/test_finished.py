"""After the end: nothing is made any more, children go after a while."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import NOW, Situation, a_time, a_videojob

from videojob_api.status import Phase
from videojob_operator.decide import decide
from videojob_operator.observed import Decision, DeleteJob
from videojob_operator.policies.finished import decide_finished

ENDS = [Phase.SUCCEEDED, Phase.FAILED, Phase.REJECTED]


def ended(phase: Phase = Phase.SUCCEEDED, *, ago: float = 0) -> Situation:
    situation = a_videojob().running().with_succeeded(0)
    return situation.with_status(phase=phase, finished_at=a_time(ago))


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RUNNING])
def test_what_has_not_ended_is_for_others_to_say(phase: Phase) -> None:
    assert decide_finished(a_videojob().running().with_status(phase=phase), NOW) is None


@pytest.mark.parametrize("phase", ENDS)
def test_children_are_kept_for_a_look(phase: Phase) -> None:
    assert decide_finished(ended(phase, ago=600), NOW) == Decision(requeue_seconds=3000)


@pytest.mark.parametrize("phase", ENDS)
@pytest.mark.parametrize("ago", [3600, 90000])
def test_children_go_when_they_have_been_kept(phase: Phase, ago: float) -> None:
    job = ended(phase).attempts[0]
    assert decide_finished(ended(phase, ago=ago), NOW) == Decision(
        actions=(DeleteJob(job.name, job.uid),)
    )


def test_a_worker_that_is_found_after_a_cancellation_is_stopped_at_once() -> None:
    """The operator before had made its Job, and ended before it could say so."""
    found = ended(Phase.CANCELLED, ago=5).with_attempt()
    (late,) = found.attempts[1:]
    assert decide_finished(found, NOW) == Decision(
        actions=(DeleteJob.of(late),), requeue_seconds=3595
    )
    assert decide_finished(found.with_newest(deleted_at=NOW), NOW) == Decision(requeue_seconds=3595)


def test_so_is_one_that_is_found_after_the_deadline() -> None:
    late = a_videojob(activeDeadlineSeconds=10).running(ago=100)
    over = replace(late, attempts=()).written(decide(replace(late, attempts=()), NOW))
    found = replace(over, attempts=late.attempts)
    decision = decide_finished(found, NOW)
    assert decision is not None
    assert decision.actions == (DeleteJob.of(late.attempts[0]),)


def test_every_attempt_goes_except_those_on_their_way() -> None:
    situation = ended(ago=4000).with_newest(deleted_at=NOW).with_attempt()
    decision = decide_finished(situation, NOW)
    assert decision is not None
    assert [a.uid for a in decision.actions if isinstance(a, DeleteJob)] == ["job-2"]


def test_without_children_there_is_nothing_to_come_back_for() -> None:
    assert decide_finished(replace(ended(), attempts=()), NOW) == Decision()


@pytest.mark.parametrize("phase", ENDS)
def test_an_end_is_sticky_whatever_is_found_later(phase: Phase) -> None:
    situation = replace(ended(phase, ago=5), attempts=(), results={}).with_store()
    decision = decide(situation, NOW)
    assert (decision.actions, decision.status) == ((), None)
    assert decision.policy == "decide_finished"


@pytest.mark.parametrize("phase", ENDS)
@pytest.mark.parametrize("ago", [5, 4000])
def test_an_edit_after_the_end_is_seen_and_changes_nothing(phase: Phase, ago: float) -> None:
    before = decide(a_videojob().running().with_succeeded(0), NOW).status
    assert before is not None
    situation = replace(ended(), status=before).with_status(phase=phase, finished_at=a_time(ago))
    edited = replace(situation, generation=2)
    decision = decide(edited, NOW)
    assert decision.status is not None
    assert decision.status.observed_generation == 2
    assert {c.observed_generation for c in decision.status.conditions} == {2}
    conditions = [
        c.model_copy(update={"observed_generation": 1}) for c in decision.status.conditions
    ]
    back = {"observed_generation": 1, "conditions": conditions}
    assert decision.status.model_copy(update=back) == situation.status
    unedited = decide(situation, NOW)
    assert (decision.actions, decision.requeue_seconds) == (
        unedited.actions,
        unedited.requeue_seconds,
    )
    assert decide(edited.written(decision), NOW).status is None


def test_what_is_being_deleted_is_left_to_the_owner_references() -> None:
    situation = replace(a_videojob().with_store(), deleting=True)
    assert decide(situation, NOW) == Decision(policy="decide_finished")
