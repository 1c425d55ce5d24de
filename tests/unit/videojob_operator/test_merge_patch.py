"""What turns one status into another, and nothing more than that."""

from __future__ import annotations

import random
from typing import Any

from fake_cluster import apply_patch

from videojob_operator.write import merge_patch


def some_json(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.choice(
        ["dict", "dict", "list", "text", "number", "bool"] if depth < 4 else ["text"]
    )
    if kind == "dict":
        keys = chance.sample("abcdef", chance.randint(0, 4))
        return {key: some_json(chance, depth + 1) for key in keys}
    if kind == "list":
        return [some_json(chance, depth + 1) for _ in range(chance.randint(0, 3))]
    if kind == "number":
        return chance.choice([0, 1, 2, 1.5])
    return chance.choice([True, False]) if kind == "bool" else chance.choice(["", "x", "y"])


def test_a_patch_turns_any_object_into_any_other() -> None:
    chance = random.Random(5)  # noqa: S311 (a seeded test)
    compared = 0
    while compared < 3000:
        before, after = some_json(chance), some_json(chance)
        if isinstance(before, dict) and isinstance(after, dict):
            compared += 1
            assert apply_patch(before, merge_patch(before, after)) == after
            assert merge_patch(after, after) == {}


def test_a_patch_names_only_what_changed() -> None:
    before = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1, 2], "f": 3}
    after = {"a": 1, "b": {"c": 1, "d": 3}, "e": [1], "g": {}}
    assert merge_patch(before, after) == {"b": {"d": 3}, "e": [1], "f": None, "g": {}}
