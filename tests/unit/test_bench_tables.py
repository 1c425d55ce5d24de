"""What the bench makes of its figures: promises kept, how right an ETA was, the table, its place."""

from __future__ import annotations

import pytest
from bench.tables import Promise, Result, put_into, write
from bench.telling import Said, falls, off_percent

PAGE = "# Page\n\n<!-- bench a -->\nold\n<!-- /bench a -->\n\n<!-- bench b -->\n<!-- /bench b -->\nend\n"


@pytest.mark.parametrize(
    ("got", "limit", "at_least", "is_kept"),
    [
        (1.05, 1.05, False, True),
        (1.054, 1.05, False, True),  # shown as 1.05
        (1.056, 1.05, False, False),
        (0.9, 0.9, True, True),
        (0.894, 0.9, True, False),
        (3.4, 3, True, True),
    ],
)
def test_a_promise_is_kept_as_it_is_shown(got: float, limit: float, at_least: bool, is_kept: bool):
    assert Promise("x", got, limit, at_least).is_kept is is_kept


def test_one_that_is_not_kept_is_enough():
    kept, broken = Promise("x", 1, 2), Promise("y", 3, 2)
    assert Result("r", ("",), [], [kept]).is_kept
    assert not Result("r", ("",), [], [kept, broken]).is_kept


def test_a_table_says_what_was_asked_and_whether_it_is_kept():
    promises = [Promise("faster", 1.5, 1.4, at_least=True), Promise("seconds", 0.7, 0.6, unit="s")]
    text = write(Result("Title", ("", "CPU s"), [("worker", "1.0")], promises, "Why."))
    assert text.splitlines() == [
        "### Title",
        "",
        "|  | CPU s |",
        "| --- | ---: |",
        "| worker | 1.0 |",
        "",
        "| Promise | measured | asked | kept |",
        "| --- | ---: | ---: | ---: |",
        "| faster | **1.50 x** | at least 1.4 x | yes |",
        "| seconds | **0.70 s** | at most 0.6 s | **no** |",
        "",
        "Why.",
    ]


def test_each_part_has_its_place_in_the_page():
    once = put_into(PAGE, "a", "new")
    assert once == PAGE.replace("old", "new")
    assert put_into(once, "a", "new") == once
    assert "b's\n<!-- /bench b -->\nend\n" in put_into(PAGE, "b", "b's")


def test_a_page_without_the_place_is_not_written_over():
    with pytest.raises(ValueError, match="no place for c"):
        put_into(PAGE, "c", "new")


def test_an_eta_is_held_against_what_was_left():
    said = [
        Said(10, 10, 1),
        Said(50, 50, 60),
        Said(80, 80, 20),
        Said(85, 85, None),
        Said(95, 95, 50),
    ]
    assert off_percent(said, 100) == [20, 0, 100]


def test_a_percent_that_falls_is_counted():
    assert falls([Said(at, percent, 0) for at, percent in enumerate((1, 5, 4, 4, 9, 8))]) == 2
