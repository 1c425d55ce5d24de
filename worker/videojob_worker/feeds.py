"""Feeds noise to a running ffmpeg through named pipes in the scratch folder, as fast as it reads.

Called by ``passes.run_pass``. A pipe holds a picture or two at a time: neither memory nor disk grow with
the film, and nothing of the noise is left afterwards. It must not know what the noise is for.
"""

from __future__ import annotations

import fcntl
import os
import select
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread

from .nodes import Noise

_PIPE_BYTES = 1 << 20
_LOOK_SECONDS = 0.01


class _Feeder(Thread):
    """Writes the pictures of one noise until it is stopped."""

    def __init__(self, noise: Noise) -> None:
        super().__init__(name=f"feed {noise.path.name}", daemon=True)
        self._noise = noise
        self._ended, self._end = os.pipe()
        noise.path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(noise.path, 0o600)
        self.problem: BaseException | None = None

    def run(self) -> None:
        """Write until nobody reads or we are told to stop; what goes wrong ends it and is kept."""
        pipe = self._open()
        if pipe is None:
            return
        try:
            from .noise import planes  # numpy takes a tenth of a second

            for picture in planes(self._noise):
                if not all(self._write(pipe, part) for part in picture):
                    return
        except BrokenPipeError:
            return
        except BaseException as problem:
            self.problem = problem
        finally:
            os.close(pipe)

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
        os.close(self._ended)
        self._noise.path.unlink(missing_ok=True)


@contextmanager
def feeding(noises: Sequence[Noise]) -> Iterator[None]:
    """Have noise ready at its pipes for as long as the context lasts.

    Raises:
        Exception: at the end, whatever kept noise from being made.
    """
    with ExitStack() as stack:
        feeders = []
        for noise in noises:
            feeders.append(feeder := _Feeder(noise))
            feeder.start()
            stack.callback(feeder.close)
        yield
    for feeder in feeders:
        if feeder.problem is not None:
            raise feeder.problem
