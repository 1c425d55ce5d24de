"""What a part of `make scale` yields: a table's rows, and figures, each perhaps with its limit."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One number, and what it may be at most."""

    name: str
    value: float
    limit: float | None = None
    unit: str = ""

    @property
    def is_met(self) -> bool:
        """Whether it is within its limit, if it has one."""
        return self.limit is None or self.value <= self.limit


@dataclass
class Outcome:
    """What a part has found."""

    title: str
    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
