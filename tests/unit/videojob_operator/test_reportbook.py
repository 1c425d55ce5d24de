"""What workers said lately, by attempt."""

from __future__ import annotations

from builders import NOW, RUN_ID, UID, a_report, a_result

from videojob_api.report import Report
from videojob_api.status import InputState, Usage
from videojob_operator.attempt import Attempt, Ending
from videojob_operator.reportbook import ReportBook


def report(
    percent: float | None = None, *, index: int = 0, attempt: int = 1, **more: object
) -> Report:
    progress = a_report(percent) if percent is not None else None
    return Report.model_validate(
        {"runID": RUN_ID, "attempt": attempt, "index": index, "progress": progress, **more}
    )


def an_attempt(number: int = 1, count: int = 3, **changes: object) -> Attempt:
    return Attempt(
        name="job",
        uid="job-1",
        number=number,
        run_id=RUN_ID,
        indexes=tuple(range(count)),
        created_at=NOW,
        **changes,  # type: ignore[arg-type]
    )


def percents(book: ReportBook, attempt: Attempt | None) -> dict[int, float]:
    return {index: progress.percent for index, progress in book.progress(UID, attempt).items()}


def test_percent_never_falls_within_an_attempt() -> None:
    book = ReportBook()
    for percent in (10, 40, 30):
        book.record(UID, report(percent))
    assert percents(book, an_attempt()) == {0: 40}


def test_a_new_attempt_begins_anew() -> None:
    book = ReportBook()
    book.record(UID, report(90, attempt=1))
    book.record(UID, report(5, attempt=2))
    assert percents(book, an_attempt(2)) == {0: 5}
    assert percents(book, an_attempt(3)) == {}
    assert percents(book, None) == {}


def test_an_input_that_ended_has_no_live_progress() -> None:
    book = ReportBook()
    for index in range(3):
        book.record(UID, report(50, index=index))
    attempt = an_attempt(completed=frozenset({0}), failed=frozenset({2}))
    assert percents(book, attempt) == {1: 50}


def test_a_reported_success_need_not_be_looked_up() -> None:
    book = ReportBook()
    book.record(UID, report(index=0, result=a_result(0)))
    attempt = an_attempt(completed=frozenset({0, 1}), failed=frozenset({2}))
    assert book.unread(UID, attempt) == {1, 2}


def test_a_reported_failure_is_looked_up_all_the_same() -> None:
    book = ReportBook()
    failed = a_result(2, outputs=0, state=InputState.FAILED, exitCode=47)
    book.record(UID, report(index=2, result=failed))
    assert book.unread(UID, an_attempt(failed=frozenset({2}))) == {2}


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    book = ReportBook()
    attempt = an_attempt(completed=frozenset({0}), failed=frozenset({2}))
    book.mark_looked(UID, an_attempt(1), [0, 2])
    assert book.unread(UID, attempt) == frozenset()
    assert book.unread(UID, an_attempt(2, failed=frozenset({2}))) == {2}


def test_inputs_that_a_job_left_open_are_looked_up_when_it_is_over() -> None:
    assert ReportBook().unread(UID, an_attempt()) == frozenset()
    assert ReportBook().unread(UID, an_attempt(ended_at=NOW)) == {0, 1, 2}


def test_a_report_with_more_outputs_is_kept_over_a_cut_termination_message() -> None:
    book = ReportBook()
    whole, cut = a_result(outputs=5), a_result(outputs=2)
    book.record(UID, report(result=whole))
    book.record_ending(UID, an_attempt(1), 0, Ending(0), cut)
    assert book.results(UID, RUN_ID)[0] == {0: whole}
    book.record_ending(UID, an_attempt(1), 0, Ending(0), a_result(outputs=7))
    assert len(book.results(UID, RUN_ID)[0][0].outputs) == 7


def test_the_pods_own_end_stands_over_what_was_reported_before() -> None:
    book = ReportBook()
    book.record(UID, report(result=a_result(outputs=5)))
    failed = a_result(outputs=0, state=InputState.FAILED, exitCode=47)
    book.record_ending(UID, an_attempt(1), 0, Ending(47), failed)
    assert book.results(UID, RUN_ID)[0] == {0: failed}
    book.record_ending(UID, an_attempt(1), 0, Ending(137), None)
    assert book.results(UID, RUN_ID) == ({}, {0: Ending(137)})


