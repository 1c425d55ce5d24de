"""A manifest that is not understood ends at once, with the sentence."""

from __future__ import annotations

from dataclasses import replace

from builders import NOW, Situation, a_videojob

from videojob_api.status import Phase
from videojob_operator.decide import decide
from videojob_operator.observed import EmitEvent
from videojob_operator.policies.acceptance import decide_accept


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


def test_it_is_said_once() -> None:
    situation = not_understood()
    after = situation.written(decide(situation, NOW))
    decision = decide(after, NOW)
    assert (decision.actions, decision.status) == ((), None)


def test_a_very_long_sentence_is_cut_and_still_written() -> None:
    decision = decide(replace(not_understood(), invalid="x" * 9000), NOW)
    assert decision.status is not None
    assert len(decision.status.message or "") == 1024
