"""Codec strings, as players want them, from the configuration that the encoder left in the file.

Called by ``entries``. Pure.

Formats: RFC 6381 and, for each codec, ISO/IEC 14496-15 (avcC, and annex E for hvcC), the AV1 and VP9
bindings to ISOBMFF, ISO/IEC 14496-1 (esds).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Color:
    """Code points of ISO/IEC 23091-2: what the numbers of the pixels mean."""

    primaries: int
    transfer: int
    matrix: int
    full_range: bool = False


def parse_color(content: memoryview) -> Color | None:
    """A colr box; None when it holds a profile instead of code points."""
    if bytes(content[:4]) != b"nclx":
        return None
    primaries, transfer, matrix, flags = struct.unpack_from(">HHHB", content, 4)
    return Color(primaries, transfer, matrix, bool(flags & 0x80))


def codec_string(name: str, kind: bytes, content: memoryview, color: Color | None) -> str | None:
    """The codec of a sample entry, from one of the boxes in it.

    Args:
        name: of the sample entry, such as hvc1.
        kind: of the box.
        content: of the box.
        color: what is known of the colours; AV1's and VP9's strings say it.

    Returns:
        None if the box is not the one that configures a codec.
    """
    describe = _DESCRIBE.get(kind)
    return describe(name, content, color) if describe else None


def _avc(name: str, content: memoryview, color: Color | None) -> str:
    return f"{name}.{bytes(content[1:4]).hex()}"


def _hevc(name: str, content: memoryview, color: Color | None) -> str:
    space, tier, profile = content[1] >> 6, content[1] >> 5 & 1, content[1] & 0x1F
    (compatible,) = struct.unpack_from(">I", content, 2)
    reversed_bits = int(f"{compatible:032b}"[::-1], 2)
    constraints = bytes(content[6:12]).rstrip(b"\0")
    parts = [
        name,
        f"{('', 'A', 'B', 'C')[space]}{profile}",
        f"{reversed_bits:X}",
        f"{'LH'[tier]}{content[12]}",
        *(f"{byte:X}" for byte in constraints),
    ]
    return ".".join(parts)


def _av1(name: str, content: memoryview, color: Color | None) -> str:
    profile, level = content[1] >> 5, content[1] & 0x1F
    tier, deep, deepest, mono, sub_x, sub_y = (content[2] >> bit & 1 for bit in (7, 6, 5, 4, 3, 2))
    depth = 8 + 2 * deep + 2 * (deep & deepest)
    text = f"{name}.{profile}.{level:02}{'MH'[tier]}.{depth:02}"
    if color is None:
        return text
    place = content[2] & 3 if sub_x and sub_y else 0
    return (
        f"{text}.{mono}.{sub_x}{sub_y}{place}.{color.primaries:02}.{color.transfer:02}"
        f".{color.matrix:02}.{int(color.full_range)}"
    )


def _vp9(name: str, content: memoryview, color: Color | None) -> str:
    profile, level, depth = content[4], content[5], content[6] >> 4
    return f"{name}.{profile:02}.{level:02}.{depth:02}"


def _mpeg4_sound(name: str, content: memoryview, color: Color | None) -> str:
    """``mp4a.40.2`` and the like, from the descriptors of an esds box."""
    descriptor = content[4:]
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
            return f"{name}.40.{_audio_object_type(descriptor, offset)}"
        else:
            offset += length
    return f"{name}.{object_type:02x}"


def _audio_object_type(config: memoryview, offset: int) -> int:
    first = config[offset] >> 3
    if first != 31:
        return first
    return 32 + ((config[offset] & 7) << 3 | config[offset + 1] >> 5)


def _opus(name: str, content: memoryview, color: Color | None) -> str:
    """In small letters, as browsers and Apple's players spell it."""
    return "opus"


_DESCRIBE: dict[bytes, Callable[[str, memoryview, Color | None], str]] = {
    b"avcC": _avc,
    b"hvcC": _hevc,
    b"av1C": _av1,
    b"vpcC": _vp9,
    b"esds": _mpeg4_sound,
    b"dOps": _opus,
}
"""By the box that configures the codec; the rest (fLaC, ac-3, ec-3, alac) are their own names."""
