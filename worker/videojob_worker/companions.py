"""Runs programs beside ffmpeg that compare films as it writes them: nothing of those lies anywhere.

Called by ``passes.run_pass``. ffmpeg writes the frames of both films in turn into one named pipe, and
each goes on into the one that the program reads that film from. Had ffmpeg two pipes to write, it would
wait at one of them for a program that waits at the other. Must not know what is compared.
"""

from __future__ import annotations

import fcntl
import os
import select
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from .errors import FFmpegFailed
from .stop import Stop

if TYPE_CHECKING:
    from .ffmpeg import Tools

_LOOK_SECONDS = 0.01
_PIPE_BYTES = 1 << 20
_NOBODY_READS = "Broken pipe"


@dataclass(frozen=True)
class Companion:
    """A program, and the pipes between it and ffmpeg."""

    argv: tuple[str, ...]
    source: Path
    """Where ffmpeg writes."""
    pipes: tuple[Path, ...]
    """Where the program reads, in the order in which it opens them."""
    frame_bytes: int
    """So much goes into one pipe, and then into the next."""


class _Running:
    """One of them at work, in two threads: one starts it and waits for it, one deals out frames."""

    def __init__(
        self,
        companion: Companion,
        tools: Tools,
        timeout_seconds: float,
        problems: list[BaseException],
    ) -> None:
        self._companion, self._timeout = companion, timeout_seconds
        self._over = Stop()
        """Requested when the program has ended, and when it shall."""
        self._tools = tools.stopped_by(self._over)
        self._no_ffmpeg = Event()
        """Set when it has ended."""
        self._problems = problems
        """What went wrong, in all of them, the first first."""
        for pipe in (companion.source, *companion.pipes):
            pipe.parent.mkdir(parents=True, exist_ok=True)
            os.mkfifo(pipe, 0o600)
        # Open before ffmpeg is started, so that it finds a reader whatever happens here.
        self._source = _widened(os.open(companion.source, os.O_RDONLY | os.O_NONBLOCK))
        self._threads = [
            Thread(target=work, name=f"{work.__name__} {companion.argv[0]}", daemon=True)
            for work in (self._run, self._deal)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        """The program from its start to its end; this thread lives as long as it does."""
        argv, pipes = self._companion.argv, self._companion.pipes
        try:
            self._tools.run(argv, timeout_seconds=self._timeout, reads=pipes)
        except BaseException as problem:
            self._problems.append(problem)
        self._over.request()

    def _deal(self) -> None:
        """Every frame where it belongs, until nobody writes any more, or nobody reads."""
        with ExitStack() as stack, suppress(BrokenPipeError):
            stack.callback(self._refuse)
            ends = []
            for pipe in self._companion.pipes:
                if (end := self._open(pipe)) is None:
                    return
                stack.callback(os.close, end)
                ends.append(end)
            for end in cycle(ends):
                if not self._pass_on(end):
                    return

    def _refuse(self) -> None:
        """Close the end that ffmpeg writes to, but not before it has come: it would wait for ever."""
        while not select.select([self._source], [], [], _LOOK_SECONDS)[0]:
            if self._no_ffmpeg.is_set():
                break
        os.close(self._source)

    def _open(self, pipe: Path) -> int | None:
        """The end to write into, once the program has opened the other one; None if it never will."""
        while not select.select([self._over], [], [], _LOOK_SECONDS)[0]:
            with suppress(OSError):  # ENXIO: nobody yet
                return _widened(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return None

    def _pass_on(self, end: int) -> bool:
        """A frame from ffmpeg to the program; whether there was one."""
        left, over = self._companion.frame_bytes, self._over.fileno()
        while left:
            for read, written in (([self._source, over], []), ([over], [end])):
                if over in select.select(read, written, [])[0]:
                    return False
            with suppress(BlockingIOError):
                moved = os.splice(self._source, end, left, flags=os.SPLICE_F_NONBLOCK)
                if moved == 0:
                    return False
                left -= moved
        return True

    def close(self, *, early: bool) -> None:
        """Wait for its end, or see to it; leave nothing behind."""
        self._no_ffmpeg.set()
        if early:
            self._over.request()
        for thread in self._threads:
            thread.join()
        self._over.close()
        for pipe in (self._companion.source, *self._companion.pipes):
            pipe.unlink(missing_ok=True)


def _widened(pipe: int) -> int:
    """A pipe with room for more; where that is not allowed, it costs a little time, and no more."""
    with suppress(PermissionError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return pipe


@contextmanager
def accompanied(
    companions: Sequence[Companion], tools: Tools, *, timeout_seconds: float
) -> Iterator[None]:
    """Have programs run while the context lasts; they end before it is left.

    Raises:
        FFmpegFailed, OutOfMemory, …: as ``Tools.run``. Where ffmpeg failed only because nobody read any
            more, the reader's error.
    """
    running: list[_Running] = []
    problems: list[BaseException] = []
    try:
        for companion in companions:
            running.append(_Running(companion, tools, timeout_seconds, problems))
        yield
    except BaseException as error:
        is_told_by_reader = isinstance(error, FFmpegFailed) and _NOBODY_READS in (
            error.log_tail or ""
        )
        for each in running:
            each.close(early=not is_told_by_reader)
        if is_told_by_reader and problems:
            raise problems[0] from error
        raise
    for each in running:
        each.close(early=False)
    if problems:
        raise problems[0]
