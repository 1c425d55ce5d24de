"""From the worker's start to its first ffmpeg process, in CPU seconds.

Run by `make bench PART=start`. The process is looked at until something below it is ffmpeg or ffprobe;
the kernel counts in hundredths of a second.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path

from cloaking import cut
from measuring import ENVIRONMENT, CommandError
from pictures import STEPS
from tables import Promise, Result
from working import Work

RUNS = 7
_TICKS = os.sysconf("SC_CLK_TCK")


def run(folder: Path) -> Result:
    """Start it some times."""
    work = Work(folder / "start", cut(folder, 5), STEPS)
    work.run()  # what a first start compiles and reads from disk is not its own
    found = [_start(work) for _ in range(RUNS)]
    cpu = statistics.median(cpu for _, cpu in found)
    wall = statistics.median(wall for wall, _ in found)
    return Result(
        f"Start: until the first ffmpeg process, a file:// store; median of {RUNS}",
        ("", "wall s", "CPU s"),
        [("the worker", f"{wall:.2f}", f"{cpu:.2f}")],
        (Promise("CPU seconds", cpu, 0.6, unit="s"),),
    )


def _start(work: Work) -> tuple[float, float]:
    started = time.monotonic()
    process = subprocess.Popen(
        work.command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None:
            cpu, is_there = _look(process.pid)
            if is_there:
                return time.monotonic() - started, cpu
            time.sleep(0.001)
        raise CommandError("the worker ended and has started no ffmpeg")
    finally:
        process.wait()


def _look(pid: int) -> tuple[float, bool]:
    """CPU seconds of a process and its children, living and gone; whether one of them is ffmpeg."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        children = [
            child
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return 0.0, False
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    seconds = sum(int(field) for field in fields[11:15]) / _TICKS
    below = [_look(int(child)) for child in children]
    is_there = name in ("ffmpeg", "ffprobe") or any(found for _, found in below)
    return seconds + sum(cpu for cpu, _ in below), is_there
