"""When a status is written: news at once, progress now and then, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
from builders import NOW, Situation, a_report, a_time, a_videojob, seconds

from videojob_api.status import Phase, VideoJobStatus
from videojob_operator.decide import decide
from videojob_operator.observed import Decision, DeleteJob
from videojob_operator.policies.throttle import decide_write


def a_status(percent: int = 10, *, ago: float = 0, **changes: Any) -> VideoJobStatus:
    return VideoJobStatus.model_validate(
        {
            "phase": Phase.RUNNING,
            "message": "Working.",
            "accepted_at": a_time(600),
            "progress": {"percent": percent, "updated_at": a_time(ago)},
            **changes,
        }
    )


def written(before: VideoJobStatus, after: VideoJobStatus, **decision: Any) -> Decision:
    return decide_write(before, Decision(status=after, **decision), NOW)


@pytest.mark.parametrize(
    ("moved", "ago", "is_written", "requeue"),
    [
        (0, 999, False, None),
        (1, 4, False, 26),
        (4, 29, False, 1),
        (4, 30, True, None),
        (5, 4, False, 1),
        (5, 5, True, None),
        (60, 0, False, 5),
        (60, 6, True, None),
        (1, -300, True, None),  # the clock was set back
    ],
)
def test_progress_is_written_after_5_seconds_by_5_percent_or_after_30_seconds(
    moved: int, ago: float, is_written: bool, requeue: float | None
) -> None:
    decision = written(a_status(10, ago=ago), a_status(10 + moved))
    assert (decision.status is not None) is is_written
    assert decision.requeue_seconds == requeue


def test_the_same_is_never_written_twice() -> None:
    assert written(a_status(ago=999), a_status(ago=0)).status is None


@pytest.mark.parametrize(
    "news",
    [
        {"phase": Phase.SUCCEEDED},
        {"phase": Phase.FAILED},
        {"attempt": 2},
        {"observed_generation": 3},
        {"accelerator": {"used": "CPU", "reason": "NoGPUNodes"}},
        {"failure": {"reason": "R"}},
        {"finished_at": "2026-03-01T12:00:00Z"},
    ],
    ids=lambda news: next(iter(news)),
)
def test_news_is_written_at_once(news: dict[str, Any]) -> None:
    decision = written(a_status(10, ago=0), a_status(10, **news))
    assert decision.status is not None


def a_condition(status: str, since: str) -> dict[str, str]:
    return {"type": "Ready", "status": status, "reason": "R", "last_transition_time": since}


def test_a_condition_that_turns_is_news_and_its_time_alone_is_not() -> None:
    before = a_status(conditions=[a_condition("False", a_time(60))])
    assert written(before, a_status(conditions=[a_condition("False", a_time())])).status is None
    assert written(before, a_status(conditions=[a_condition("True", a_time())])).status is not None


@pytest.mark.parametrize(
    "volatile",
    [
        {"message": "Working on."},
        {"output_count": 3},
        {"usage": {"cpu_seconds": 3}},
        {"inputs": [{"name": "in-0", "state": "Running", "percent": 11}]},
        {"input_counts": {"active": 2}},
    ],
    ids=lambda news: next(iter(news)),
)
def test_what_changes_all_the_time_waits_for_its_turn(volatile: dict[str, Any]) -> None:
    assert written(a_status(ago=29), a_status(**volatile)).status is None
    assert written(a_status(ago=30), a_status(**volatile)).status is not None


def test_the_words_of_a_condition_wait_for_their_turn() -> None:
    def told(message: str) -> VideoJobStatus:
        conditions = [{**a_condition("False", a_time(60)), "message": message}]
        return a_status(ago=29, message=message, conditions=conditions)

    assert written(told("2 of 5 nodes"), told("3 of 5 nodes")).status is None


def test_a_new_reason_does_not_wait() -> None:
    before = a_status(conditions=[a_condition("False", a_time(60))])
    other = {**a_condition("False", a_time(60)), "reason": "Other"}
    decision = written(before, a_status(conditions=[other]))
    assert decision.status is not None
    assert decision.is_news


def test_an_estimate_that_runs_by_itself_is_no_change() -> None:
    before, after = (
        a_status(progress={"percent": 10, "eta_seconds": eta, "updated_at": a_time(999)})
        for eta in (60, 30)
    )
    assert written(before, after).status is None


def test_progress_says_that_it_can_wait() -> None:
    assert not written(a_status(10, ago=30), a_status(11)).is_news
    assert written(a_status(10), a_status(10, phase=Phase.SUCCEEDED)).is_news


def test_actions_are_not_held_back_with_the_status() -> None:
    decision = written(a_status(), a_status(), actions=(DeleteJob("a", "b"),))
    assert decision.actions == (DeleteJob("a", "b"),)


def test_the_earlier_of_two_appointments_stands() -> None:
    before, after = a_status(10, ago=20), a_status(11)
    assert written(before, after, requeue_seconds=3).requeue_seconds == 3
    assert written(before, after, requeue_seconds=300).requeue_seconds == 10


def test_a_decision_without_a_status_passes() -> None:
    assert decide_write(a_status(), Decision(policy="p"), NOW) == Decision(policy="p")


def test_a_film_that_runs_for_an_hour_costs_a_write_for_each_five_percent_or_half_minute() -> None:
    situation: Situation = a_videojob().running(ago=0)
    situation = situation.written(decide(situation.with_progress({0: a_report(0)}), NOW))
    writes = 0
    for second in range(3600):
        now = NOW + seconds(second)
        decision = decide(situation.with_progress({0: a_report(second / 36)}), now)
        writes += decision.status is not None
        situation = situation.written(decision)
    assert 95 <= writes <= 120


def test_a_fast_film_is_written_every_five_seconds_at_most() -> None:
    situation: Situation = a_videojob().running(ago=0)
    writes = 0
    for second in range(20):
        decision = decide(
            situation.with_progress({0: a_report(second * 5.0)}), NOW + seconds(second)
        )
        writes += decision.status is not None
        situation = situation.written(decision)
    assert writes <= 5
