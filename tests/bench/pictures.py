"""Six pictures alone from a film of ten minutes, against decoding its key frames.

Run by `make bench PART=pictures`.
"""

from __future__ import annotations

from pathlib import Path

import films
from measuring import THREADS, best, measure
from tables import Promise, Result
from working import Work

RUNS = 3
STEPS = [{"name": "pictures", "thumbnails": {"count": 6}}]


def run(folder: Path) -> Result:
    """Measure both."""
    film = films.ten_minutes()
    decoder = ("-threads", THREADS, "-skip_frame", "nokey", "-i", str(film), "-map", "0:v")
    keys = best(
        RUNS, lambda: measure((*films.FFMPEG, *decoder, "-fps_mode", "vfr", "-f", "null", "-"))
    )
    work = Work(folder / "pictures", film, STEPS)
    whole, stages = [], []
    for _ in range(RUNS):
        whole.append(work.run())
        stages.append(work.process_cpu_seconds())
    least = min(whole, key=lambda cost: cost.cpu_seconds)
    return Result(
        "Pictures alone: six from ten minutes of 1080p",
        ("", "wall s", "CPU s", "peak MiB"),
        [
            ("decoding the key frames (`ffmpeg -skip_frame nokey`)", *keys.cells()),
            ("the worker's pass and choosing (its stage *process*)", "", f"{min(stages):.2f}", ""),
            ("the worker, all of it", *least.cells()),
        ],
        (
            Promise("CPU seconds of the pass", min(stages) / keys.cpu_seconds, 3),
            Promise("CPU seconds of all of it", least.cpu_seconds / keys.cpu_seconds, 3),
        ),
    )
