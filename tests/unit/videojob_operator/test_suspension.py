"""Suspend: the workers stop, what is done stays done, and going on is a new attempt over the rest."""

from __future__ import annotations

from dataclasses import replace

from builders import NOW, Situation, a_time, a_videojob, seconds

from videojob_api import names
from videojob_api.status import Phase, RaisedMemory, VideoJobStatus
from videojob_operator.decide import decide
from videojob_operator.observed import CreateJob, Decision, DeleteJob, EmitEvent, Place
from videojob_operator.policies.admission import needs_job
from videojob_operator.policies.deadlines import deadline
from videojob_operator.policies.retries import wanted_memory
from videojob_operator.policies.suspension import stop_workers


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


def test_a_job_that_would_go_on_with_what_was_given_up_is_stopped_too() -> None:
    """Over for us, it makes pods for as long as nodes evict them."""
    situation = a_videojob(suspend=True).running()
    given_up = situation.with_newest(given_up=frozenset({0}), failed=frozenset({0}))
    at_work, stop = stop_workers(given_up)
    assert at_work
    assert [one.uid for one in stop] == [given_up.attempts[0].uid]
    assert stop[0].stays_for_pods, "the next one's workers would write beside its last"
    assert given_up.with_newest(deleted_at=NOW).stopping


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
    stopping = situation.written(decide(situation, NOW)).with_newest(deleted_at=NOW)
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


def test_memory_that_was_raised_stays_so_over_a_suspension() -> None:
    """The Jobs that knew of it are gone then."""
    starved = a_videojob(3, resources={"limits": {"memory": "1Gi"}}).running().with_succeeded(0)
    starved = starved.with_index(1, exit_code=45)
    raised = [RaisedMemory(indexes="1", memory="1536Mi")]
    status = decided(suspended(starved))[1]
    assert status.raised_memory == raised
    resting = replace(suspended(starved).with_status(**vars(status)), attempts=(), endings={})
    resting = resting.with_status(**vars(decided(resting)[1]))
    assert resting.status.raised_memory == raised
    on = suspended(resting, suspend=False).with_store()
    (create,) = (a for a in decide(on, NOW).actions if isinstance(a, CreateJob))
    assert create.manifest["metadata"]["annotations"][names.ANNOTATION_INDEXES] == "2"
    (container,) = create.manifest["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "1Gi"
    assert wanted_memory(on, 1) == 1536 * 2**20


def test_what_needs_no_more_memory_any_more_is_not_remembered() -> None:
    done = a_videojob(2).running().with_succeeded(0, 1)
    known = done.with_status(raised_memory=[RaisedMemory(indexes="1", memory="3Gi")])
    status = decide(known, NOW).status
    assert status is not None
    assert status.raised_memory == []


def test_the_cpu_stays_taken_over_a_suspension() -> None:
    told = {"requested": "Auto nvidia.com/gpu", "used": "CPU", "reason": "FallbackAfterWait"}
    resting = replace(
        a_videojob(suspend=True).running().with_status(phase=Phase.SUSPENDED, accelerator=told),
        attempts=(),
    )
    on = suspended(resting, suspend=False).with_store().with_nodes(**{"nvidia.com/gpu": 4})
    decision = decide(on, NOW)
    (create,) = (a for a in decision.actions if isinstance(a, CreateJob))
    (container,) = create.manifest["spec"]["template"]["spec"]["containers"]
    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    assert decision.status is not None
    assert decision.status.accelerator is not None
    assert decision.status.accelerator.reason == "FallbackAfterWait"


def test_the_deadline_counts_anew_though_others_go_first() -> None:
    late = suspended(a_videojob(activeDeadlineSeconds=100).running(ago=99))
    resting = replace(late.written(decide(late, NOW)), attempts=())
    later = NOW + seconds(1000)
    on = suspended(resting, suspend=False).with_settings(max_running=1)
    on = replace(on, place=Place(2))
    queued = on.written(decide(on, later))
    assert queued.status.phase is Phase.QUEUED
    assert deadline(queued) == later + seconds(100)
    assert decide(queued, later + seconds(1)).policy == "decide_queue"
