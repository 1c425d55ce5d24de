"""Suspend: the workers stop, what is done stays done, and going on is a new attempt over the rest."""

from __future__ import annotations

from dataclasses import replace

from builders import NOW, Situation, a_time, a_videojob, seconds

from videojob_api import names
from videojob_api.status import Phase, VideoJobStatus
from videojob_operator.decide import decide
from videojob_operator.observed import CreateJob, Decision, DeleteJob, EmitEvent
from videojob_operator.policies.admission import needs_job
from videojob_operator.policies.deadlines import deadline


def decided(situation: Situation) -> tuple[Decision, VideoJobStatus]:
    decision = decide(situation, NOW)
    assert decision.policy == "decide_suspend"
    assert decision.status is not None
    return decision, decision.status


def suspended(situation: Situation, suspend: bool = True) -> Situation:
    """`suspend` was applied."""
    assert situation.spec is not None
    return replace(situation, spec=situation.spec.model_copy(update={"suspend": suspend}))


def at_rest() -> Situation:
    """Of three inputs one is done; the workers of the others have stopped."""
    situation = suspended(a_videojob(3).running(ago=600).with_succeeded(0))
    gone = replace(situation.written(decide(situation, NOW)), attempts=())
    return gone.written(decide(gone, NOW))


def test_workers_are_stopped_and_the_phase_says_so_at_once() -> None:
    situation = suspended(a_videojob(3).running().with_succeeded(0))
    decision, status = decided(situation)
    (job,) = situation.attempts
    assert decision.actions[0] == DeleteJob(job.name, job.uid, stays_for_pods=True)
    assert isinstance(decision.actions[1], EmitEvent)
    assert status.phase is Phase.SUSPENDED
    assert status.message == (
        "Suspended; its workers are stopping. With suspend: false it goes on."
    )


def test_at_rest_it_says_how_much_is_done_and_asks_for_nothing() -> None:
    situation = at_rest()
    assert situation.status.message == (
        "Suspended; 1 of 3 inputs are done. With suspend: false it goes on."
    )
    again = decide(situation, NOW + seconds(10**6))
    assert (again.actions, again.status, again.requeue_seconds) == ((), None, None)
    assert not needs_job(situation)


def test_one_applied_suspended_is_accepted_and_waits() -> None:
    decision, status = decided(a_videojob(suspend=True))
    assert (status.phase, status.attempt) == (Phase.SUSPENDED, None)
    assert status.accepted_at is not None
    assert not [a for a in decision.actions if isinstance(a, CreateJob)]


def test_going_on_is_a_new_attempt_over_what_is_left() -> None:
    decision = decide(suspended(at_rest(), suspend=False).with_store(), NOW)
    (create,) = decision.actions
    assert isinstance(create, CreateJob)
    assert create.manifest["metadata"]["annotations"][names.ANNOTATION_INDEXES] == "1-2"
    assert create.manifest["metadata"]["labels"][names.LABEL_ATTEMPT] == "2"
    status = decision.status
    assert status is not None
    assert (status.phase, status.resumed_at) == (Phase.PENDING, a_time())
    assert status.indexes is not None
    assert status.indexes.succeeded == "0"


def test_going_on_waits_until_the_last_workers_have_stopped() -> None:
    """The next ones write to the same keys."""
    situation = suspended(a_videojob().running())
    stopping = situation.written(decide(situation, NOW)).with_newest(deleted=True)
    decision = decide(suspended(stopping, suspend=False), NOW)
    assert (decision.policy, decision.actions) == ("decide_clear", ())
    assert decision.status is not None
    assert decision.status.phase is Phase.PENDING
    assert not needs_job(stopping)


def test_the_deadline_does_not_come_while_it_is_suspended_and_counts_anew_after() -> None:
    late = suspended(a_videojob(activeDeadlineSeconds=100).running(ago=99))
    resting = replace(late.written(decide(late, NOW)), attempts=())
    assert decide(resting, NOW + seconds(1000)).policy == "decide_suspend"
    later = NOW + seconds(1000)
    on = suspended(resting, suspend=False).with_store()
    on = on.written(decide(on, later))
    assert deadline(on) == later + seconds(100)


def test_what_has_ended_is_not_suspended() -> None:
    assert decide(suspended(a_videojob().running().with_succeeded(0)), NOW).policy == (
        "decide_outcome"
    )


def test_percent_stays_while_it_is_suspended() -> None:
    situation = a_videojob().running().with_status(progress={"percent": 40})
    assert decided(suspended(situation))[1].progress == situation.status.progress
