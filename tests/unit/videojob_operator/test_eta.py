"""How long a job still takes: who is reckoned with, and whose pace."""

from __future__ import annotations

from builders import NOW, Situation, a_report, a_time, a_videojob

from videojob_api.status import Phase
from videojob_operator.eta import estimate_seconds
from videojob_operator.standing import describe
from videojob_operator.verdicts import judge


def eta(situation: Situation) -> int | None:
    """The seconds left, as a running job tells them."""
    verdicts = judge(situation)
    told = describe(situation, NOW, phase=Phase.RUNNING, reason="R", message="m", verdicts=verdicts)
    assert told.progress is not None
    return told.progress.eta_seconds


def test_one_input_has_its_workers_own_estimate() -> None:
    assert eta(a_videojob().running().with_progress({0: a_report(eta_seconds=12.6)})) == 13


def test_several_inputs_are_estimated_from_the_pace_so_far() -> None:
    situation = a_videojob(2).running(ago=100)
    half = situation.with_progress({0: a_report(50), 1: a_report(50)})
    assert eta(half) == 100
    assert eta(half.with_settings(max_running=1)) == 50, "by the workers that there may be"
    assert eta(situation.with_progress({0: a_report(8)})) is None, "too early"


def test_a_quick_fetch_says_nothing_of_the_end() -> None:
    """It and the look at the file are 6 %; the pace of those foretold a minute too many, or too few."""
    situation = a_videojob().running(ago=5)
    assert eta(situation.with_progress({0: a_report(6)})) is None
    assert eta(situation.with_progress({0: a_report(20)})) == 20
    assert eta(situation.with_progress({0: a_report(6, eta_seconds=30)})) == 30


def test_rejected_inputs_say_nothing_of_how_long_the_others_take() -> None:
    """Five of ten were rejected at once; one took ten minutes, the next is half done, three wait."""
    situation = a_videojob(10, parallelism=1).running(ago=900).with_succeeded(5)
    for index in range(5):
        situation = situation.with_index(index, exit_code=42)
    assert eta(situation.with_progress({6: a_report(50)})) == 300 + 3 * 600


def test_who_has_just_begun_counts_though_it_has_not_reported() -> None:
    """Two of five at once, a minute each: the first has ended, its successor is on its way."""
    situation = a_videojob(5, parallelism=2).running(ago=60).with_succeeded(0)
    ending = situation.with_newest(active=2).with_progress({1: a_report(100, eta_seconds=0)})
    assert eta(ending) == 120
    assert eta(ending.with_waiting("ContainerCreating", ago=2)) == 120


def test_who_may_not_begin_does_not_count() -> None:
    """Three at once, and a third that no node or quota lets in: the others take a minute each."""
    situation = a_videojob(4, parallelism=3).running(ago=30)
    half = situation.with_progress({i: a_report(50, eta_seconds=30) for i in (0, 1)})
    assert eta(half.with_newest(active=3).with_waiting("Unschedulable", ago=30)) == 30 + 60
    assert eta(half.with_newest(active=2)) == 30 + 60


def test_an_estimate_is_never_negative() -> None:
    situation = a_videojob(2).running().with_progress({0: a_report(40), 1: a_report(40)})
    assert eta(situation.with_status(started_at=a_time(-600))) == 0


def test_an_estimate_from_reports_that_make_no_sense_fits_the_status() -> None:
    strange = a_report(99.99999999999999, eta_seconds=1e9)
    seconds = estimate_seconds([strange], waiting=3, ended=0, workers=1, elapsed_seconds=None)
    assert seconds == 10**9
