"""Reads the MP4 boxes of files that our own ffmpeg wrote: tracks, samples, fragments.

Called by packaging, checking and the steps. Media data is skipped by seeking, so that a film of
any length costs little memory. It is not meant for untrusted files, and decodes nothing.

Formats: ISO/IEC 14496-12 (boxes), 14496-15 (avcC), 14496-1 (esds), RFC 6381 (codec strings).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"})
_NON_SYNC = 0x0001_0000


class NotMp4(ValueError):
    """The file is not made of MP4 boxes, or ends within one."""


@dataclass(frozen=True)
class Fragment:
    """A moof with its mdat; one track."""

    offset: int
    """Of the moof in the file."""
    size: int
    """Of moof and mdat together."""
    track_id: int
    decode_time: int
    """Of the first sample, in the track's ticks."""
    duration: int
    samples: int
    starts_with_key: bool
    key_size: int
    """Bytes from the beginning of the moof to the end of the first sample."""


@dataclass(frozen=True)
class Track:
    """One stream of the file."""

    track_id: int
    handler: str
    """``vide`` or ``soun``."""
    timescale: int
    """Ticks in a second."""
    codec: str
    """As in RFC 6381, such as avc1.64001f."""
    width: int
    height: int
    samples: int
    duration: Fraction
    """Seconds; of all samples, fragments too."""


@dataclass(frozen=True)
class Movie:
    """All that the boxes say."""

    tracks: tuple[Track, ...]
    fragments: tuple[Fragment, ...]
    init_size: int
    """Bytes up to the end of the moov."""
    presented: Fraction
    """Seconds as the index says, without what edit lists hide; 0 in fragmented files."""

    @property
    def duration(self) -> Fraction:
        """Seconds that a player shows; of the longest track where the index doesn't say."""
        return self.presented or max((t.duration for t in self.tracks), default=Fraction(0))

    def track(self, handler: str) -> Track | None:
        """The first track of a kind."""
        return next((track for track in self.tracks if track.handler == handler), None)


@dataclass
class _Head:
    """A track as its trak box has it."""

    track_id: int = 0
    handler: str = ""
    timescale: int = 1
    codec: str = ""
    width: int = 0
    height: int = 0
    samples: int = 0
    ticks: int = 0


def read_movie(path: Path) -> Movie:
    """Read the structure of an MP4 file, fragmented or not.

    Raises:
        NotMp4: if it has no moov, or a box reaches beyond the end of the file.
    """
    size = path.stat().st_size
    heads: list[_Head] = []
    defaults: dict[int, tuple[int, int, int]] = {}
    fragments: list[Fragment] = []
    init_size, presented = 0, Fraction(0)
    with path.open("rb") as file:
        open_fragment: list[Fragment] = []
        for kind, start, end in _top_level(file, size):
            if kind == b"moov":
                body = _read(file, start, end)
                heads = [_parse_trak(trak) for name, trak in _children(body) if name == b"trak"]
                defaults = _parse_defaults(body)
                init_size, presented = end, _parse_mvhd(body)
            elif kind == b"moof":
                body = _read(file, start, end)
                open_fragment = [_parse_moof(body, start - 8, defaults)]
            elif kind == b"mdat" and open_fragment:
                fragment = open_fragment.pop()
                fragments.append(_with_data(fragment, end))
    if not heads:
        raise NotMp4(f"{path.name} has no index (moov box)")
    tracks = tuple(_finish_track(head, fragments) for head in heads)
    return Movie(tracks, tuple(fragments), init_size, presented)


