"""Brings the input into the scratch folder: whole, checked, or an error; never a shorter file.

The first stage of ``run``. Large objects come in ranges over several connections, each bound to the
same ETag; the checksum is taken range by range as they arrive, while they are still in memory. It
must not look into the file, nor know whether it comes from a store or from the web.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from videojob_api.base import parse_quantity
from videojob_api.inputs import Input
from videojob_api.reasons import RejectReason
from videojob_api.videojob import Limits

from .errors import NodeDiskFull, Rejected, StorageUnreachable
from .objects import CHUNK_BYTES, NotThere, ObjectInfo, Origin, Replaced

RANGE_BYTES = 8 << 20
CONNECTIONS = 6
_ROUNDS = 3
"""How often to begin again when the object is replaced while it is read."""


@dataclass(frozen=True)
class Source:
    """The input as it was fetched."""

    path: Path
    size_bytes: int
    etag: str
    sha256: str


def fetch(
    wanted: Input,
    limits: Limits,
    origin: Origin,
    target: Path,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Source:
    """Fetch the input to ``target``.

    Args:
        wanted: key or URL and, perhaps, the checksum it must have.
        limits: the largest size accepted.
        origin: where it is.
        target: the file to make.
        on_progress: is told the fraction done.

    Raises:
        Rejected: NotFound, Empty, TooLarge or ChecksumMismatch, or what ``Web`` raises.
        NodeDiskFull: if there is no room for it.
        StorageRefused: see ``Storage``.
        StorageUnreachable: likewise, or if the object is replaced again and again.
        EndpointUnreachable: see ``Web``.
    """
    for _ in range(_ROUNDS):
        info = _look(wanted, limits, origin, target.parent)
        try:
            sha256 = _transfer(wanted, info, limits, origin, target, on_progress)
        except (Replaced, NotThere):  # the next look tells which
            continue
        if wanted.sha256 is not None and sha256 != wanted.sha256:
            raise Rejected(
                RejectReason.CHECKSUM_MISMATCH,
                f"{wanted.place} has the sha256 {sha256}, and {wanted.sha256} was asked for; upload "
                "it again, or mend the checksum.",
            )
        return Source(target, target.stat().st_size, info.etag, sha256)
    raise StorageUnreachable(
        f"{wanted.place} was replaced {_ROUNDS} times while it was read; let its upload finish."
    )


def _look(wanted: Input, limits: Limits, origin: Origin, folder: Path) -> ObjectInfo:
    try:
        info = origin.stat(wanted.location)
    except NotThere as answer:
        raise Rejected(
            RejectReason.NOT_FOUND,
            f"{wanted.place} was not found: {answer}; check the {wanted.source_kind}.",
        ) from answer
    if info.size_bytes is None:
        return info
    _check_size(wanted, info.size_bytes, limits)
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if info.size_bytes > free:
        raise NodeDiskFull(
            f"{wanted.place} has {info.size_bytes} bytes, and the disk has room for {free}."
        )
    return info


def _check_size(wanted: Input, size_bytes: int, limits: Limits, *, is_all: bool = True) -> None:
    """Asked again of the fetched file by ``validate``; here, so that it is not even fetched."""
    if size_bytes == 0:
        raise Rejected(
            RejectReason.EMPTY, f"{wanted.place} is empty (0 bytes); upload the file again."
        )
    most = int(parse_quantity(limits.max_bytes))
    if size_bytes > most:
        has = f"has {size_bytes} bytes" if is_all else "is larger"
        raise Rejected(
            RejectReason.TOO_LARGE,
            f"{wanted.place} {has}, and at most {most} ({limits.max_bytes}) "
            "are accepted; raise limits.maxBytes if it is meant to be so large.",
        )


def _transfer(
    wanted: Input,
    info: ObjectInfo,
    limits: Limits,
    origin: Origin,
    target: Path,
    on_progress: Callable[[float], None],
) -> str:
    """Copy the bytes and return their sha256 in hex."""
    key, size = wanted.location, info.size_bytes

    def arrived(size_bytes: int) -> None:
        if size_bytes:
            _check_size(wanted, size_bytes, limits, is_all=False)
        if size:
            on_progress(min(1.0, size_bytes / size))

    if origin.copy_out(key, info, target, arrived):
        got = target.stat().st_size
        if size not in (got, None):
            raise Replaced
        _check_size(wanted, got, limits)
        on_progress(1.0)
        return hash_file(target)
    if size is None:
        raise StorageUnreachable(f"{wanted.place} does not say how large it is.")
    digest, done = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _preallocate(descriptor, size)
        for offset, length in _arrivals(wanted, info.etag, size, origin, descriptor):
            _hash_range(digest, descriptor, offset, length)
            done += length
            on_progress(done / size)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _arrivals(
    wanted: Input, etag: str, size_bytes: int, origin: Origin, descriptor: int
) -> Iterator[tuple[int, int]]:
    """Fetch all ranges, several at once, and yield each (offset, length) in order."""
    starts = range(0, size_bytes, RANGE_BYTES)
    ranges = [(start, min(RANGE_BYTES, size_bytes - start)) for start in starts]

    def fetch_range(offset: int, length: int) -> None:
        written = 0
        for chunk in origin.read(wanted.location, etag, offset, length):
            view = memoryview(chunk)
            while view:
                count = os.pwrite(descriptor, view, offset + written)
                written, view = written + count, view[count:]
        if written != length:
            raise StorageUnreachable(
                f"{wanted.place} came short: {written} bytes of {length} from offset {offset}."
            )

    if len(ranges) == 1:
        fetch_range(*ranges[0])
        yield ranges[0]
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="fetch")
    try:
        futures = [pool.submit(fetch_range, *part) for part in ranges]
        for part, future in zip(ranges, futures, strict=True):
            future.result()
            yield part
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _preallocate(descriptor: int, size_bytes: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NodeDiskFull(
                f"The disk has no room for the input's {size_bytes} bytes."
            ) from error
        os.ftruncate(descriptor, size_bytes)


def _hash_range(digest: hashlib._Hash, descriptor: int, offset: int, length: int) -> None:
    end = offset + length
    while offset < end:
        chunk = os.pread(descriptor, min(CHUNK_BYTES, end - offset), offset)
        if not chunk:
            raise StorageUnreachable("The fetched file lost its end while it was read.")
        digest.update(chunk)
        offset += len(chunk)


def hash_file(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
