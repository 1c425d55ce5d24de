"""Runs ffmpeg, ffprobe and vmaf in the sandbox; knows processes, and nothing of video.

The media half gets a ``Tools`` and runs all its children through it, from the main thread (a child
dies with the thread that started it). This module must not build or understand an argument.
"""

from __future__ import annotations

import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import (
    FFmpegFailed,
    NodeDiskFull,
    NotDoable,
    OutOfMemory,
    SaidTooMuch,
    ScratchFull,
    WorkerError,
)
from .sandbox import Sandbox, describe
from .scratch import Scratch
from .stop import Stop

PROGRAMS = {
    "ffmpeg": "install ffmpeg 5.1 or later",
    "ffprobe": "install ffmpeg 5.1 or later",
    "vmaf": "use the project's image",
}
"""What is run at all, and what to do where it is missing."""
MAX_LOG_BYTES = 16 << 20
"""A damaged film can make a child complain about every frame; the rest of it is cut off."""
_TAIL_BYTES = 64 << 10
"""ffmpeg's account at the end of a pass fits in, for as many streams as there may be."""
_TOLD_BYTES = 4096
"""Of that, what a message tells."""
_GRACE_SECONDS = 3.0
_SETUP_FAILED = 125
_COMMANDS = "commands.sh"
_SAYS_NO_MEMORY = ("Cannot allocate memory", "Out of memory", "malloc of size", "bad_alloc")
_ADDRESSES = re.compile(r"^(?:\[[^\]]* @ 0x[0-9a-f]+\] )*")
_COMPLAINT = re.compile(_ADDRESSES.pattern + r"\[(?:error|fatal|panic)\] +(.+)")
"""A line of a log with levels that says what went wrong, and where in memory."""
_SAYS_DISK_FULL = ("No space left on device", "Disk quota exceeded")


@dataclass(frozen=True)
class Completed:
    """How a child ended, and what it cost."""

    stdout: bytes
    stderr_tail: str
    log: Path | None
    wall_seconds: float
    cpu_seconds: float
    max_rss_bytes: int
    exit_code: int = 0
    """As a shell would say it for a normal end; minus the signal's number for a kill."""


class ChildFailed(FFmpegFailed):
    """ffmpeg or ffprobe ended with an error of its own."""

    def __init__(self, message: str, *, log_tail: str, exit_code_child: int) -> None:
        super().__init__(message, log_tail=log_tail)
        self.exit_code_child = exit_code_child


