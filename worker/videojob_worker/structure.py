"""Tells by a container's own sizes whether the end of a file is missing.

Called by ``probe``. It reads nothing but the few bytes that say how long each part is (MP4 boxes,
the Matroska segment, RIFF of AVI and WAV, the header of WMV), within fixed bounds; it never decodes.
ffmpeg itself plays a cut file without an error, up to where it ends.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_MP4_FIRST = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp"})
_MP4_PARTS = _MP4_FIRST | frozenset(
    (b"moof", b"mfra", b"meta", b"udta", b"uuid", b"sidx", b"ssix", b"prft", b"emsg", b"pdin")
)
_MAX_BOXES = 100_000
_UNKNOWN_RIFF = 0xFFFF_FFFF
_UNKNOWN_WAVES = (0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000)
"""What sox and arecord say of the data where they write into a pipe; the RIFF chunk has a header more."""
_MAX_WAVE_HEADER = 128
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_MAX_ASF_OBJECTS = 100


def find_cut(source: Path) -> str | None:
    """What is missing of a file, in words; None if nothing is known to be."""
    size = source.stat().st_size
    with source.open("rb") as file:
        head = file.read(8)
        if head[4:8] in _MP4_FIRST:
            return _find_mp4_cut(file, size)
        if head.startswith(_EBML):
            return _find_matroska_cut(file, size)
        if head.startswith(b"RIFF"):
            return _find_riff_cut(file, size)
        if head == _ASF[:8]:
            return _find_asf_cut(file, size)
    return None


def _find_riff_cut(file: BinaryIO, size: int) -> str | None:
    """AVI and WAV; a size of nothing, or of all ones, means that the writer did not know it.

    Long AVI files are several such parts in a row.
    """
    offset = 0
    for _ in range(_MAX_BOXES):
        file.seek(offset)
        header = file.read(12)
        if len(header) < 8 or not header.startswith(b"RIFF"):
            return None
        length = struct.unpack_from("<I", header, 4)[0]
        if length in (0, _UNKNOWN_RIFF):
            return None
        beyond = (length - unknown for unknown in _UNKNOWN_WAVES)
        if header.endswith(b"WAVE") and any(0 <= b < _MAX_WAVE_HEADER for b in beyond):
            return None
        if offset + 8 + length > size:
            return _missing("its RIFF chunk", offset + 8 + length - size)
        offset += 8 + length + length % 2
    return None


def _find_asf_cut(file: BinaryIO, size: int) -> str | None:
    """WMV; ffmpeg forgets the length of one whose size is not what its header says."""
    offset = 30
    for _ in range(_MAX_ASF_OBJECTS):
        file.seek(offset)
        part = file.read(92)
        if len(part) < 92:
            return None
        if part.startswith(_ASF_PROPERTIES):
            told, flags = (
                struct.unpack_from("<Q", part, 40)[0],
                struct.unpack_from("<I", part, 88)[0],
            )
            missing = 0 if flags & 1 else told - size
            return _missing("what its header tells of", missing) if missing > 0 else None
        offset += max(24, struct.unpack_from("<Q", part, 16)[0])
    return None


def _find_mp4_cut(file: BinaryIO, size: int) -> str | None:
    has_index, offset = False, 0
    for _ in range(_MAX_BOXES):
        file.seek(offset)
        header = file.read(16)
        if len(header) < 8:
            break
        length, kind = struct.unpack_from(">I4s", header)
        if length == 1 and len(header) == 16:
            length = struct.unpack_from(">Q", header, 8)[0]
        elif length == 0:
            length = size - offset
        if length < 8 or not kind.isalnum():
            return None  # no box: junk, which players pass over
        has_index = has_index or kind == b"moov"
        if offset + length > size:
            if has_index and kind not in _MP4_PARTS:
                return None  # junk that looks like a box
            return _missing(f"its {kind.decode()} box", offset + length - size)
        offset += length
    return None if has_index else "its index (moov box) is missing"


def _find_matroska_cut(file: BinaryIO, size: int) -> str | None:
    file.seek(4)
    header_size, width = _read_length(file)
    if header_size is None:
        return None
    offset = 4 + width + header_size
    file.seek(offset)
    if file.read(4) != _SEGMENT:
        return None
    length, width = _read_length(file)
    end = None if length is None else offset + 4 + width + length
    return _missing("its segment", end - size) if end is not None and end > size else None


def _read_length(file: BinaryIO) -> tuple[int | None, int]:
    """An EBML length and its own width; None where the length is said to be unknown."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None, 1
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    value = int.from_bytes(bytes([first[0] & (1 << 8 - width) - 1]) + rest)
    return (None if value == (1 << 7 * width) - 1 else value), width


def _missing(what: str, count: int) -> str:
    return f"{count} bytes at the end of {what} are missing"
