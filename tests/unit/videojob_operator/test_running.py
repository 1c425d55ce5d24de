"""Running: said once, with where it runs."""

from __future__ import annotations

import pytest
from builders import NOW, a_report, a_videojob

from videojob_api.status import Phase
from videojob_operator.decide import decide
from videojob_operator.observed import EmitEvent
from videojob_operator.policies.running import describe_running


def test_without_a_job_nothing_runs() -> None:
    assert describe_running(a_videojob(), NOW) is None


@pytest.mark.parametrize(
    ("inputs", "accelerator", "message"),
    [
        (1, None, "Working on the input on the CPU."),
        (1, "nvidia.com/gpu", "Working on the input on nvidia.com/gpu."),
        (12, None, "Working on 12 inputs on the CPU."),
    ],
)
def test_the_start_is_told_once_with_where_it_runs(
    inputs: int, accelerator: str | None, message: str
) -> None:
    waiting = a_videojob(inputs).waiting_for_worker()
    begun = waiting.with_newest(active=1, ready=1, accelerator=accelerator)
    decision = decide(begun, NOW)
    assert decision.policy == "describe_running"
    assert decision.actions == (EmitEvent("Normal", "Running", message),)
    status = decision.status
    assert status is not None
    assert (status.phase, status.message) == (Phase.RUNNING, message)
    assert status.started_at == "2026-03-01T12:00:00Z"
    assert {c.type: c.status for c in status.conditions}["Scheduled"] == "True"

    again = decide(begun.written(decision), NOW)
    assert (again.actions, again.status) == ((), None)


def test_the_first_start_stays_the_start() -> None:
    situation = a_videojob().running(ago=500).with_progress({0: a_report(40)})
    decision = describe_running(situation, NOW)
    assert decision is not None
    assert decision.status is not None
    assert decision.status.started_at == "2026-03-01T11:51:40Z"


def test_the_deadline_wakes_it_at_the_latest() -> None:
    decision = describe_running(a_videojob(activeDeadlineSeconds=100).running(ago=30), NOW)
    assert decision is not None
    assert decision.requeue_seconds == 70
