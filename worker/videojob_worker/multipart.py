"""One large file to a store in parts, several of them at a time: all of it or nothing.

Used by ``storage`` alone, which knows how a store is asked and what may be tried again. It must not
hold more of a file in memory than the parts on their way, nor leave a part behind.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from .errors import Interrupted, Unverified

PART_BYTES = 16 << 20
"""Files up to this size go in one piece."""
PARTS_AT_ONCE = 4
_MAX_PARTS = 10_000
_LOOK_SECONDS = 0.2


class Upload(Protocol):
    """A store's side of one upload."""

    def begin(self) -> str:
        """Its id from now on."""

    def send(self, upload: str, number: int, data: bytes) -> str:
        """Send a part (numbered from 1); its ETag."""

    def complete(self, upload: str, etags: list[str]) -> None:
        """Make the parts one object."""

    def abort(self, upload: str) -> None:
        """Forget the parts."""


def choose_part_bytes(size_bytes: int) -> int:
    """The size of the parts of a file: as small as a store's limit on their number lets it be."""
    least = -(-size_bytes // _MAX_PARTS)
    return max(PART_BYTES, -(-least // (1 << 20)) << 20)


def send_in_parts(
    to: Upload,
    source: Path,
    room: threading.Semaphore,
    check: Callable[[], None],
) -> None:
    """Send a file.

    Args:
        to: where.
        source: the file; it must not change meanwhile.
        room: one for each part that may be in memory, over all files on their way.
        check: called often; what it raises ends the upload, as does any failure. The parts on their
            way are waited for before the upload is aborted, since one that arrives later would stay.

    Raises:
        Unverified: if the file is shorter than it was.
    """
    upload = to.begin()
    try:
        etags = _send_all(to, upload, source, room, check)
        check()
        to.complete(upload, etags)
    except BaseException:
        with suppress(Exception):  # the next attempt tries again; what went wrong first is told
            to.abort(upload)
        raise


def _send_all(
    to: Upload,
    upload: str,
    source: Path,
    room: threading.Semaphore,
    check: Callable[[], None],
) -> list[str]:
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    abandoned = threading.Event()

    def send(number: int, offset: int, length: int) -> str:
        with room:
            if abandoned.is_set():
                raise Interrupted("Another part failed.")
            return to.send(upload, number, _read(descriptor, offset, length))

    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    pool = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="part")
    try:
        size = os.fstat(descriptor).st_size
        step = choose_part_bytes(size)
        futures = [
            pool.submit(send, number, offset, min(step, size - offset))
            for number, offset in enumerate(range(0, size, step), start=1)
        ]
        pending = set(futures)
        while pending:
            check()
            done, pending = wait(pending, _LOOK_SECONDS, FIRST_EXCEPTION)
            for future in done:
                future.result()
        return [future.result() for future in futures]
    finally:
        abandoned.set()
        pool.shutdown(wait=True, cancel_futures=True)
        os.close(descriptor)


def _read(descriptor: int, offset: int, length: int) -> bytes:
    data = os.pread(descriptor, length, offset)
    while len(data) < length:  # a read gives at most 2 GiB, and less where it likes
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            raise Unverified("A file became shorter while it was published.")
        data += more
    return data