def test_the_newest_attempt_that_says_something_is_believed() -> None:
    book = ReportBook()
    refused = a_result(outputs=0, state=InputState.FAILED, exitCode=44)
    book.record_ending(UID, an_attempt(1), 0, Ending(44), refused)
    book.record_ending(
        UID, an_attempt(1), 1, Ending(42), a_result(1, outputs=0, state=InputState.REJECTED)
    )
    assert set(book.results(UID, RUN_ID)[0]) == {0, 1}
    book.record_ending(UID, an_attempt(2), 0, Ending(137), None)
    results, endings = book.results(UID, RUN_ID)
    assert set(results) == {1}, "what the first pod said is not about the second"
    assert endings[0].exit_code == 137


def test_attempts_whose_jobs_are_gone_take_one_page_and_nothing_is_lost() -> None:
    book = ReportBook()
    for number in range(1, 300):
        attempt = an_attempt(number)
        refused = a_result(0, outputs=0, state=InputState.FAILED, exitCode=44)
        book.record_ending(UID, attempt, 0, Ending(44, pod=f"a-{number}"), refused)
        book.record_costs(UID, attempt, {f"a-{number}": Usage(cpu_seconds=2)})
    book.record_ending(UID, an_attempt(1), 1, Ending(0), a_result(1))
    book.record_ending(UID, an_attempt(2), 2, Ending(137), None)
    book.record(UID, report(index=2, attempt=1, result=a_result(2).model_dump(by_alias=True)))
    book.record(UID, report(50, attempt=299))
    known = book.results(UID, RUN_ID), book.usage(UID, RUN_ID)
    assert set(known[0][0]) == {0, 1}, "the first says nothing of the second's pod"
    book.fold(UID, RUN_ID, ())
    assert len(book._pages[UID]) == 299, "their Jobs may not be known yet"
    book.fold(UID, "another-run", [an_attempt(299)])
    for _ in range(2):
        book.fold(UID, RUN_ID, [an_attempt(298), an_attempt(299)])
        assert len(book._pages[UID]) == 3
        assert (book.results(UID, RUN_ID), book.usage(UID, RUN_ID)) == known
    assert percents(book, an_attempt(299)) == {0: 50}


def test_what_is_gone_takes_one_page_between_those_that_are_there() -> None:
    """An attempt that ended something for good stays; those that only asked a store again go."""
    book = ReportBook()
    for number in range(1, 300):
        ending = Ending(44, pod=f"a-{number}")
        book.record_ending(UID, an_attempt(number), number % 7, ending, None)
    known = book.results(UID, RUN_ID)
    book.fold(UID, RUN_ID, [an_attempt(2), an_attempt(150), an_attempt(299)])
    assert [number for _, number in sorted(book._pages[UID])] == [1, 2, 149, 150, 298, 299]
    assert book.results(UID, RUN_ID) == known


def test_what_is_gone_is_not_put_beyond_one_that_says_nothing_yet() -> None:
    book = ReportBook()
    for number in (1, 3, 4):
        book.record_ending(UID, an_attempt(number), 0, Ending(44), None)
    book.fold(UID, RUN_ID, [an_attempt(2), an_attempt(5)])
    assert [number for _, number in sorted(book._pages[UID])] == [1, 4]


def test_videojobs_do_not_see_each_other() -> None:
    book = ReportBook()
    book.record("another", report(50))
    assert percents(book, an_attempt()) == {}
    assert book.results(UID, RUN_ID) == ({}, {})


def test_what_has_ended_is_forgotten() -> None:
    book = ReportBook()
    book.record(UID, report(50, result=a_result()))
    book.forget(UID)
    book.forget("never heard of")
    assert percents(book, an_attempt()) == {}
    assert book.results(UID, RUN_ID) == ({}, {})


def test_runs_do_not_see_each_other() -> None:
    """A worker of the run before may still report while it stops."""
    book = ReportBook()
    book.record(UID, report(90, runID="another", result=a_result()))
    assert percents(book, an_attempt()) == {}
    assert book.results(UID, RUN_ID) == ({}, {})


def test_a_report_that_comes_after_its_pods_end_changes_nothing() -> None:
    book = ReportBook()
    book.record_ending(UID, an_attempt(), 0, Ending(0), a_result(0, outputs=1))
    late = a_result(0, outputs=3, state="Failed").wire()
    book.record(UID, report(result=late))
    results, _ = book.results(UID, RUN_ID)
    assert (results[0].state, len(results[0].outputs)) == (InputState.SUCCEEDED, 1)
