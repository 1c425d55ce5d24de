"""Long-lived processes that outlast the command that started them, and their safe ending.

Used by the modules that bring the cluster's parts up and down. A process is known by pid *and*
start time, written to a file, so that a recycled pid is never signalled. Must not end anything
by name: what is not in the records, or not a descendant of a recorded process, is left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from places import LOGS, PIDS

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Process:
    """One process, told apart from a later one that got the same pid."""

    pid: int
    start_ticks: int
    boot_id: str


@dataclass(frozen=True)
class Record:
    """What is written down about a process that was started."""

    process: Process
    key: str
    """Stands for the command and its configuration: another key means that it is out of date."""


def identify(pid: int) -> Process | None:
    """The process that has this pid now; None when there is none, or only a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name is in parentheses and may hold spaces: the fields start after the last one.
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Process(pid, int(fields[19]), _BOOT_ID.read_text().strip())


def is_alive(process: Process) -> bool:
    """Whether this very process still runs."""
    return identify(process.pid) == process


def start(name: str, argv: Sequence[str], key: str = "") -> Process:
    """Start a recorded process in a session of its own, its output appended to its log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    PIDS.mkdir(parents=True, exist_ok=True)
    with log_of(name).open("ab") as log:
        # A session of its own: Ctrl-C in the terminal of `make` must not reach it.
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = identify(child.pid)
    if process is None:
        raise RuntimeError(f"{name} ended at once; its log is {log_of(name)}")
    (PIDS / f"{name}.json").write_text(json.dumps(asdict(Record(process, key))))
    return process


def recorded(name: str) -> Record | None:
    """What was started under this name, alive or not."""
    try:
        found = json.loads((PIDS / f"{name}.json").read_text())
        return Record(Process(**found["process"]), found["key"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def running(name: str) -> Record | None:
    """What was started under this name if it still runs."""
    record = recorded(name)
    return record if record is not None and is_alive(record.process) else None


def stop(name: str, grace_seconds: float = 5.0) -> None:
    """End a recorded process: SIGTERM, then SIGKILL after the grace."""
    record = recorded(name)
    if record is not None:
        end([record.process], grace_seconds)
    (PIDS / f"{name}.json").unlink(missing_ok=True)


def end(processes: Iterable[Process], grace_seconds: float) -> None:
    """End all of these together and wait until they are gone."""
    left = [process for process in processes if is_alive(process)]
    rounds = [(signal.SIGTERM, grace_seconds)] if grace_seconds > 0 else []
    for number, seconds in [*rounds, (signal.SIGKILL, 5.0)]:
        for process in left:
            _signal(process, number)
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            time.sleep(0.02)
            left = [process for process in left if is_alive(process)]
        if not left:
            return


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if is_alive(process):
            os.kill(process.pid, number)
    # Reap it if it is a child of this very command; else it would stay as a zombie until we end.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


def with_arguments(*words: str) -> list[Process]:
    """Processes whose command line holds each of these words as an argument of its own."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if all(word in argv for word in words):
            process = identify(int(entry.name))
            if process is not None:
                found.append(process)
    return found


def with_environment(word: str, *texts: str) -> list[Process]:
    """Processes with this word among their arguments and each of these texts in their environment."""
    found = []
    for process in with_arguments(word):
        with contextlib.suppress(OSError):
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            if all(text.encode() in environment for text in texts):
                found.append(process)
    return found


def descendants(roots: Iterable[Process]) -> list[Process]:
    """All processes below these, the roots not included."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = []
    queue = [process.pid for process in roots]
    while queue:
        for pid in children.get(queue.pop(), []):
            queue.append(pid)
            process = identify(pid)
            if process is not None:
                found.append(process)
    return found


def log_of(name: str) -> Path:
    """The file that takes the output of the process of this name."""
    return LOGS / f"{name}.log"


def log_tail(name: str, lines: int = 12) -> str:
    """The last lines a process wrote, for an error message."""
    try:
        return "\n".join(log_of(name).read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"
