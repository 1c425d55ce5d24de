"""What a command costs: wall time, CPU seconds of it and all that it starts, and memory at its peak.

Used by the parts of the bench. CPU seconds are the kernel's count at the end; memory is looked at every
few hundredths of a second, as the sum over all processes, pages that they share counted in each.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

THREADS = "2"
ENVIRONMENT = {**os.environ, "VIDEOJOB_CPU_LIMIT": THREADS}
_LOOK_SECONDS = 0.03
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Cost:
    """What was spent."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        """One after the other."""
        return Cost(
            self.wall_seconds + other.wall_seconds,
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_bytes, other.peak_bytes),
        )

    def cells(self) -> tuple[str, str, str]:
        """For a table: wall, CPU, MiB."""
        peak = f"{self.peak_bytes / (1 << 20):.0f}" if self.peak_bytes else ""
        return f"{self.wall_seconds:.1f}", f"{self.cpu_seconds:.1f}", peak


class CommandError(Exception):
    """A command of the bench failed; the message has its last words."""


def measure(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] = ENVIRONMENT,
    cwd: Path | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = subprocess.DEVNULL,
) -> Cost:
    """Run a command to its end.

    Raises:
        CommandError: if it fails.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    peak, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_SECONDS):
            peak[0] = max(peak[0], tree_bytes(process.pid))

    def listen() -> None:
        if process.stderr is not None:
            for line in process.stderr:
                said.append(line)
                del said[:-40]

    said: list[bytes] = []
    threads = [threading.Thread(target=look), threading.Thread(target=listen)]
    for thread in threads:
        thread.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    for thread in threads:
        thread.join()
    if process.stderr is not None:
        process.stderr.close()
    if process.returncode != 0:
        words = b"".join(said).decode(errors="replace")
        raise CommandError(f"{' '.join(command)[:300]} ended {process.returncode}: {words[-2000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak[0])


def measure_fed(feeder: Sequence[str], command: Sequence[str]) -> Cost:
    """The cost of a command that reads what another writes; the other's is left out."""
    with subprocess.Popen(feeder, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as source:
        if source.stdout is None:
            raise CommandError("the feeder has no output")
        with source.stdout as pipe:
            return measure(command, stdin=pipe.fileno())


def tree_bytes(pid: int) -> int:
    """Resident memory of a process and all below it; what ends meanwhile counts nothing."""
    total = 0
    with suppress(OSError, ValueError, IndexError):
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += tree_bytes(int(child))
    return total


def best(runs: int, run: Callable[[], Cost]) -> Cost:
    """The run of least CPU seconds: what others do at the same time only adds."""
    return min((run() for _ in range(runs)), key=lambda cost: cost.cpu_seconds)
