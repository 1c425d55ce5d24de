"""Feeds noise to a running ffmpeg through named pipes in the scratch folder, as fast as it reads.

Called by ``passes.run_pass``. A pipe holds a picture or two at a time: neither memory nor disk grow with
the film, and nothing of the noise is left afterwards. Noise that follows from the film is shown it by a
second ffmpeg, through a pipe as well. It must not know what the noise is for.
"""

from __future__ import annotations

import fcntl
import os
import select
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

from .looks import Feed, Look

if TYPE_CHECKING:
    from .ffmpeg import Tools

_PIPE_BYTES = 1 << 20
_LOOK_SECONDS = 0.01


class _Show(Thread):
    """Runs the ffmpeg that shows the film, and reads what it shows."""

    def __init__(self, look: Look, tools: Tools, ended: int) -> None:
        super().__init__(name=f"feed {look.path.name}", daemon=True)
        self._look, self._tools, self._ended = look, tools, ended
        os.mkfifo(look.path, 0o600)
        self._pipe = os.open(look.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._problem: BaseException | None = None

    def run(self) -> None:
        """Let it show, to its end or until nobody looks any more; what goes wrong is kept."""
        try:
            self._tools.run(
                self._look.argv,
                timeout_seconds=self._look.timeout_seconds,
                on_stdout_line=lambda _: None,
            )
        except BaseException as problem:
            self._problem = problem
        finally:
            # It may have ended before it opened the pipe: whoever reads would wait for ever.
            with suppress(OSError):
                os.close(os.open(self._look.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))

    def frames(self, size_bytes: int) -> Iterator[bytes]:
        """Frame after frame, each of so many bytes.

        Raises:
            Exception: whatever kept it from showing the film to its end.
        """
        self.start()
        while (frame := self._read(size_bytes)) is not None:
            yield frame
        if select.select([self._ended], [], [], 0)[0]:  # nobody looks any more: it may be blocked
            return
        self.join()
        if self._problem is not None:
            raise self._problem

    def _read(self, size_bytes: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size_bytes:
            # A pipe that nobody has opened to write yet is not ready; one that was closed is.
            told, _, _ = select.select([self._ended, self._pipe], [], [])
            if self._ended in told:
                return None
            chunk = os.read(self._pipe, size_bytes - len(parts))
            if not chunk:
                return None
            parts += chunk
        return bytes(parts)

    def close(self) -> None:
        """End it, wherever it is: it may only just be about to open the pipe."""
        os.close(self._pipe)
        while self.is_alive():
            with suppress(OSError):
                os.close(os.open(self._look.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            self.join(_LOOK_SECONDS)
        self._look.path.unlink(missing_ok=True)


class _Feeder(Thread):
    """Writes the pictures of one noise until it is stopped."""

    def __init__(self, feed: Feed, tools: Tools) -> None:
        super().__init__(name=f"feed {feed.noise.path.name}", daemon=True)
        self._noise = feed.noise
        self._ended, self._end = os.pipe()
        self._noise.path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(self._noise.path, 0o600)
        self._show = _Show(feed.look, tools, self._ended) if feed.look else None
        self.problem: BaseException | None = None

    def run(self) -> None:
        """Write until nobody reads or we are told to stop; what goes wrong ends it and is kept."""
        pipe = self._open()
        if pipe is None:
            return
        try:
            for picture in self._planes():
                if not all(self._write(pipe, part) for part in picture):
                    return
        except BrokenPipeError:
            return
        except BaseException as problem:
            self.problem = problem
        finally:
            os.close(pipe)

    def _planes(self) -> Iterator[tuple[bytes, bytes]]:
        # numpy takes a tenth of a second, torch some.
        if self._show is None:
            from .noise import planes

            return planes(self._noise)
        from .gradient import FRAME_BYTES, planes_against

        return planes_against(self._noise, self._show.frames(FRAME_BYTES))

    def _open(self) -> int | None:
        """The pipe, once it is read; a reader that came to a closed one would wait for ever."""
        while not select.select([self._ended], [], [], _LOOK_SECONDS)[0]:
            with suppress(OSError):  # ENXIO: nobody yet
                pipe = os.open(self._noise.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                with suppress(PermissionError):  # a small pipe costs a little time, and no more
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
                return pipe
        return None

    def _write(self, pipe: int, data: bytes) -> bool:
        left = memoryview(data)
        while left:
            told, _, _ = select.select([self._ended], [pipe], [])
            if told:
                return False
            with suppress(BlockingIOError):
                left = left[os.write(pipe, left) :]
        return True

    def close(self) -> None:
        """Stop it, and leave nothing behind."""
        os.close(self._end)
        self.join()
        if self._show is not None:
            self._show.close()
        os.close(self._ended)
        self._noise.path.unlink(missing_ok=True)


@contextmanager
def feeding(feeds: Sequence[Feed], tools: Tools) -> Iterator[None]:
    """Have noise ready at its pipes for as long as the context lasts.

    Args:
        feeds: what is to be made.
        tools: run what shows the film.

    Raises:
        Exception: at the end, whatever kept noise from being made.
    """
    with ExitStack() as stack:
        feeders = []
        for feed in feeds:
            feeders.append(feeder := _Feeder(feed, tools))
            feeder.start()
            stack.callback(feeder.close)
        yield
    for feeder in feeders:
        if feeder.problem is not None:
            raise feeder.problem
