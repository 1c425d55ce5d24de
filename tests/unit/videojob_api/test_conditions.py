"""One table from phase to conditions; transition times that stay."""

from __future__ import annotations

import pytest

from videojob_api.conditions import ConditionType, build_conditions, merge_conditions
from videojob_api.status import Condition, Phase

T, F = "True", "False"
T0, T1 = "2026-03-01T12:00:00Z", "2026-03-01T12:05:00Z"


def statuses(
    phase: Phase, *, stalled: bool = False, scheduled: bool | None = None
) -> dict[str, str]:
    found = build_conditions(phase, "Because", "So it is.", scheduled=scheduled, stalled=stalled)
    return {str(type_): status for type_, (status, _, _) in found.items()}


@pytest.mark.parametrize(
    ("phase", "ready", "reconciling", "stalled"),
    [
        (Phase.PENDING, F, T, F),
        (Phase.RUNNING, F, T, F),
        (Phase.SUSPENDED, F, F, F),
        (Phase.CANCELLING, F, T, F),
        (Phase.SUCCEEDED, T, F, F),
        (Phase.FAILED, F, F, T),
        (Phase.REJECTED, F, F, T),
        (Phase.CANCELLED, F, F, T),
    ],
)
def test_kstatus_reads_every_phase_rightly(
    phase: Phase, ready: str, reconciling: str, stalled: str
) -> None:
    found = statuses(phase)
    assert (found["Ready"], found["Reconciling"], found["Stalled"]) == (ready, reconciling, stalled)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RUNNING])
def test_waiting_for_a_person_is_stalled_and_not_reconciling(phase: Phase) -> None:
    found = statuses(phase, stalled=True)
    assert (found["Ready"], found["Reconciling"], found["Stalled"]) == (F, F, T)


def test_a_job_that_succeeded_is_never_stalled() -> None:
    assert statuses(Phase.SUCCEEDED, stalled=True)["Stalled"] == F


@pytest.mark.parametrize("phase", [p for p in Phase if not p.is_terminal])
def test_complete_and_failed_appear_only_at_the_end(phase: Phase) -> None:
    assert not {"Complete", "Failed"} & set(statuses(phase))


@pytest.mark.parametrize(
    ("phase", "complete", "failed"),
    [
        (Phase.SUCCEEDED, T, F),
        (Phase.FAILED, F, T),
        (Phase.REJECTED, F, T),
        (Phase.CANCELLED, F, F),
    ],
)
def test_the_end_is_complete_or_failed_and_cancelled_is_neither(
    phase: Phase, complete: str, failed: str
) -> None:
    found = statuses(phase)
    assert (found["Complete"], found["Failed"]) == (complete, failed)


@pytest.mark.parametrize(("scheduled", "status"), [(True, T), (False, F), (None, None)])
def test_scheduled_is_said_only_when_it_is_known(
    scheduled: bool | None, status: str | None
) -> None:
    assert statuses(Phase.RUNNING, scheduled=scheduled).get("Scheduled") == status


def test_a_manifest_that_is_not_understood_is_not_accepted() -> None:
    found = build_conditions(
        Phase.FAILED, "InvalidSpec", "spec.steps: …", scheduled=None, stalled=False, accepted=False
    )
    assert found[ConditionType.ACCEPTED] == (F, "InvalidSpec", "spec.steps: …")


def test_the_sentence_stands_on_the_conditions_that_it_explains() -> None:
    found = build_conditions(
        Phase.PENDING, "StoreNotFound", "No store.", scheduled=None, stalled=True
    )
    assert found[ConditionType.STALLED] == (T, "StoreNotFound", "No store.")
    assert found[ConditionType.READY] == (F, "StoreNotFound", "No store.")
    assert found[ConditionType.RECONCILING][2] == ""


def test_transition_times_change_with_the_status_alone() -> None:
    running = build_conditions(Phase.RUNNING, "Running", "1", scheduled=True, stalled=False)
    first = merge_conditions([], running, generation=1, now=T0)
    assert {c.last_transition_time for c in first} == {T0}

    still = build_conditions(Phase.RUNNING, "Running", "2", scheduled=True, stalled=False)
    second = merge_conditions(first, still, generation=2, now=T1)
    assert {c.last_transition_time for c in second} == {T0}
    assert {c.observed_generation for c in second} == {2}

    done = build_conditions(Phase.SUCCEEDED, "Succeeded", "3", scheduled=True, stalled=False)
    times = {
        c.type: c.last_transition_time for c in merge_conditions(second, done, generation=2, now=T1)
    }
    assert times["Scheduled"] == times["Stalled"] == times["Accepted"] == T0
    assert times["Ready"] == times["Reconciling"] == times["Complete"] == times["Failed"] == T1


def test_each_condition_is_one_that_the_schema_takes() -> None:
    for phase in Phase:
        wanted = build_conditions(phase, "R", "m", scheduled=False, stalled=True)
        for condition in merge_conditions([], wanted, generation=1, now=T0):
            assert Condition.model_validate(condition.wire()) == condition
