"""Says in one entry of an edit list what ffmpeg says in two: that pictures begin a moment after time 0.

Called by ``packager``. Browsers read the first entry alone, and none that is empty: pictures that are
stored out of order would begin two frames late there. CMAF wants one entry as well.

Format: ISO/IEC 14496-12, section 8.6.6.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from .atoms import children, leaves, top_level

_EMPTY = -1


def join_edits(path: Path) -> None:
    """Have the first stretch begin earlier in the media by as much as is empty before it.

    Leaves a file as it is that has no such two entries, or too little before its first sample. What
    becomes free stays free: nothing moves.
    """
    with path.open("r+b") as file:
        for kind, start, end in top_level(file, path.stat().st_size):
            if kind != b"moov":
                continue
            file.seek(start)
            moov = bytearray(file.read(end - start))
            joined = [_join(track, _scale(moov, b"mvhd")) for track in _tracks(memoryview(moov))]
            if any(joined):
                file.seek(start)
                file.write(moov)
            return


def _tracks(moov: memoryview) -> Iterator[memoryview]:
    return (content for kind, content in children(moov) if kind == b"trak")


def _scale(body: bytearray | memoryview, box: bytes) -> int:
    """Ticks in a second, as a header says."""
    content = dict(leaves(memoryview(body)))[box]
    return int(struct.unpack_from(">I", content, 20 if content[0] == 1 else 12)[0])


def _join(track: memoryview, movie_scale: int) -> bool:
    edits = dict(children(track)).get(b"edts")
    if edits is None:
        return False
    size, kind, form, count = struct.unpack_from(">I4sII", edits)
    entry = struct.Struct(">Qqi" if form >> 24 else ">Iii")
    if (kind, count) != (b"elst", 2):
        return False
    (empty, nothing, _), (seconds, begins, rate) = entry.iter_unpack(edits[16:size])
    begins -= round(Fraction(empty * _scale(track, b"mdhd"), movie_scale))
    if nothing != _EMPTY or begins < 0:
        return False
    joined = struct.pack(">I4sII", size - entry.size, kind, form, 1)
    joined += entry.pack(seconds, begins, rate)
    edits[:size] = joined + struct.pack(">I4s", entry.size, b"free") + bytes(entry.size - 8)
    return True
