"""Totals: what all inputs of a run have yielded and cost, though some of it was told to an operator before.

Pure; called by ``standing``, and by ``reportbook`` for what pods have cost. Pods go and memory is lost, so
a total is what was written before and what has come since, and never less than it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from videojob_api.indexes import parse_indexes
from videojob_api.status import MAX_COUNT, OutputStatus, Usage, Warn

from .observed import Observed
from .verdicts import Verdicts

_MAX_WARNINGS = 20


def list_outputs(observed: Observed, verdicts: Verdicts) -> list[OutputStatus]:
    """From results where there are any; what an earlier status listed stays listed."""
    if observed.spec is None:
        return observed.status.outputs
    carried: dict[str, list[OutputStatus]] = {}
    for output in observed.status.outputs:
        carried.setdefault(output.input, []).append(output)
    outputs: list[OutputStatus] = []
    for index in sorted(verdicts.succeeded):
        result = observed.results.get(index)
        known = carried.get(observed.spec.inputs[index].name, [])
        outputs += result.outputs if result and len(result.outputs) >= len(known) else known
    return outputs


def count_outputs(observed: Observed, verdicts: Verdicts) -> tuple[int, int]:
    """Count and bytes of all objects published, as the workers counted them.

    The status says which inputs its numbers are of: they were written together.
    """
    before = observed.status
    counted = frozenset(parse_indexes(before.indexes.succeeded)) if before.indexes else frozenset()
    results = {i: observed.results[i] for i in verdicts.succeeded if i in observed.results}
    new = [result for index, result in results.items() if index not in counted]
    count = max(
        sum(result.output_count for result in results.values()),
        (before.output_count or 0) + sum(result.output_count for result in new),
    )
    size = max(
        sum(result.output_bytes for result in results.values()),
        (before.output_bytes or 0) + sum(result.output_bytes for result in new),
    )
    return min(count, MAX_COUNT), min(size, MAX_COUNT)


def highest_usage(told: Usage | None, found: Usage | None) -> Usage | None:
    """As counted from pods; what was written stands."""
    return _combine(max, told, found)


def add_usage(parts: Iterable[Usage]) -> Usage | None:
    """The sum; None of none."""
    total: Usage | None = None
    for part in parts:
        total = _combine(lambda one, other: _round(one + other), total, part)
    return total


def without_usage(told: Usage, found: Usage | None) -> Usage:
    """What was told beyond what is found."""
    least = _combine(lambda one, other: _round(max(0, one - other)), told, found)
    return least or told


def gather_warnings(observed: Observed) -> list[Warn]:
    """Those told before, and what has come since."""
    told = observed.status.warnings
    found = [w for result in observed.results.values() for w in result.warnings if w not in told]
    return [*told, *found][:_MAX_WARNINGS]


def _combine(
    how: Callable[[float, float], float], one: Usage | None, other: Usage | None
) -> Usage | None:
    if one is None or other is None:
        return one or other
    return Usage.model_validate(
        {name: how(getattr(one, name), getattr(other, name)) for name in Usage.model_fields}
    )


def _round(value: float) -> float:
    """Tenths, and no more than fits the status whatever workers claim."""
    return min(round(value, 1), MAX_COUNT)
