"""A folder as a store: a mounted volume in the cluster, ``file://`` in a local run.

Made by ``storage.open_storage`` in a pod and by ``local`` without one. It must not follow a key or a
link out of its folder.

The source is not worked on in place: children may write to all of their scratch folder, so a hard
link there would put the original into their hands. It is cloned where the file system can share
blocks, else copied inside the kernel.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from .errors import ScratchFull, StorageRefused, StorageUnreachable
from .objects import CHUNK_BYTES, NotThere, ObjectInfo, Replaced

_FICLONE = 0x40049409
_COPY_BYTES = 64 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)
_IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)


class FolderStorage:
    """Objects as files below a folder."""

    def __init__(self, folder: Path, prefix: str, stop_check: Callable[[], None]) -> None:
        self._root = folder.resolve()
        self._prefix = prefix
        self._check = stop_check
        if not self._root.is_dir():
            what = "is not a folder" if self._root.exists() else "does not exist"
            raise StorageRefused(
                f"The store's folder {self._root} {what}; make it, or name another."
            )

    def stat(self, key: str) -> ObjectInfo:
        """See ``Storage.stat``."""
        path = self._input(key)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise NotThere(f"there is no file {path}") from None
        except OSError as error:
            raise _refused(path, error) from error
        if not path.is_file():
            raise NotThere(f"{path} is not a file")
        return _info(found)

    def exists(self, key: str) -> bool:
        """See ``Storage.exists``."""
        path = self._result(key)
        try:
            return path.is_file()
        except OSError as error:
            raise _refused(path, error) from error

    def holds(self, key: str, size_bytes: int, sha256: str) -> bool:
        """See ``Storage.holds``: all of the file is read."""
        path = self._result(key)
        try:
            if not path.is_file() or path.stat().st_size != size_bytes:
                return False
            digest = hashlib.sha256()
            with path.open("rb", buffering=0) as file:
                while chunk := file.read(CHUNK_BYTES):
                    self._check()
                    digest.update(chunk)
        except OSError as error:
            raise _refused(path, error) from error
        return digest.hexdigest() == sha256

    def read_result(self, key: str, max_bytes: int) -> bytes:
        """See ``Storage.read_result``."""
        path = self._result(key)
        try:
            with path.open("rb") as file:
                body = file.read(max_bytes + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise NotThere(f"there is no file {path}") from None
        except OSError as error:
            raise _refused(path, error) from error
        if len(body) > max_bytes:
            raise NotThere(f"{path} is larger than {max_bytes} bytes")
        return body

    def read(self, key: str, etag: str, offset: int, length: int) -> Iterator[bytes]:
        """See ``Storage.read``."""
        path = self._input(key)
        try:
            with path.open("rb", buffering=0) as file:
                if _info(os.fstat(file.fileno())).etag != etag:
                    raise Replaced
                file.seek(offset)
                while length > 0:
                    self._check()
                    chunk = file.read(min(CHUNK_BYTES, length))
                    if not chunk:
                        raise Replaced
                    length -= len(chunk)
                    yield chunk
        except OSError as error:
            raise _refused(path, error) from error

    def copy_out(
        self, key: str, info: ObjectInfo, target: Path, arrived: Callable[[int], None]
    ) -> bool:
        """See ``Storage.copy_out``."""
        path = self._input(key)
        try:
            source = path.open("rb")
        except OSError as error:
            raise _refused(path, error) from error
        with source, target.open("wb") as copy:
            try:
                _clone(source.fileno(), copy.fileno(), self._check)
            except OSError as error:
                raise _cannot_write(target, error) from error
            if _info(os.fstat(source.fileno())).etag != info.etag:
                raise Replaced
        return True

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        content_type: str,
        cache_control: str,
        check: Callable[[], None],
        sha256: str | None = None,
    ) -> None:
        """See ``Storage.put``; a folder has no place for the headers."""
        path = self._result(key)
        part = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                if isinstance(source, bytes):
                    file.write(source)
                    file.flush()
                else:
                    with source.open("rb") as made:
                        _clone(made.fileno(), file.fileno(), check)
                os.fdatasync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise _refused(path, error) from error
        finally:
            with suppress(OSError):  # where not even its folder could be made
                part.unlink()

    def prepare(self, folder: str) -> None:
        """See ``Storage.prepare``: a link may lead out of the store."""
        self._result(folder)

    def locate(self, key: str) -> str:
        """See ``Storage.locate``."""
        return str(self._root / (self._prefix + key))

    def delete(self, key: str) -> None:
        """See ``Storage.delete``."""
        path = self._result(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(path, error) from error

    def list_keys(self, folder: str) -> Iterator[str]:
        """See ``Storage.list_keys``; links are files here, and are not followed."""
        top = self._result(folder)
        for parent, _, files in os.walk(top):
            for name in files:
                yield folder + Path(parent, name).relative_to(top).as_posix()

    def tidy(self, folder: str) -> None:
        """See ``Storage.tidy``; a folder with anything in it stays."""
        top = self._result(folder)
        below = [Path(parent) for parent, _, _ in os.walk(top, topdown=False)]
        for empty in (*below, top.parent):
            if empty != self._root:
                with suppress(OSError):
                    empty.rmdir()

    def _input(self, key: str) -> Path:
        path = self._root / (self._prefix + key)
        if self._leads_out(path):
            raise NotThere(f"{key!r} leads out of the store's folder {self._root}")
        return path

    def _result(self, key: str) -> Path:
        path = self._root / (self._prefix + key)
        if self._leads_out(path):
            raise StorageRefused(
                f"Results at {path} would lie outside of the store's folder {self._root}, since a "
                "link on the way leads there; remove the link, or choose another output prefix."
            )
        return path

    def _leads_out(self, path: Path) -> bool:
        return not Path(os.path.realpath(path)).is_relative_to(self._root)


class ReadHereWriteThere:
    """Two folders as one store: inputs from the first, results into the second."""

    def __init__(self, inputs: FolderStorage, results: FolderStorage) -> None:
        self.stat, self.read, self.copy_out = inputs.stat, inputs.read, inputs.copy_out
        self.exists, self.put, self.prepare = results.exists, results.put, results.prepare
        self.delete, self.locate = results.delete, results.locate
        self.list_keys, self.tidy = results.list_keys, results.tidy
        self.holds, self.read_result = results.holds, results.read_result


def _info(found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(found.st_size, f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}")


def _clone(source: int, target: int, check: Callable[[], None]) -> None:
    """Make the target hold the source's bytes, sharing blocks where the file system can."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        try:
            while os.copy_file_range(source, target, _COPY_BYTES):
                check()
        except OSError:
            if os.lseek(target, 0, os.SEEK_CUR) > 0:
                raise
            while chunk := os.read(source, CHUNK_BYTES):
                _write_all(target, chunk)
                check()


def _write_all(target: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:  # a disk that is nearly full takes a part, and says so only to the next write
        view = view[os.write(target, view) :]


def _cannot_write(path: Path, error: OSError) -> ScratchFull | StorageUnreachable:
    if error.errno in _FULL:
        return ScratchFull(f"No room for the input in the scratch folder ({path.parent}).")
    return StorageUnreachable(f"Copying the input from the volume failed: {error}.")


def _refused(path: Path, error: OSError) -> StorageRefused | StorageUnreachable:
    if error.errno in _FULL:
        return StorageRefused(
            f"The store's volume is full ({error.strerror} at {path}); free space on it, or give it "
            "more."
        )
    if error.errno in _IN_THE_WAY:
        return StorageRefused(
            f"{path} can't be written, for something else is in its way ({error.strerror}); remove "
            "it, or choose another output prefix."
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return StorageRefused(
            f"The store's volume refuses access to {path} ({error.strerror}); let the user "
            f"{os.getuid()} read inputs and write results there."
        )
    return StorageUnreachable(f"The store's volume failed at {path}: {error.strerror}.")
