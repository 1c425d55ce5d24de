"""``make fuzz``: mutants without end, each worked on by a worker that is watched.

Prints a line for each finding and keeps the file beside how to repeat it. Started as
``python -m corpus.fuzz``; ``work_through`` is the corpus test's, too.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from assets import Clips

from .bases import TS
from .lab import Lab, Outcome
from .specimens import Kit, Specimen, mutants

KEPT = Path(__file__).parents[2] / "build" / "fuzz"


@dataclass(frozen=True)
class Looked:
    """A specimen, what came of it, and its file, which is there until the next one is asked for."""

    specimen: Specimen
    outcome: Outcome
    film: Path


def work_through(
    specimens: Iterable[Specimen],
    clips: Clips,
    folder: Path,
    *,
    at_once: int,
    program: tuple[str, ...] = (),
) -> Iterator[Looked]:
    """Have workers work on all of them, some at once; yields each as it ends."""
    with ExitStack() as stack:
        making = Lock()
        labs: SimpleQueue[tuple[Lab, Kit]] = SimpleQueue()
        for number in range(at_once):
            lab = Lab(folder / f"lab-{number}")
            stack.callback(lab.close)
            lab.place_canaries(clips.path(TS).read_bytes())
            labs.put((lab, Kit(clips, lab.canaries, lab.port)))

        def look(specimen: Specimen) -> Looked:
            lab, kit = labs.get()
            try:
                film = lab.folder / "film"
                with making:  # good films are made once, on first use
                    specimen.write(kit, film)
                outcome = lab.run(specimen, film, program)
                if outcome.findings:
                    film = film.rename(lab.folder / f"kept-{time.monotonic_ns()}")
                return Looked(specimen, outcome, film)
            finally:
                labs.put((lab, kit))

        pool = stack.enter_context(ThreadPoolExecutor(at_once))
        waiting = iter(specimens)
        running = {pool.submit(look, specimen) for specimen in islice(waiting, at_once)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(look, specimen) for specimen in islice(waiting, len(done))}
            for future in done:
                yield future.result()


def keep(looked: Looked) -> Path:
    """Put a file aside with all that it takes to see the same again."""
    KEPT.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() or c in "-." else "-" for c in looked.specimen.name)
    target = KEPT / name
    target.write_bytes(looked.film.read_bytes())
    told = {
        "specimen": looked.specimen.name,
        "work": looked.specimen.work,
        "wanted": sorted(looked.specimen.wanted),
        "said": looked.outcome.said,
        "message": looked.outcome.message,
        "findings": looked.outcome.findings,
    }
    target.with_name(name + ".json").write_text(json.dumps(told, indent=2) + "\n")
    return target


def kept(path: Path) -> Specimen:
    """The specimen that was put aside."""
    told = json.loads(path.with_name(path.name + ".json").read_text())
    data = path.read_bytes()
    return Specimen(told["specimen"], lambda kit: data, frozenset(told["wanted"]), told["work"])


def main() -> int:
    """Until it is interrupted, or so many; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--replay", type=Path, help="a file that was kept")
    asked = parser.parse_args()
    specimens: Iterable[Specimen] = islice(mutants(asked.seed, asked.first), asked.count)
    if asked.replay:
        specimens = [kept(asked.replay)]
    else:
        print(f"seed {asked.seed}; findings are kept in {KEPT}", flush=True)
    said, found = Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="videojob-fuzz-") as folder:
        top = Path(folder)
        (top / "clips").mkdir()
        clips = Clips(top / "clips")
        try:
            for looked in work_through(specimens, clips, top, at_once=asked.at_once):
                said[looked.outcome.said] += 1
                if said.total() % 100 == 0:
                    print(f"{said.total()} files", file=sys.stderr)
                if asked.replay:
                    print(f"{looked.outcome.said}: {looked.outcome.message}")
                if looked.outcome.findings:
                    found += 1
                    target = asked.replay or keep(looked)
                    print(
                        f"{looked.specimen.name}: {'; '.join(looked.outcome.findings)}; again with "
                        f"make fuzz REPLAY={target}",
                        flush=True,
                    )
                    if not asked.replay:
                        looked.film.unlink()
        except KeyboardInterrupt:
            print()
    print(
        f"{said.total()} files, {found} findings: "
        + ", ".join(f"{n} {w}" for w, n in said.most_common())
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
