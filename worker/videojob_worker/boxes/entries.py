"""Sample entries: what a track's samples are.

Called by ``movie``. Pure.

Format: ISO/IEC 14496-12, sections 8.5.2, 12.1.3 and 12.2.3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .atoms import children
from .codecs import Color, codec_string, parse_color

_VIDEO_FIELDS, _SOUND_FIELDS = 78, 28


@dataclass(frozen=True)
class Entry:
    """How the samples of a track are coded."""

    codec: str
    """As in RFC 6381, such as avc1.64001f."""
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    color: Color | None = None


def parse_entry(entries: memoryview, handler: str) -> Entry:
    """The first sample entry of a track."""
    kind, body = next(children(entries))
    name = kind.decode("latin-1")
    if handler == "vide":
        width, height = struct.unpack_from(">HH", body, 24)
        boxes = dict(children(body[_VIDEO_FIELDS:]))
        color = parse_color(boxes[b"colr"]) if b"colr" in boxes else None
        return Entry(_codec(name, boxes, color), width, height, color=color)
    if handler == "soun":
        (sample_rate,) = struct.unpack_from(">H", body, 24)
        boxes = dict(children(body[_SOUND_FIELDS:]))
        return Entry(_codec(name, boxes, None), sample_rate=sample_rate)
    return Entry(name)


def _codec(name: str, boxes: dict[bytes, memoryview], color: Color | None) -> str:
    found = (codec_string(name, kind, content, color) for kind, content in boxes.items())
    return next((codec for codec in found if codec), name)
