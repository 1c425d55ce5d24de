"""Brings the input into the scratch folder: whole, checked, or an error; never a shorter file.

The first stage of ``run``. Large objects come in ranges over several connections, each bound to the
same ETag; the checksum is taken range by range as they arrive, while they are still in memory. It
must not look into the file.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from videojob_api.base import parse_quantity
from videojob_api.reasons import RejectReason
from videojob_api.videojob import Input, Limits

from .errors import NodeDiskFull, Rejected, StorageUnreachable
from .objects import CHUNK_BYTES, NotThere, ObjectInfo, Replaced, Storage

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
    store: Storage,
    target: Path,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Source:
    """Fetch the input to ``target``.

    Args:
        wanted: key and, perhaps, the checksum it must have.
        limits: the largest size accepted.
        store: where it is.
        target: the file to make.
        on_progress: is told the fraction done.

    Raises:
        Rejected: NotFound, Empty, TooLarge or ChecksumMismatch.
        NodeDiskFull: if there is no room for it.
        StorageRefused: see ``Storage``.
        StorageUnreachable: likewise, or if the object is replaced again and again.
    """
    for _ in range(_ROUNDS):
        info = _look(wanted, limits, store, target.parent)
        try:
            sha256 = _transfer(wanted.key, info, store, target, on_progress)
        except Replaced:
            continue
        if wanted.sha256 is not None and sha256 != wanted.sha256:
            raise Rejected(
                RejectReason.CHECKSUM_MISMATCH,
                f"{wanted.key} has the sha256 {sha256}, and {wanted.sha256} was asked for; upload "
                "it again, or mend the checksum.",
            )
        return Source(target, info.size_bytes, info.etag, sha256)
    raise StorageUnreachable(
        f"{wanted.key} was replaced {_ROUNDS} times while it was read; let its upload finish."
    )


def _look(wanted: Input, limits: Limits, store: Storage, folder: Path) -> ObjectInfo:
    try:
        info = store.stat(wanted.key)
    except NotThere as answer:
        raise Rejected(
            RejectReason.NOT_FOUND, f"{wanted.key} was not found: {answer}; check the key."
        ) from answer
    if info.size_bytes == 0:
        raise Rejected(
            RejectReason.EMPTY, f"{wanted.key} is empty (0 bytes); upload the file again."
        )
    # Asked again of the fetched file by ``validate``; here, so that it is not even fetched.
    most = int(parse_quantity(limits.max_bytes))
    if info.size_bytes > most:
        raise Rejected(
            RejectReason.TOO_LARGE,
            f"{wanted.key} has {info.size_bytes} bytes, and at most {most} ({limits.max_bytes}) "
            "are accepted; raise limits.maxBytes if it is meant to be so large.",
        )
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if info.size_bytes > free:
        raise NodeDiskFull(
            f"{wanted.key} has {info.size_bytes} bytes, and the disk has room for {free}."
        )
    return info


def _transfer(
    key: str, info: ObjectInfo, store: Storage, target: Path, on_progress: Callable[[float], None]
) -> str:
    """Copy the bytes and return their sha256 in hex."""
    if store.copy_out(key, info.etag, target):
        if target.stat().st_size != info.size_bytes:
            raise Replaced
        on_progress(1.0)
        return hash_file(target)
    digest, done = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _preallocate(descriptor, info.size_bytes)
        for offset, length in _arrivals(key, info, store, descriptor):
            _hash_range(digest, descriptor, offset, length)
            done += length
            on_progress(done / info.size_bytes)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _arrivals(
    key: str, info: ObjectInfo, store: Storage, descriptor: int
) -> Iterator[tuple[int, int]]:
    """Fetch all ranges, several at once, and yield each (offset, length) in order."""
    starts = range(0, info.size_bytes, RANGE_BYTES)
    ranges = [(start, min(RANGE_BYTES, info.size_bytes - start)) for start in starts]

    def fetch_range(offset: int, length: int) -> None:
        written = 0
        for chunk in store.read(key, info.etag, offset, length):
            view = memoryview(chunk)
            while view:
                count = os.pwrite(descriptor, view, offset + written)
                written, view = written + count, view[count:]
        if written != length:
            raise StorageUnreachable(
                f"{key} came short: {written} bytes of {length} from offset {offset}."
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
