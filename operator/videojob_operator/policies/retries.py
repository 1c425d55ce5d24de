"""Retries: which of the inputs that are left the next attempt takes, and with how much memory.

Whether an input is tried again at all is said in ``verdicts``; a failure that may just pass is tried
again by the Job itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from videojob_api.base import parse_quantity
from videojob_api.indexes import format_indexes, parse_indexes
from videojob_api.reasons import FailReason
from videojob_api.status import RaisedMemory

from ..memory import base_memory, format_memory, more_memory
from ..observed import Observed
from ..verdicts import Verdicts, judge_failure


def choose_inputs(observed: Observed, left: Collection[int]) -> tuple[tuple[int, ...], int]:
    """The inputs of the next attempt and their memory in bytes: those first that need the least.

    A Job gives all of its pods the same, and an input that needs more must not make the others wait
    for a larger node. Nor must those that a store refuses again and again make it wait: whose last
    attempt is the oldest come first.
    """
    by_size = defaultdict(list)
    for index in sorted(left):
        by_size[wanted_memory(observed, index)].append(index)
    size = min(by_size, key=lambda size: (_last_attempt(observed, by_size[size]), size))
    return tuple(by_size[size]), size


def _last_attempt(observed: Observed, indexes: Collection[int]) -> int:
    """Number of the newest attempt at any of these inputs; 0 before the first."""
    numbers = (a.number for a in observed.attempts if not set(a.indexes).isdisjoint(indexes))
    return max(numbers, default=0)


def wanted_memory(observed: Observed, index: int) -> int:
    """As much as the last try had, more if it was too little; never less than the manifest says."""
    if observed.spec is None:
        raise ValueError("memory for a manifest that was not understood")
    base = base_memory(observed.spec)
    for attempt in reversed(observed.attempts):
        if index in attempt.indexes:
            had = attempt.memory_bytes or base
            ended_badly = index in attempt.failed
            if ended_badly and _ran_out(observed, index):
                return max(base, more_memory(observed.spec, had) or had)
            return max(base, had)
    return max(base, _recorded(observed).get(index, 0))


def raised_memory(observed: Observed, verdicts: Verdicts) -> list[RaisedMemory]:
    """What of it outlives the Jobs: which of the inputs that are left get more than the manifest says."""
    if observed.spec is None:
        return observed.status.raised_memory
    base = base_memory(observed.spec)
    tried = (a for a in observed.attempts if a.failed or a.memory_bytes > base)
    if not observed.status.raised_memory and not any(tried):
        return []
    by_size = defaultdict(list)
    for index in range(observed.input_count):
        if verdicts.get(index) is None and (size := wanted_memory(observed, index)) > base:
            by_size[size].append(index)
    return [
        RaisedMemory(indexes=format_indexes(indexes), memory=format_memory(size))
        for size, indexes in sorted(by_size.items())
    ]


def _recorded(observed: Observed) -> dict[int, int]:
    """As it was written before a suspension took the Jobs away."""
    return {
        index: int(parse_quantity(raised.memory))
        for raised in observed.status.raised_memory
        for index in parse_indexes(raised.indexes)
    }


def _ran_out(observed: Observed, index: int) -> bool:
    newest = next(a for a in reversed(observed.attempts) if index in a.indexes)
    return judge_failure(index, newest, observed).reason == FailReason.OUT_OF_MEMORY
