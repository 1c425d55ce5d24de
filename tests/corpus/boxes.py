"""Builds and bends the boxes of MP4 and the chunks of RIFF, for ``hostile``. Pure."""

from __future__ import annotations

from struct import pack, pack_into

from .mutations import find_boxes


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of its right size."""
    body = b"".join(content)
    return pack(">I4s", 8 + len(body), kind) + body


def find(data: bytes, kind: bytes) -> tuple[int, int]:
    """Where the first box of a kind begins and ends."""
    return next((b, e) for b, e in find_boxes(data) if data[b + 4 : b + 8] == kind)


def patched(data: bytes, kind: bytes, offset: int, value: int, order: str = ">") -> bytes:
    """Another number at an offset behind each name of this kind: a box's, or a chunk's."""
    mutant, place = bytearray(data), data.find(kind)
    while place >= 0:
        pack_into(order + "I", mutant, place + 4 + offset, value)
        place = data.find(kind, place + 4 + offset)
    return bytes(mutant)


def replaced(data: bytes, kind: bytes, content: bytes) -> bytes:
    """Other content in each box of a kind; the boxes around it know of it.

    The media has to lie before the index, so that no offset changes.
    """
    for number in range(sum(data[b + 4 : b + 8] == kind for b, _ in find_boxes(data))):
        places = [(b, e) for b, e in find_boxes(data) if data[b + 4 : b + 8] == kind]
        begin, end = places[number]
        data = _spliced(data, begin, end, box(kind, content))
    return data


def grown(data: bytes, kind: bytes, more: bytes) -> bytes:
    """More at the end of the first box of a kind."""
    begin, end = find(data, kind)
    return _spliced(data, begin, end, data[begin:end][:4] + data[begin + 4 : end] + more)


def _spliced(data: bytes, begin: int, end: int, new: bytes) -> bytes:
    """Something else instead of a box; those around it, and it, get their new sizes."""
    mutant = bytearray(data)
    delta = len(new) - (end - begin)
    for outer_begin, outer_end in find_boxes(data):
        if outer_begin < begin and end <= outer_end:
            pack_into(">I", mutant, outer_begin, outer_end - outer_begin + delta)
    mutant[begin:end] = pack(">I", len(new)) + new[4:]
    return bytes(mutant)
