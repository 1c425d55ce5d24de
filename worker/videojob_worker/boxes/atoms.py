"""The grammar of boxes: a length, a kind, a content.

Used by the modules beside it alone. It knows no box by what it means, except for those that only
hold others.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

_CONTAINERS = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf", b"edts"}
)


class NotMp4(ValueError):
    """The file is not made of MP4 boxes, or ends within one."""


def top_level(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the content, and end of each box of the file."""
    offset = 0
    while offset < size:
        file.seek(offset)
        header = file.read(16)
        if len(header) < 8:
            raise NotMp4(f"{len(header)} stray bytes at the end")
        length, kind = struct.unpack_from(">I4s", header)
        head = 8
        if length == 1 and len(header) == 16:
            length, head = struct.unpack_from(">Q", header, 8)[0], 16
        elif length == 0:
            length = size - offset
        if length < head or offset + length > size:
            raise NotMp4(f"box {kind!r} at {offset} reaches beyond the end of the file")
        yield kind, offset + head, offset + length
        offset += length


def read(file: BinaryIO, start: int, end: int) -> memoryview:
    """A stretch of the file."""
    file.seek(start)
    return memoryview(file.read(end - start))


def children(body: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each box of a stretch."""
    offset = 0
    while offset + 8 <= len(body):
        length, kind = struct.unpack_from(">I4s", body, offset)
        if length < 8 or offset + length > len(body):
            raise NotMp4(f"box {kind!r} reaches beyond its parent")
        yield kind, body[offset + 8 : offset + length]
        offset += length


def leaves(body: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """All boxes below, containers opened."""
    for kind, content in children(body):
        if kind in _CONTAINERS:
            yield from leaves(content)
        else:
            yield kind, content
