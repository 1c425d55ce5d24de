"""Sets of input indexes as Kubernetes writes them: ``0-3,7``.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable


def format_indexes(indexes: Iterable[int]) -> str:
    """Write a set of indexes as sorted ranges."""
    ranges: list[list[int]] = []
    for index in sorted(set(indexes)):
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)


MAX_INDEXES = 500
"""As many as a VideoJob has inputs; a range beyond them is somebody's mischief."""


def parse_indexes(text: str | None) -> frozenset[int]:
    """Read ranges such as ``0-3,7``; nothing is the empty set.

    Raises:
        ValueError: if the text is no list of ranges, or names an index beyond the last input's.
    """
    result: set[int] = set()
    for part in filter(None, (text or "").split(",")):
        first, _, last = part.partition("-")
        stop = int(last or first) + 1
        if stop > MAX_INDEXES:
            raise ValueError(f"there is no input {stop - 1}: indexes end at {MAX_INDEXES - 1}")
        result.update(range(int(first), stop))
    return frozenset(result)
