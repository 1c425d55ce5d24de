"""Writes the elements of Matroska by hand, for ``hostile``. Pure."""

from __future__ import annotations

import zlib
from struct import pack

_SEGMENT = bytes.fromhex("18538067")
_HEAD_DOCTYPE = "4282"


def element(name: str, *content: bytes) -> bytes:
    """An element, by its id in hex."""
    body = b"".join(content)
    return bytes.fromhex(name) + (len(body) | 1 << 56).to_bytes(8) + body


def _number(name: str, value: int) -> bytes:
    return element(name, value.to_bytes(8))


def _film(tracks: bytes, *clusters: bytes) -> bytes:
    head = element(
        "1A45DFA3", element(_HEAD_DOCTYPE, b"matroska"), _number("4287", 4), _number("4285", 2)
    )
    info = element("1549A966", _number("2AD7B1", 1_000_000), element("4489", pack(">d", 1000.0)))
    return head + element("18538067", info, element("1654AE6B", tracks), *clusters)


def _track(number: int, codec: bytes, *more: bytes) -> bytes:
    size = element("E0", _number("B0", 160), _number("BA", 90))
    known = (_number("D7", number), _number("73C5", number), _number("83", 1), element("86", codec))
    return element("AE", *known, size, *more)


def _cluster(packet: bytes, milliseconds: int = 0) -> bytes:
    return element("1F43B675", _number("E7", milliseconds), element("A3", b"\x81\0\0\x80" + packet))


def compressed_film(size_bytes: int) -> bytes:
    """A track whose one packet is compressed, and that many zeros."""
    packer, part = zlib.compressobj(9), bytes(1 << 20)
    packet = b"".join(packer.compress(part) for _ in range(size_bytes >> 20)) + packer.flush()
    packed = element("5034", _number("4254", 0))
    encoding = element(
        "6D80", element("6240", _number("5031", 0), _number("5032", 1), _number("5033", 0), packed)
    )
    return _film(_track(1, b"V_MPEG4/ISO/ASP", encoding), _cluster(packet), _cluster(packet, 500))


def picture_film(picture: bytes) -> bytes:
    """A film of PNG pictures that are larger than it says."""
    header = pack("<IiiHH4sIiiII", 40, 160, 90, 1, 24, b"MPNG", 0, 0, 0, 0, 0)
    track = _track(1, b"V_MS/VFW/FOURCC", element("63A2", header))
    return _film(track, *(_cluster(picture, 40 * n) for n in range(25)))


def many_tracks(count: int) -> bytes:
    """A film of more tracks than anybody can use."""
    return _film(b"".join(_track(n, b"V_VP8") for n in range(1, count + 1)), _cluster(bytes(100)))


def attachment(data: bytes, kind: str, content: bytes) -> bytes:
    """A good film with one more file in it."""
    name = element("466E", b"cover.png" if kind.startswith("image") else b"font.ttf")
    file = element(
        "61A7", name, element("4660", kind.encode()), element("465C", content), _number("46AE", 7)
    )
    place = data.index(_SEGMENT) + 4
    more = element("1941A469", file)
    size = int.from_bytes(data[place + 1 : place + 8]) + len(more)
    return data[:place] + (size | 1 << 56).to_bytes(8) + data[place + 8 :] + more
