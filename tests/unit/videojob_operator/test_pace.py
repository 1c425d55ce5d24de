"""The pace of writes that could wait."""

from __future__ import annotations

from builders import NOW, seconds

from videojob_operator.pace import PROGRESS_WRITES_PER_SECOND, Pace


def passed(pace: Pace, later: float, tries: int = 1000) -> int:
    return sum(pace.take(NOW + seconds(later)) for _ in range(tries))


def test_fifty_a_second_pass_and_no_more_after_a_long_pause() -> None:
    assert PROGRESS_WRITES_PER_SECOND == 50
    pace = Pace(50, 50)
    assert [passed(pace, later) for later in (0, 0, 0.5, 1.5, 3600)] == [50, 0, 25, 50, 50]


def test_more_may_pass_at_once_than_in_a_second() -> None:
    pace = Pace(5, 100)
    assert [passed(pace, later) for later in (0, 1, 11, 3600)] == [100, 5, 50, 100]


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    pace = Pace(50, 50)
    passed(pace, 10)
    assert [passed(pace, later) for later in (5, 5.5)] == [0, 25]
