"""Runs: another runToken begins everything anew; the same one changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import NOW, UID, Situation, a_result, a_videojob

from videojob_api import names
from videojob_api.status import Phase, Usage, VideoJobStatus
from videojob_operator.decide import decide
from videojob_operator.observed import CreateJob, Decision, DeleteJob, EmitEvent
from videojob_operator.policies.admission import needs_job

RUN_2 = names.run_id(UID, 2)


def again(situation: Situation, token: str = "2") -> Situation:  # noqa: S107 (no secret)
    """Another `runToken` was applied."""
    assert situation.spec is not None
    return replace(situation, spec=situation.spec.model_copy(update={"run_token": token}))


def ended(phase: Phase = Phase.SUCCEEDED) -> Situation:
    situation = a_videojob(2).running().with_succeeded(0, 1)
    situation = situation.written(decide(situation, NOW))
    return situation.with_status(phase=phase)


def decided(situation: Situation) -> tuple[Decision, VideoJobStatus]:
    decision = decide(situation, NOW)
    assert decision.policy == "decide_rerun"
    assert decision.status is not None
    return decision, decision.status


@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.PENDING])
def test_the_status_begins_anew_from_every_phase(phase: Phase) -> None:
    decision, status = decided(again(ended(phase)))
    assert (status.phase, status.run_id, status.observed_run_token) == (Phase.PENDING, RUN_2, "2")
    assert (status.attempt, status.outputs, status.finished_at) == (None, [], None)
    assert status.indexes is not None
    assert status.indexes.succeeded == ""
    assert {c.status for c in status.conditions if c.type in ("Complete", "Ready")} == {"False"}
    (delete, event) = decision.actions
    assert isinstance(delete, DeleteJob)
    assert event == EmitEvent("Normal", "RunAgain", "Accepted to run again; this is run 2.")
    assert decision.requeue_seconds == 0


def test_what_the_run_before_has_cost_is_not_this_ones() -> None:
    at_work = a_videojob(2).running().with_status(run_id=names.run_id(UID, 1))
    situation = replace(at_work, usage=Usage(cpu_seconds=100))
    assert decided(again(situation))[1].usage is None


def test_the_same_token_changes_nothing() -> None:
    situation = again(ended())
    situation = situation.written(decide(situation, NOW))
    first = decide(replace(situation, attempts=()).with_store(), NOW)
    assert first.policy == "decide_admit"


@pytest.mark.parametrize("token", ["1", ""])
def test_any_other_token_will_do_none_at_all_too(token: str) -> None:
    situation = ended().with_status(observed_run_token="2")
    assert decided(again(situation, token))[1].observed_run_token == (token or None)


def test_a_first_run_is_no_rerun() -> None:
    status = decide(again(a_videojob().with_store(), "first"), NOW).status
    assert status is not None
    assert (status.run_id, status.observed_run_token) == (names.run_id(UID, 1), "first")


def test_a_token_that_changes_before_the_first_status_is_written_begins_a_new_run() -> None:
    """The Job that was made with the old one must not pass for the new run's."""
    made = a_videojob(runToken="2").with_attempt(run_token="1")
    first = decided(made)
    assert first[0].actions == ()
    assert (first[1].run_id, first[1].attempt) == (names.run_id(UID, 1), 1)
    decision, status = decided(made.written(first[0]))
    assert (status.run_id, status.observed_run_token) == (RUN_2, "2")
    assert DeleteJob.of(made.attempts[0]) in decision.actions


@pytest.mark.parametrize("noted", ["1", None])
def test_a_wish_before_the_first_status_is_written_makes_no_second_run(noted: str | None) -> None:
    """None where an earlier version of the operator made the Job."""
    made = a_videojob(runToken="1", suspend=True).with_attempt(run_token=noted)
    written = made.written(decide(made, NOW))
    assert written.status.observed_run_token == "1"
    assert decide(written, NOW).policy == "decide_suspend"


def test_the_new_run_has_names_of_its_own_and_counts_attempts_from_one() -> None:
    situation = again(ended())
    fresh = replace(situation.written(decide(situation, NOW)), attempts=(), results={})
    (create,) = decide(fresh.with_store(), NOW).actions
    assert isinstance(create, CreateJob)
    meta = create.manifest["metadata"]
    assert (meta["labels"][names.LABEL_RUN], meta["labels"][names.LABEL_ATTEMPT]) == (RUN_2, "1")
    assert meta["name"] != ended().attempts[0].name
    assert meta["annotations"][names.ANNOTATION_INDEXES] == "0-1"


def test_the_workers_of_the_run_before_stop_before_the_next_ones_start() -> None:
    running = a_videojob().running()
    running = running.written(decide(running, NOW))
    situation = again(running)
    decision, _ = decided(situation)
    (job,) = situation.attempts
    assert DeleteJob(job.name, job.uid, stays_for_pods=True) in decision.actions
    stopping = replace(job, deleted_at=NOW)
    begun = replace(situation.written(decision), attempts=(), earlier=(stopping,))
    waits = decide(begun.with_store(), NOW)
    assert (waits.policy, waits.actions) == ("decide_clear", ())
    assert not needs_job(begun), "the store need not be asked yet"
    assert decide(replace(begun, earlier=()).with_store(), NOW).policy == "decide_admit"


def test_a_job_of_the_run_before_that_nobody_deleted_is_stopped() -> None:
    situation = again(ended())
    fresh = situation.written(decide(situation, NOW))
    late = replace(fresh, earlier=(replace(fresh.attempts[0], ended_at=None),), attempts=())
    (delete,) = decide(late.with_store(), NOW).actions
    assert isinstance(delete, DeleteJob)


def test_one_on_its_way_out_is_not_run_again() -> None:
    assert decide(replace(again(ended()), deleting=True), NOW).policy == "decide_finished"


def test_what_the_last_run_said_is_not_said_of_the_next() -> None:
    situation = replace(again(ended()), results={0: a_result(0, outputs=9)})
    status = decided(situation)[1]
    assert (status.output_count, status.usage) == (0, None)
