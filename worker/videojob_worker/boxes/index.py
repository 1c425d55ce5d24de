"""Writes the index of segments (sidx) into a fragmented file, in front of its fragments.

Called by ``packager``. DASH players read it with one small request and know by it where every
segment is; a file without it can't be played by byte ranges alone.

Format: ISO/IEC 14496-12, section 8.16.3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

_STARTS_WITH_KEY = 0x9000_0000
"""Begins with a stream access point of type 1."""
_AT_ONCE = 1 << 20
MAX_ENTRIES = 0xFFFF


def build_index(
    track_id: int, timescale: int, earliest: int, segments: Sequence[tuple[int, int]]
) -> bytes:
    """The box.

    Args:
        track_id: of the one track.
        timescale: ticks in a second.
        earliest: when the first sample is shown, in ticks.
        segments: bytes and ticks of each, from the end of this box on.

    Raises:
        ValueError: for more segments than the box can count.
    """
    if len(segments) > MAX_ENTRIES:
        raise ValueError(f"{len(segments)} segments; an index has {MAX_ENTRIES} at most")
    head = struct.pack(
        ">4sIIIQQHH", b"sidx", 1 << 24, track_id, timescale, earliest, 0, 0, len(segments)
    )
    rows = (struct.pack(">III", size, ticks, _STARTS_WITH_KEY) for size, ticks in segments)
    body = head + b"".join(rows)
    return struct.pack(">I", len(body) + 4) + body


def insert(path: Path, offset: int, box: bytes) -> None:
    """Put a box into a file, in place: what follows moves on by its length.

    Needs no second copy of the file. If it is interrupted, the file is spoilt.
    """
    end = path.stat().st_size
    with path.open("r+b") as file:
        reading = writing = offset
        held = box
        while held:
            file.seek(reading)
            following = file.read(min(max(_AT_ONCE, len(box)), end - reading))
            file.seek(writing)
            file.write(held)
            reading, writing = reading + len(following), writing + len(held)
            held = following