class Tools:
    """What the media half runs children with."""

    def __init__(self, scratch: Scratch, sandbox: Sandbox, stop: Stop) -> None:
        self._scratch = scratch
        self._sandbox = sandbox
        self.stop = stop
        """Ends every child when it is requested."""
        self._versions: dict[str, str] = {}

    def stopped_by(self, stop: Stop) -> Tools:
        """The same for children that end when something else is requested."""
        return Tools(self._scratch, self._sandbox, stop)

    def limit_files(self, most_bytes: int | None) -> None:
        """From now on no child may write a larger file."""
        self._sandbox = replace(self._sandbox, file_bytes=most_bytes)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        cwd: Path | None = None,
        on_stdout_line: Callable[[str], None] | None = None,
        max_stdout_bytes: int = 16 << 20,
        data_bytes: int | None = None,
        log_name: str | None = None,
        check: bool = True,
        reads: Sequence[Path] = (),
    ) -> Completed:
        """Run a command to its end.

        Args:
            argv: the command; its first word is one of ``PROGRAMS``.
            timeout_seconds: wall-clock limit.
            cwd: working folder; the scratch folder by default.
            on_stdout_line: is given each line of stdout; nothing is collected then.
            max_stdout_bytes: most that is collected of stdout.
            data_bytes: most memory that it may write to. A child that says that this was too little
                has failed like any other, for it is the file that asked for so much.
            log_name: keeps the whole of stderr in the scratch folder's logs, under this name.
            check: whether an exit code other than 0 is an error.
            reads: named pipes that it reads while another child writes them.

        Raises:
            FFmpegFailed: the child failed (with ``exit_code_child``), or ran past its limit.
            SaidTooMuch: it wrote more than is collected.
            OutOfMemory: the child was killed for memory, or says that it had too little.
            ScratchFull: the child had no room to write.
            Interrupted: we were told to stop; the child is gone.
            NotDoable: the program is not installed.
        """
        self.stop.check()
        path = find_program(argv[0])
        self._note(argv, cwd, reads)
        log = self._scratch.logs / f"{log_name}.log" if log_name else None
        child = _Child(
            self._sandbox.wrap(path, argv, timeout_seconds=timeout_seconds, data_bytes=data_bytes),
            cwd or self._scratch.root,
            log,
        )
        sink = _Lines(on_stdout_line) if on_stdout_line else _Collected(argv[0], max_stdout_bytes)
        try:
            ended = child.follow(self.stop, sink, timeout_seconds)
        finally:
            child.close()
        if ended is None:
            raise FFmpegFailed(
                f"{argv[0]} was stopped after {timeout_seconds:g} s, the limit for this pass; "
                "give the workers more CPU, or ask for less.",
                log_tail=child.tail[-_TOLD_BYTES:],
            )
        sink.close()
        completed = Completed(
            stdout=sink.data,
            stderr_tail=child.tail,
            log=log,
            wall_seconds=child.wall_seconds,
            cpu_seconds=child.cpu_seconds,
            max_rss_bytes=child.max_rss_bytes,
            exit_code=ended,
        )
        if ended != 0:
            _raise_for(argv[0], completed, check=check, is_bounded=data_bytes is not None)
        return completed

    def versions(self) -> dict[str, str]:
        """What runs the passes, and what protects us from it."""
        if not self._versions:
            listed = self.run(["ffmpeg", "-hide_banner", "-version"], timeout_seconds=10).stdout
            first = listed.decode(errors="replace").partition("\n")[0].split()
            self._versions = {"ffmpeg": first[2] if len(first) > 2 else "unknown", **describe()}
        return self._versions

    def _note(self, argv: Sequence[str], cwd: Path | None, pipes: Sequence[Path]) -> None:
        """Add the command to those that are published, so that a run can be repeated by hand."""
        words = shlex.join(argv)
        if cwd is not None:
            words = f"(cd {shlex.quote(str(cwd))} && {words})"
        if pipes:  # it has to be there already when the next command begins to write
            words = f"{shlex.join(['mkfifo', *map(str, pipes)])} && {words} &"
        with (self._scratch.logs / _COMMANDS).open("a") as commands:
            commands.write(words + "\n")


def find_program(name: str) -> Path:
    """Where one of the programs is.

    Raises:
        NotDoable: if it isn't installed, or is another program.
    """
    if name not in PROGRAMS:
        raise NotDoable(f"A worker runs {', '.join(PROGRAMS)}, and not {name!r}.")
    path = shutil.which(name)
    if path is None:
        raise NotDoable(f"{name} is not installed here; {PROGRAMS[name]}.")
    return Path(path)


def has_program(name: str) -> bool:
    """Whether one of the programs is installed."""
    return shutil.which(name) is not None


def _raise_for(name: str, ended: Completed, *, check: bool, is_bounded: bool) -> None:
    """Tell why a child that didn't end well did so; with ``check=False``, only what is ours."""
    tail, code = ended.stderr_tail, ended.exit_code
    if code == _SETUP_FAILED and "videojob-sandbox:" in tail:
        raise WorkerError(f"{name} could not be put in its sandbox.", log_tail=tail)
    says_no_memory = not is_bounded and any(words in tail for words in _SAYS_NO_MEMORY)
    if code == -signal.SIGKILL or says_no_memory:
        raise OutOfMemory(
            f"{name} ran out of memory (it used {ended.max_rss_bytes >> 20} MiB); raise "
            "resources.limits.memory, or ask for fewer or smaller renditions.",
            log_tail=tail,
        )
    if any(words in tail for words in _SAYS_DISK_FULL):
        raise NodeDiskFull(
            f"{name} found the node's disk full; give nodes more room for ephemeral storage.",
            log_tail=tail,
        )
    if code == -signal.SIGXFSZ or "File too large" in tail:
        raise ScratchFull(
            f"{name} had no room left in the scratch folder; make the input's limits.maxBytes "
            "larger (scratch space follows it), or ask for fewer renditions.",
            log_tail=tail,
        )
    if check:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        raise ChildFailed(f"{name} {how}: {_headline(tail)}", log_tail=tail, exit_code_child=code)


