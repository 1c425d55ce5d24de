"""How the operator stands up to many VideoJobs, as tables: `make scale`, `make scale JOBS=1000 PARTS=line`.

Brings up control planes of its own, one after the other, and ends all that it started. At the full size
the tables are kept in docs/benchmarks.md. Exit 1 if a figure is beyond its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import binaries
from all_at_once import measure_all_at_once
from control_plane import ScaleError
from finished import measure_finished
from outcome import Figure, Outcome
from places import REPOSITORY
from turns import measure_latency, measure_line

FULL_SIZE = 10_000
PARTS: dict[str, Callable[[int], Coroutine[Any, Any, Outcome]]] = {
    "latency": measure_latency,
    "all-at-once": measure_all_at_once,
    "finished": measure_finished,
    "line": measure_line,
}
_PAGE = REPOSITORY / "docs" / "benchmarks.md"


def main() -> int:
    """Measure the parts that were asked for."""
    parser = argparse.ArgumentParser(description="Measure the operator at scale.")
    parser.add_argument("--jobs", type=int, default=FULL_SIZE, help="VideoJobs at most")
    parser.add_argument("--keep", action="store_true", help="keep the tables whatever the size")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; else all")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(
            f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}"
        )
    missed: list[str] = []
    for name in asked.parts or PARTS:
        started = time.monotonic()
        print(f"== {name}", flush=True)
        try:
            outcome = asyncio.run(PARTS[name](asked.jobs))
        except (ScaleError, binaries.BuildError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        table = build_table(outcome)
        print(f"\n{table}\n({name} took {time.monotonic() - started:.0f} s)\n", flush=True)
        missed += [figure.name for figure in outcome.figures if not figure.is_met]
        if asked.keep or asked.jobs == FULL_SIZE:
            keep(_PAGE, name, table)
    for figure in missed:
        print(f"beyond its limit: {figure}", file=sys.stderr)
    return int(bool(missed))


def build_table(outcome: Outcome) -> str:
    """Markdown: the rows, then the figures with their limits."""
    lines = [f"### {outcome.title}", ""]
    if outcome.rows:
        lines += [_line(outcome.header), _line(["---:"] * len(outcome.header))]
        lines += [_line(row) for row in outcome.rows]
        lines.append("")
    lines += [_line(["figure", "measured", "at most"]), _line(["---", "---:", "---:"])]
    lines += [_line(_cells(figure)) for figure in outcome.figures]
    return "\n".join(lines)


def _cells(figure: Figure) -> list[str]:
    limit = "" if figure.limit is None else f"{figure.limit:g} {figure.unit}".strip()
    value = f"{figure.value:.2f} {figure.unit}".strip()
    return [figure.name, value if figure.is_met else f"**{value}**", limit]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def keep(page: Path, name: str, table: str) -> None:
    """Put a part's table where its last one stood."""
    start, end = f"<!-- make scale: {name} -->", f"<!-- end of {name} -->"
    text = page.read_text()
    block = f"{start}\n{table}\n{end}"
    if start in text:
        before, _, rest = text.partition(start)
        text = before + block + rest.partition(end)[2]
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    page.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
