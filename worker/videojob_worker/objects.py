"""What every store of objects can do, whatever it is made of.

Pure types: ``storage.py`` (S3) and ``folder.py`` (a mounted volume, a local folder) do it, and
``web.py`` the part that inputs need; ``fetch`` and ``publish`` ask for it. Keys here are whole, the
store's own prefix excepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class ObjectInfo:
    """An object as it is now."""

    size_bytes: int | None
    """None where only its end will tell."""
    etag: str
    """Changes whenever the bytes do; empty where nothing tells that."""


class NotThere(Exception):
    """The store answers, and has no such object. The text says where was looked."""


class Replaced(Exception):
    """The object is no longer the one that the ETag names."""


class Origin(Protocol):
    """Where inputs come from, each by its key (or its URL)."""

    def stat(self, key: str) -> ObjectInfo:
        """Look at an object.

        Raises:
            NotThere: if there is none.
        """

    def read(self, key: str, etag: str, offset: int, length: int) -> Iterator[bytes]:
        """Exactly ``length`` bytes of an object, in chunks.

        Raises:
            Replaced: if its ETag is another one by now.
            NotThere: if it is gone.
        """

    def copy_out(
        self, key: str, info: ObjectInfo, target: Path, arrived: Callable[[int], None]
    ) -> bool:
        """Put a private copy at ``target``, if reading ranges is worse, or impossible; else False.

        Args:
            key: the object.
            info: as it was looked at.
            target: the file to make.
            arrived: is told the bytes so far, where they take time; what it raises ends it.

        Raises:
            Replaced: if its ETag is another one by now.
            NotThere: if it is gone.
        """


class Storage(Origin, Protocol):
    """A store. Every method may raise StorageRefused, StorageUnreachable and Interrupted."""

    def exists(self, key: str) -> bool:
        """Whether there is a result of this key already."""

    def holds(self, key: str, size_bytes: int, sha256: str) -> bool:
        """Whether precisely these bytes are there already, put by this program."""

    def read_result(self, key: str, max_bytes: int) -> bytes:
        """All of a small result.

        Raises:
            NotThere: if there is none, or it is larger.
        """

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
        """Store a file or a few bytes; all of it or nothing.

        Args:
            key: replaces what is there.
            source: a file, or bytes.
            content_type: as it shall be served.
            cache_control: as it shall be served.
            check: called often; what it raises ends the transfer, and leaves nothing behind.
            sha256: of the source; ``holds`` goes by it later.
        """

    def prepare(self, folder: str) -> None:
        """Refuse before any work is done, if results below a folder are known to be impossible."""

    def locate(self, key: str) -> str:
        """Where a key is, for people."""

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""

    def list_keys(self, folder: str) -> Iterator[str]:
        """Keys of all objects below a folder (a prefix with a slash at the end)."""

    def tidy(self, folder: str) -> None:
        """Remove a folder, and the one that it is in, if nothing is in them; a bucket has none."""
