"""Nothing is parsed twice while it says the same, and nothing old is answered."""

from __future__ import annotations

from videojob_operator.memo import Memo


class Parser:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return self.calls


def test_an_equal_source_is_parsed_once_and_another_anew() -> None:
    memo, parse = Memo[int](), Parser()
    assert memo.get("a", {"height": 720}, parse) == 1
    assert memo.get("a", {"height": 720}, parse) == 1
    assert memo.get("a", {"height": 480}, parse) == 2
    assert memo.get("b", {"height": 480}, parse) == 3
    memo.forget("a")
    assert memo.get("a", {"height": 480}, parse) == 4


def test_only_the_ones_asked_for_last_are_kept() -> None:
    memo, parse = Memo[int](size=2), Parser()
    for uid in ("a", "b", "a", "c"):
        memo.get(uid, uid, parse)
    assert parse.calls == 3
    assert memo.get("a", "a", parse) == 1
    assert memo.get("b", "b", parse) == 4
