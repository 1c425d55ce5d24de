"""Runs the worker on a suspicious file and watches what it really does.

``run`` starts a worker as its pod would, in a folder that nothing else uses. Around it lie lures:
files that no film has a reason to open (inotify tells who does) and a server that nobody has a reason
to call. Used by the corpus test and by ``fuzz``; what is wrong comes back as sentences.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker_pod import Pod

from videojob_api.report import Result

from .specimens import Specimen

MEMORY_BYTES = 768 << 20
"""What the worker is told that its container has; no process of it may be seen with more."""
LIMITS = {"maxBytes": "64Mi", "maxDurationSeconds": 600, "maxPixels": 1920 * 1088}
_CPU_SECONDS = 60.0
"""Far more than a film of a second takes; a machine that is busy does not make it more."""
_WALL_SECONDS = 240.0
_IN_OPEN = 0x20
_USAGE = """
import json, resource, signal, subprocess, sys
worker = subprocess.Popen(sys.argv[2:])
signal.signal(signal.SIGTERM, lambda *_: worker.kill())
code = worker.wait()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
told = [code, used.ru_utime + used.ru_stime, used.ru_maxrss << 10]
open(sys.argv[1], "w").write(json.dumps(told))
"""
"""Starts the worker and tells what it and its children used: a process counts the memory of the one
that it was forked from as its own, and this one is small."""


@dataclass(frozen=True)
class Outcome:
    """What came of a file."""

    said: str
    """``Succeeded``, or the reason."""
    message: str
    findings: tuple[str, ...]
    """What should not have been; empty if all is well."""
    cpu_seconds: float
    max_rss_bytes: int


class Lab:
    """A folder with lures; one run at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.canaries = folder / "canaries"
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.port: int = self._server.getsockname()[1]
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._watch = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._watch < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def close(self) -> None:
        """Let go of the server and the watch; the folder stays."""
        self._server.close()
        os.close(self._watch)

    def place_canaries(self, film: bytes) -> None:
        """Files that would play if they were opened, beside the film and elsewhere."""
        for folder in (self.canaries, self.folder / "store"):
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("canary.ts", "canary.mp4", "canary.txt"):
                (folder / name).write_bytes(film)
                path = os.fsencode(folder / name)
                if self._libc.inotify_add_watch(self._watch, path, _IN_OPEN) < 0:
                    raise OSError(ctypes.get_errno(), f"inotify of {name}")

    def disturbed(self) -> list[str]:
        """What has happened to the lures since the last time."""
        found = []
        try:
            if os.read(self._watch, 1 << 16):
                found.append("another file was opened")
        except BlockingIOError:
            pass
        try:
            connection, _ = self._server.accept()
            connection.close()
            found.append("the network was reached")
        except BlockingIOError:
            pass
        return found

    def run(self, specimen: Specimen, film: Path, program: tuple[str, ...] = ()) -> Outcome:
        """Have a worker work on a file, and look at all that came of it.

        Args:
            specimen: what it is, and what may be said of it.
            film: the file.
            program: what is started instead of the worker itself.
        """
        for name in ("store/film", "store/out", "scratch", "home", "message"):
            _remove(self.folder / name)
        for name in ("store", "scratch", "home"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        _link(film, self.folder / "store/film")
        self.disturbed()
        run = _Run(self, specimen, program)
        run.follow()
        return run.judge()


@dataclass
class _Run:
    lab: Lab
    specimen: Specimen
    program: tuple[str, ...]
    findings: list[str] = field(default_factory=list)
    exit_code: int | None = None
    log: str = ""
    cpu_seconds = 0.0
    max_rss_bytes = 0

    def follow(self) -> None:
        """Start it and wait for its end, or make one."""
        lab = self.lab
        order = {"steps": self.specimen.steps, "limits": LIMITS}
        pod = Pod(lab.folder, order=order)
        pod.program = self.program or pod.program
        home = str(lab.folder / "home")
        more = {"HOME": home, "TMPDIR": home, "VIDEOJOB_MEMORY_LIMIT_BYTES": str(MEMORY_BYTES)}
        usage = lab.folder / "usage"
        with (lab.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    _USAGE,
                    str(usage),
                    sys.executable,
                    *pod.program,
                ],
                env={**pod.environ("film"), **more},
                cwd=home,
                stdout=log,
                stderr=log,
            )
            try:
                process.wait(_WALL_SECONDS)
            except subprocess.TimeoutExpired:
                self.findings.append(f"it did not end within {_WALL_SECONDS:g} s")
                process.terminate()
                process.wait()
        self.exit_code, self.cpu_seconds, self.max_rss_bytes = json.loads(usage.read_text())
        self.log = (lab.folder / "log").read_text(errors="replace")

    def judge(self) -> Outcome:
        """All that can be told from outside."""
        result = self._result()
        said = "nothing" if result is None else (result.reason or result.state.value)
        self._judge_cost()
        self.findings += self.lab.disturbed()
        self._judge_traces(result)
        if result is not None:
            self._judge_result(result, said)
        return Outcome(
            said,
            f"{result.message}\n{result.log_tail or ''}" if result else self.log[-2000:],
            tuple(self.findings),
            self.cpu_seconds,
            self.max_rss_bytes,
        )

    def _result(self) -> Result | None:
        if "Traceback" in self.log:
            self.findings.append("there is a traceback in its log")
        try:
            return Result.model_validate_json((self.lab.folder / "message").read_text())
        except (OSError, ValueError):
            self.findings.append(f"it ended with {self.exit_code} and left no message")
            return None

    def _judge_cost(self) -> None:
        if self.cpu_seconds > _CPU_SECONDS:
            self.findings.append(f"it took {self.cpu_seconds:.0f} s of CPU")
        if self.max_rss_bytes > MEMORY_BYTES:
            self.findings.append(f"it took {self.max_rss_bytes >> 20} MiB of memory")

    def _judge_traces(self, result: Result | None) -> None:
        """Files and processes that are still there."""
        folder = self.lab.folder
        left = [p for name in ("scratch", "home") for p in (folder / name).rglob("*")]
        published = folder / "store/out"
        if result is None or result.exit_code != 0:
            left += [p for p in published.rglob("*") if p.is_file() and ".logs" not in p.parts]
        self.findings += [f"{path.relative_to(folder)} was left behind" for path in left[:5]]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                where = os.readlink(process / "cwd")
            except OSError:
                continue
            if where.startswith(str(folder / "scratch")):
                self.findings.append(f"process {process.name} is still there")

    def _judge_result(self, result: Result, said: str) -> None:
        if result.exit_code != self.exit_code:
            self.findings.append(f"it said {result.exit_code} and ended with {self.exit_code}")
        if said not in self.specimen.wanted:
            self.findings.append(f"{said} is not what may be said of it")
        if result.exit_code == 0:
            self.findings += verify(
                self.lab.folder / "store",
                self.lab.folder / "store/out/in-0",
                plays=not self.specimen.is_copied,
            )
        elif not result.message or "Traceback" in str(result.message):
            self.findings.append("it was refused without a sentence")