def _headline(tail: str) -> str:
    """The last error in a log, or its last line where the lines don't tell their level."""
    lines = [line for line in reversed(tail.splitlines()) if line.strip()]
    complaints = (found[1] for line in lines if (found := _COMPLAINT.match(line)))
    last = lines[0] if lines else "it did not say why"
    return next(complaints, _ADDRESSES.sub("", last))


class _Collected:
    """All of stdout, up to a limit."""

    def __init__(self, name: str, limit: int) -> None:
        self._name, self._limit, self._parts, self._size = name, limit, list[bytes](), 0

    def take(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit:
            raise SaidTooMuch(f"{self._name} wrote more than {self._limit} bytes; stopped.")
        self._parts.append(chunk)

    def close(self) -> None:
        """Nothing is left over."""

    @property
    def data(self) -> bytes:
        return b"".join(self._parts)


class _Lines:
    """Stdout, line by line, to a callback."""

    data = b""

    def __init__(self, callback: Callable[[str], None]) -> None:
        self._callback, self._rest = callback, b""

    def take(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self._rest = self._rest[-(1 << 16) :]
        for line in lines:
            self._callback(line.decode(errors="replace"))

    def close(self) -> None:
        if self._rest:
            self._callback(self._rest.decode(errors="replace"))


class _Child:
    """A started process and the reading ends of its pipes."""

    wall_seconds = cpu_seconds = 0.0
    max_rss_bytes = 0

    def __init__(self, command: list[str], cwd: Path, log: Path | None) -> None:
        self._started = time.monotonic()
        self._tail = b""
        self._logged = 0
        self._log = log.open("wb") if log else None
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def tail(self) -> str:
        """The last lines of stderr."""
        text = self._tail.decode(errors="replace").replace("\r", "\n")
        return text if len(self._tail) < _TAIL_BYTES else text.partition("\n")[2]

    def follow(self, stop: Stop, sink: _Collected | _Lines, timeout_seconds: float) -> int | None:
        """Read both pipes until the child has ended.

        Returns:
            Its exit code, or None if it ran past its limit.

        Raises:
            Interrupted: if a stop was requested meanwhile.
        """
        process = self._process
        if process.stdout is None or process.stderr is None:
            raise WorkerError("a child was started without pipes")
        deadline = self._started + timeout_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, sink.take)
            selector.register(process.stderr, selectors.EVENT_READ, self._take_stderr)
            selector.register(stop, selectors.EVENT_READ)
            while len(selector.get_map()) > 1:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                stop.check()
                if time.monotonic() >= deadline:
                    return None
                for key, _ in ready:
                    chunk = os.read(key.fd, 1 << 16)
                    if chunk:
                        key.data(chunk)
                    else:
                        selector.unregister(key.fileobj)
        return self._wait(max(0.1, deadline - time.monotonic()))

    def close(self) -> None:
        """End the child, if it hasn't, and let go of everything."""
        process = self._process
        if process.returncode is None:
            # Not by Popen's own means: they look first whether it has ended, and reap it from under us.
            os.kill(process.pid, signal.SIGTERM)
            if self._wait(_GRACE_SECONDS) is None:
                os.kill(process.pid, signal.SIGKILL)
                self._wait(60.0)
        for pipe in (process.stdout, process.stderr, self._log):
            if pipe is not None:
                pipe.close()
        self.wall_seconds = time.monotonic() - self._started

    def _wait(self, seconds: float) -> int | None:
        """Reap the child and note what it used; None if it hasn't ended by then."""
        deadline, pause = time.monotonic() + seconds, 0.0005
        while True:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid != 0:
                break
            if time.monotonic() > deadline:
                return None
            time.sleep(pause)
            pause = min(0.02, pause * 2)
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.max_rss_bytes = usage.ru_maxrss * (1024 if sys.platform == "linux" else 1)
        self.wall_seconds = time.monotonic() - self._started
        return code

    def _take_stderr(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
        if self._log is not None and self._logged < MAX_LOG_BYTES:
            self._log.write(chunk[: MAX_LOG_BYTES - self._logged])
            self._logged += len(chunk)
