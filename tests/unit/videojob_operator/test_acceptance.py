"""A manifest that is not understood ends at once, with the sentence."""

from __future__ import annotations

from dataclasses import replace

from builders import NOW, Situation, a_videojob, seconds

from videojob_api.status import Phase
from videojob_operator.decide import decide
from videojob_operator.observed import DeleteJob, EmitEvent
from videojob_operator.policies.acceptance import decide_accept, explain_refusal


def not_understood() -> Situation:
    return replace(a_videojob(), spec=None, invalid="spec.steps.0.dub: Extra inputs")


def test_what_is_understood_goes_on() -> None:
    assert decide_accept(a_videojob(), NOW) is None


def test_what_is_not_understood_fails_with_the_sentence() -> None:
    decision = decide_accept(not_understood(), NOW)
    assert decision is not None
    assert decision.status is not None
    status = decision.status
    assert status.phase is Phase.FAILED
    assert status.message == "The manifest is not understood: spec.steps.0.dub: Extra inputs"
    assert status.failure is not None
    assert (status.failure.reason, status.failure.retryable) == ("InvalidSpec", False)
    accepted = next(c for c in status.conditions if c.type == "Accepted")
    assert (accepted.status, accepted.reason) == ("False", "InvalidSpec")
    assert decision.actions == (EmitEvent("Warning", "InvalidSpec", status.message),)
    assert decision.requeue_seconds is None


def test_workers_of_a_refused_job_are_stopped() -> None:
    running = replace(a_videojob().running(), spec=None, invalid="no")
    (job,) = running.attempts
    assert decide(running, NOW).actions[0] == DeleteJob(job.name, job.uid, stays_for_pods=True)
    over = running.with_newest(ended_at=NOW)
    assert [type(a) for a in decide(over, NOW).actions] == [EmitEvent]
    given_up = running.with_newest(given_up=frozenset({0}), failed=frozenset({0}))
    assert isinstance(decide(given_up, NOW).actions[0], DeleteJob), "Kubernetes goes on with it"


def test_a_refusal_for_now_is_said_again_only_as_progress() -> None:
    situation = a_videojob()
    first = explain_refusal(situation, NOW, "used: 5", is_final=False)
    assert (first.policy, first.requeue_seconds) == ("explain_refusal", 30)
    after = situation.written(first)
    assert explain_refusal(after, NOW, "used: 5", is_final=False).status is None
    assert explain_refusal(after, NOW, "used: 6", is_final=False).status is None
    later = explain_refusal(after, NOW + seconds(30), "used: 6", is_final=False)
    assert later.status is not None
    assert not later.is_news


def test_it_is_said_once() -> None:
    situation = not_understood()
    after = situation.written(decide(situation, NOW))
    decision = decide(after, NOW)
    assert (decision.actions, decision.status) == ((), None)


def test_a_very_long_sentence_is_cut_and_still_written() -> None:
    decision = decide(replace(not_understood(), invalid="x" * 9000), NOW)
    assert decision.status is not None
    assert len(decision.status.message or "") == 1024


def test_what_was_done_before_it_was_not_understood_stays_told() -> None:
    running = a_videojob(3).running().with_succeeded(0)
    running = running.written(decide(running, NOW))
    status = decide(replace(running, spec=None, invalid="no", attempts=()), NOW).status
    assert status is not None
    assert (status.inputs, status.outputs) == (running.status.inputs, running.status.outputs)
    assert status.input_counts is not None
    assert (status.input_counts.total, status.input_counts.succeeded) == (3, 1)