def verify(store: Path, made: Path, *, plays: bool) -> list[str]:
    """Whether what was published is as its manifest says, and plays to its end where it must."""
    manifest: dict[str, Any] = json.loads((made / "manifest.json").read_text())
    wrong = []
    listed = {str(output["key"]): output for output in manifest["outputs"]}
    there = {
        str(p.relative_to(store)) for p in made.rglob("*") if p.is_file() and "/." not in str(p)
    }
    there -= {str((made / "manifest.json").relative_to(store))}
    if there != set(listed):
        wrong.append(f"published and listed differ: {sorted(there ^ set(listed))}")
    for key, output in listed.items():
        path = store / key
        if not path.exists():
            continue
        data = path.read_bytes()
        if (len(data), hashlib.sha256(data).hexdigest()) != (output["bytes"], output["sha256"]):
            wrong.append(f"{key} has other bytes than its manifest says")
        if plays and path.suffix in (".mp4", ".m4a", ".mkv", ".webm", ".mov"):
            wrong += _played(path)
    return wrong


def _played(path: Path) -> list[str]:
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames"]
    done = subprocess.run(
        [*command, "-of", "csv=p=0", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )
    said = done.stderr.strip().splitlines()
    frames = done.stdout.split()
    if done.returncode or said or not frames or "0" in frames:
        return [f"{path.name} does not play: {frames} {said[:1]}"]
    return []


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _link(film: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    os.link(film, target)
