"""Fragments: a moof with its mdat, and what its samples are.

Called by ``movie``. Pure.

Format: ISO/IEC 14496-12, section 8.8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .atoms import leaves

_NON_SYNC = 0x0001_0000
Defaults = tuple[int, int, int]
"""Duration, size and flags of samples that say nothing else."""


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


def parse_defaults(moov: memoryview) -> dict[int, Defaults]:
    """Track → default duration, size and flags of its samples."""
    found = {}
    for kind, content in leaves(moov):
        if kind == b"trex":
            track, _, duration, size, flags = struct.unpack_from(">5I", content, 4)
            found[track] = (duration, size, flags)
    return found


def parse_moof(body: memoryview, offset: int, defaults: dict[int, Defaults]) -> Fragment:
    """A moof's account of its samples; its data are not counted yet."""
    track_id, decode_time, duration, samples = 0, 0, 0, 0
    first_flags, first_size = _NON_SYNC, 0
    default = (0, 0, 0)
    for kind, content in leaves(body):
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


def _parse_tfhd(content: memoryview, flags: int, default: Defaults) -> Defaults:
    offset = 8 + (8 if flags & 0x01 else 0) + (4 if flags & 0x02 else 0)
    values = list(default)
    for place, bit in enumerate((0x08, 0x10, 0x20)):
        if flags & bit:
            values[place] = struct.unpack_from(">I", content, offset)[0]
            offset += 4
    return values[0], values[1], values[2]


def _parse_trun(content: memoryview, flags: int, default: Defaults) -> Iterator[Defaults]:
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


def with_data(fragment: Fragment, end: int) -> Fragment:
    """The fragment together with the mdat that ends there."""
    data_header = 8
    return replace(fragment, size=end - fragment.offset, key_size=fragment.key_size + data_header)
