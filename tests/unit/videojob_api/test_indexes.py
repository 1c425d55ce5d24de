"""Sets of indexes as Kubernetes writes them."""

from __future__ import annotations

import random

import pytest

from videojob_api.indexes import format_indexes, parse_indexes


@pytest.mark.parametrize(
    ("indexes", "text"),
    [
        ([], ""),
        ([0], "0"),
        ([0, 1], "0-1"),
        ([7, 0, 2, 1, 3], "0-3,7"),
        ([5, 5, 5], "5"),
        ([0, 2, 4], "0,2,4"),
        (range(500), "0-499"),
    ],
)
def test_sets_are_written_as_sorted_ranges(indexes: list[int], text: str) -> None:
    assert format_indexes(indexes) == text
    assert parse_indexes(text) == frozenset(indexes)


def test_nothing_is_the_empty_set() -> None:
    assert parse_indexes(None) == parse_indexes("") == frozenset()


def test_any_set_comes_back_as_it_was() -> None:
    chance = random.Random(7)  # noqa: S311 (a seeded test)
    for _ in range(200):
        some = frozenset(chance.sample(range(500), chance.randrange(0, 500)))
        assert parse_indexes(format_indexes(some)) == some


def test_the_longest_text_fits_the_status_field() -> None:
    assert len(format_indexes(range(0, 500, 2))) <= 4096


@pytest.mark.parametrize("text", ["a", "1-b", "-3", "1 to 3", "1-2-3"])
def test_what_is_no_list_of_ranges_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_indexes(text)


@pytest.mark.parametrize("text", ["500", "0-500", "3,0-999999999999", "999999999999"])
def test_an_index_beyond_the_last_input_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="indexes end at 499"):
        parse_indexes(text)