def _top_level(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
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


def _read(file: BinaryIO, start: int, end: int) -> memoryview:
    file.seek(start)
    return memoryview(file.read(end - start))


def _children(body: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    offset = 0
    while offset + 8 <= len(body):
        length, kind = struct.unpack_from(">I4s", body, offset)
        if length < 8 or offset + length > len(body):
            raise NotMp4(f"box {kind!r} reaches beyond its parent")
        yield kind, body[offset + 8 : offset + length]
        offset += length


def _leaves(body: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """All boxes below, containers opened."""
    for kind, content in _children(body):
        if kind in _CONTAINERS:
            yield from _leaves(content)
        else:
            yield kind, content


def _parse_mvhd(moov: memoryview) -> Fraction:
    for kind, content in _children(moov):
        if kind == b"mvhd":
            form, offset = (">IQ", 20) if content[0] == 1 else (">II", 12)
            timescale, duration = struct.unpack_from(form, content, offset)
            return Fraction(duration, timescale or 1)
    return Fraction(0)


def _parse_trak(body: memoryview) -> _Head:
    head = _Head()
    for kind, content in _leaves(body):
        wide = content[0] == 1
        if kind == b"tkhd":
            head.track_id = struct.unpack_from(">I", content, 20 if wide else 12)[0]
        elif kind == b"mdhd":
            head.timescale = struct.unpack_from(">I", content, 20 if wide else 12)[0]
        elif kind == b"hdlr":
            head.handler = bytes(content[8:12]).decode("latin-1")
        elif kind == b"stts":
            for count, delta in struct.iter_unpack(">II", content[8:]):
                head.samples += count
                head.ticks += count * delta
        elif kind == b"stsd":
            _parse_sample_entry(content[8:], head)
    return head


def _parse_sample_entry(entries: memoryview, head: _Head) -> None:
    kind, body = next(_children(entries))
    name = kind.decode("latin-1")
    head.codec = name
    if head.handler == "vide":
        head.width, head.height = struct.unpack_from(">HH", body, 24)
        for child, content in _children(body[78:]):
            if child == b"avcC":
                head.codec = f"{name}.{bytes(content[1:4]).hex()}"
    elif head.handler == "soun":
        for child, content in _children(body[28:]):
            if child == b"esds":
                head.codec = f"{name}.{_object_type(content[4:])}"


def _object_type(descriptor: memoryview) -> str:
    """``40.2`` and the like, from the descriptors of an esds box."""
    offset, object_type = 0, 0
    while offset < len(descriptor):
        tag, offset = descriptor[offset], offset + 1
        length = 0
        while True:
            byte, offset = descriptor[offset], offset + 1
            length = length << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        if tag == 0x03:  # ES: go in, past its fixed fields
            offset += 3
        elif tag == 0x04:  # decoder configuration
            object_type = descriptor[offset]
            offset += 13
        elif tag == 0x05 and object_type == 0x40:
            return f"40.{descriptor[offset] >> 3}"
        else:
            offset += length
    return f"{object_type:02x}"


def _parse_defaults(moov: memoryview) -> dict[int, tuple[int, int, int]]:
    """Track → default duration, size and flags of its samples."""
    found = {}
    for kind, content in _leaves(moov):
        if kind == b"trex":
            track, _, duration, size, flags = struct.unpack_from(">5I", content, 4)
            found[track] = (duration, size, flags)
    return found


def _parse_moof(
    body: memoryview, offset: int, defaults: dict[int, tuple[int, int, int]]
) -> Fragment:
    track_id, decode_time, duration, samples = 0, 0, 0, 0
    first_flags, first_size = _NON_SYNC, 0
    default = (0, 0, 0)
    for kind, content in _leaves(body):
        flags = struct.unpack_from(">I", content)[0] & 0xFFFFFF
        if kind == b"tfhd":
            track_id = struct.unpack_from(">I", content, 4)[0]
            default = _parse_tfhd(content, flags, defaults.get(track_id, default))
        elif kind == b"tfdt":
            decode_time = struct.unpack_from(">Q" if content[0] == 1 else ">I", content, 4)[0]
        elif kind == b"trun":
            run = list(_parse_trun(content, flags, default))
            if run and not samples:
                _, first_size, first_flags = run[0]
            samples += len(run)
            duration += sum(row[0] for row in run)
    return Fragment(
        offset=offset,
        size=len(body) + 8,
        track_id=track_id,
        decode_time=decode_time,
        duration=duration,
        samples=samples,
        starts_with_key=not first_flags & _NON_SYNC,
        key_size=len(body) + 8 + first_size,
    )


def _parse_tfhd(
    content: memoryview, flags: int, default: tuple[int, int, int]
) -> tuple[int, int, int]:
    offset = 8 + (8 if flags & 0x01 else 0) + (4 if flags & 0x02 else 0)
    values = list(default)
    for place, bit in enumerate((0x08, 0x10, 0x20)):
        if flags & bit:
            values[place] = struct.unpack_from(">I", content, offset)[0]
            offset += 4
    return values[0], values[1], values[2]


def _parse_trun(
    content: memoryview, flags: int, default: tuple[int, int, int]
) -> Iterator[tuple[int, int, int]]:
    """Duration, size and flags of each sample."""
    count = struct.unpack_from(">I", content, 4)[0]
    offset = 8 + (4 if flags & 0x01 else 0)
    first_flags = None
    if flags & 0x04:
        first_flags = struct.unpack_from(">I", content, offset)[0]
        offset += 4
    for number in range(count):
        row = list(default)
        if number == 0 and first_flags is not None:
            row[2] = first_flags
        for place, bit in enumerate((0x100, 0x200, 0x400)):
            if flags & bit:
                row[place] = struct.unpack_from(">I", content, offset)[0]
                offset += 4
        if flags & 0x800:
            offset += 4
        yield row[0], row[1], row[2]


def _with_data(fragment: Fragment, end: int) -> Fragment:
    """The fragment together with the mdat that ends there."""
    data_header = 8
    return Fragment(
        offset=fragment.offset,
        size=end - fragment.offset,
        track_id=fragment.track_id,
        decode_time=fragment.decode_time,
        duration=fragment.duration,
        samples=fragment.samples,
        starts_with_key=fragment.starts_with_key,
        key_size=fragment.key_size + data_header,
    )


def _finish_track(head: _Head, fragments: list[Fragment]) -> Track:
    own = [fragment for fragment in fragments if fragment.track_id == head.track_id]
    ticks = head.ticks + sum(fragment.duration for fragment in own)
    return Track(
        track_id=head.track_id,
        handler=head.handler,
        timescale=head.timescale,
        codec=head.codec,
        width=head.width,
        height=head.height,
        samples=head.samples + sum(fragment.samples for fragment in own),
        duration=Fraction(ticks, head.timescale),
    )
