"""`make bench`: measures the worker and the cluster, prints tables, and keeps them in docs/benchmarks.md.

Each part is a module with a `run`; it is measured alone by `make bench PART=ladder`. `latency` and
`progress` need the cluster. Exit 1 if a promise is not kept.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import films
import places
from measuring import CommandError
from rich.console import Console
from rich.markdown import Markdown
from tables import Result, put_into, write

PARTS = {
    "start": "start",
    "pictures": "pictures",
    "transfer": "transfer",
    "cloak": "cloaking",
    "ladder": "ladder",
    "latency": "latency",
    "progress": "progress",
}
PAGE = places.REPOSITORY / "docs" / "benchmarks.md"


def main() -> int:
    """Measure what is asked for; 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="part")
    asked = parser.parse_args().parts
    if unknown := set(asked) - set(PARTS):
        print(f"error: no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
        return 2
    kept = True
    for part in asked:
        started = time.monotonic()
        print(f"▸ {part}", flush=True)
        try:
            result = _measure(part)
        except CommandError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        text = f"{write(result)}\n\n{_where()}"
        Console().print(Markdown(text))
        print(f"  {part} took {time.monotonic() - started:.0f} s", flush=True)
        PAGE.write_text(put_into(PAGE.read_text(), part, text))
        kept &= result.is_kept
    return int(not kept)


def _measure(part: str) -> Result:
    films.FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{part}-", dir=films.FOLDER))
    try:
        result: Result = importlib.import_module(PARTS[part]).run(folder)
        return result
    finally:
        shutil.rmtree(folder)


def _where() -> str:
    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True)
    ffmpeg = " ".join(version.stdout.split()[:3])
    day = datetime.now(UTC).date().isoformat()
    python = platform.python_version()
    return f"Measured {day}: {_cpus()}, Linux {platform.release()}, {ffmpeg}, Python {python}."


def _cpus() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else "CPU unknown"


if __name__ == "__main__":
    sys.exit(main())
