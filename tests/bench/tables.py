"""What a part of the bench found, as a table; and its place in a page of the docs.

Pure; used by every part. A promise is a ratio with its limit: kept or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """A figure that has to be within a limit."""

    what: str
    got: float
    limit: float
    at_least: bool = False
    """Whether the limit is the least; else it is the most."""
    unit: str = "x"

    @property
    def is_kept(self) -> bool:
        """Whether it is within the limit, as it is shown: to two places."""
        got = round(self.got, 2)
        return got >= self.limit if self.at_least else got <= self.limit

    @property
    def asked(self) -> str:
        """The limit in words."""
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g} {self.unit}"


@dataclass(frozen=True)
class Result:
    """All that a part found."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    promises: Sequence[Promise] = ()
    note: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether every promise is."""
        return all(promise.is_kept for promise in self.promises)


def write(result: Result) -> str:
    """The result in Markdown."""
    lines = [f"### {result.title}", ""]
    lines += _table(result.columns, result.rows)
    if result.promises:
        rows = [
            (p.what, f"**{p.got:.2f} {p.unit}**", p.asked, "yes" if p.is_kept else "**no**")
            for p in result.promises
        ]
        lines += ["", *_table(("Promise", "measured", "asked", "kept"), rows)]
    if result.note:
        lines += ["", result.note]
    return "\n".join(lines)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in (columns, rule, *rows)]


def put_into(page: str, part: str, text: str) -> str:
    """The page with what a part found in the place that is marked for it.

    Raises:
        ValueError: if there is no such place.
    """
    begin, end = f"<!-- bench {part} -->", f"<!-- /bench {part} -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no place for {part}: write {begin} and {end} on two lines")
    return f"{before}{begin}\n{text}\n{end}{after}"
