"""Ways to break a good file: bytes and a seeded source of chance in, bytes out.

Pure. Used by ``specimens``. Equal bytes and an equal seed give an equal mutant, on every machine.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from random import Random

Mutation = Callable[[bytes, Random], bytes]
_EXTREMES = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF)
_CONTAINERS = frozenset(
    (
        b"moov",
        b"trak",
        b"mdia",
        b"minf",
        b"stbl",
        b"edts",
        b"dinf",
        b"udta",
        b"mvex",
        b"moof",
        b"traf",
    )
)
_MAX_DEPTH = 8


def flip_bits(data: bytes, chance: Random) -> bytes:
    """A few wrong bits anywhere, as bad memory makes them."""
    return _flipped(data, chance, 0, len(data))


def flip_bits_of_the_head(data: bytes, chance: Random) -> bytes:
    """The same where headers are."""
    return _flipped(data, chance, 0, min(len(data), 1024))


def flip_bits_of_the_tail(data: bytes, chance: Random) -> bytes:
    """The same where an index often is."""
    return _flipped(data, chance, max(0, len(data) - 3000), len(data))


def cut(data: bytes, chance: Random) -> bytes:
    """The end is missing."""
    return data[: chance.randrange(1, max(2, len(data) * 19 // 20))]


def behead(data: bytes, chance: Random) -> bytes:
    """The beginning is missing."""
    return data[chance.randrange(1, max(2, len(data) // 2)) :]


def remove(data: bytes, chance: Random) -> bytes:
    """A part in the middle is missing."""
    begin, end = _span(data, chance)
    return data[:begin] + data[end:]


def repeat(data: bytes, chance: Random) -> bytes:
    """A part is there several times."""
    begin, end = _span(data, chance)
    return data[:end] + data[begin:end] * chance.randrange(1, 4) + data[end:]


def blank(data: bytes, chance: Random) -> bytes:
    """A part was never written: zeros, as after a crash."""
    begin, end = _span(data, chance)
    return data[:begin] + bytes(end - begin) + data[end:]


def scribble(data: bytes, chance: Random) -> bytes:
    """A part is noise."""
    begin, end = _span(data, chance)
    return data[:begin] + chance.randbytes(end - begin) + data[end:]


def insert(data: bytes, chance: Random) -> bytes:
    """Noise between two parts."""
    place = chance.randrange(len(data))
    return data[:place] + chance.randbytes(chance.randrange(1, 4096)) + data[place:]


def swap(data: bytes, chance: Random) -> bytes:
    """Two parts have changed places."""
    a, b, c = sorted(chance.randrange(len(data)) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def exaggerate(data: bytes, chance: Random) -> bytes:
    """Numbers at the edge of what they can be: sizes, counts, times."""
    mutant = bytearray(data)
    first = chance.choice((0, max(0, len(data) - 3000)))
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(first, max(first + 1, min(len(data), first + 3000) - 4))
        order = chance.choice("<>")
        mutant[place : place + 4] = struct.pack(order + "I", chance.choice(_EXTREMES))
    return bytes(mutant)


def break_a_box(data: bytes, chance: Random) -> bytes:
    """One box of an MP4 says something else, is gone, or is there twice; other files: ``exaggerate``."""
    boxes = list(find_boxes(data))
    if not boxes:
        return exaggerate(data, chance)
    begin, end = chance.choice(boxes)
    mutant = bytearray(data)
    how = chance.randrange(6)
    if how == 0:
        mutant[begin + 4 : begin + 8] = chance.choice(
            (b"free", b"moov", b"trak", b"stts", b"\0\0\0\0")
        )
    elif how == 1:
        mutant[begin : begin + 4] = struct.pack(">I", chance.choice(_EXTREMES))
    elif how == 2:
        del mutant[begin:end]
    elif how == 3:
        mutant[end:end] = mutant[begin:end]
    else:
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(begin + 8, max(begin + 9, min(end, begin + 80) - 3))
            mutant[place : place + 4] = struct.pack(">I", chance.choice(_EXTREMES))
    return bytes(mutant)


MUTATIONS: dict[str, Mutation] = {
    "bits": flip_bits,
    "head bits": flip_bits_of_the_head,
    "tail bits": flip_bits_of_the_tail,
    "cut": cut,
    "behead": behead,
    "remove": remove,
    "repeat": repeat,
    "blank": blank,
    "scribble": scribble,
    "insert": insert,
    "swap": swap,
    "exaggerate": exaggerate,
    "box": break_a_box,
}


def graft(head: bytes, tail: bytes, chance: Random) -> bytes:
    """The beginning of one file and the end of another."""
    place = chance.randrange(1, max(2, len(head)))
    return head[:place] + tail[chance.randrange(max(1, len(tail))) :]


def find_boxes(
    data: bytes, begin: int = 0, end: int | None = None, depth: int = 0
) -> Iterator[tuple[int, int]]:
    """Where the boxes of an MP4 begin and end, those inside of others too; none of other files."""
    end = len(data) if end is None else end
    if depth == 0 and data[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return
    while begin + 8 <= end and depth < _MAX_DEPTH:
        size, kind = struct.unpack_from(">I4s", data, begin)
        stop = begin + size
        if size < 8 or stop > end:
            return
        yield begin, stop
        if kind in _CONTAINERS:
            yield from find_boxes(data, begin + 8, stop, depth + 1)
        begin = stop


def _flipped(data: bytes, chance: Random, begin: int, end: int) -> bytes:
    mutant = bytearray(data)
    for _ in range(chance.choice((1, 2, 8, 64))):
        mutant[chance.randrange(begin, end)] ^= 1 << chance.randrange(8)
    return bytes(mutant)


def _span(data: bytes, chance: Random) -> tuple[int, int]:
    """Up to a quarter of the file."""
    begin = chance.randrange(len(data))
    return begin, min(len(data), begin + chance.randrange(1, max(2, len(data) // 4)))
