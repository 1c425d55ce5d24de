"""A film of H.264 in which each field is a picture of its own (PAFF), written by hand.

No free encoder makes such films, but cameras and broadcasters do. The first field of each frame is
I_PCM (its samples lie in the stream as they are), the second says "as before" of every block: all
that takes is a writer of bits. Used by ``hostile``; after ITU-T H.264, clauses 7.3 and 9.1.
"""

from __future__ import annotations

_WIDTH_BLOCKS, _HEIGHT_BLOCKS = 8, 3
"""Of a field: 128 x 48; a frame has 128 x 96."""
_MB_I_PCM, _MB_I_PCM_IN_P = 25, 30
_SLICE_P, _SLICE_I = 5, 7


class _Bits:
    """Bits in a row, as the standard writes them."""

    def __init__(self) -> None:
        self._bits: list[str] = []

    def u(self, value: int, width: int) -> _Bits:
        self._bits.append(f"{value:0{width}b}")
        return self

    def ue(self, *values: int) -> _Bits:
        """Exponential Golomb codes."""
        for value in values:
            digits = f"{value + 1:b}"
            self._bits.append("0" * (len(digits) - 1) + digits)
        return self

    def samples(self, value: int, count: int) -> _Bits:
        """Bytes of one value, from the next whole byte on."""
        self._bits.append("0" * (-sum(map(len, self._bits)) % 8))
        self._bits.append(f"{value:08b}" * count)
        return self

    def unit(self, kind: int) -> bytes:
        """A unit of the byte stream: with its end, its escapes and a start code."""
        text = "".join(self._bits) + "1"
        text += "0" * (-len(text) % 8)
        raw = int(text, 2).to_bytes(len(text) // 8)
        escaped, zeros = bytearray(), 0
        for byte in raw:
            if zeros == 2 and byte <= 3:
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes([kind]) + bytes(escaped)


def paff(frames: int) -> bytes:
    """A byte stream of so many frames, each of another grey."""
    return b"".join((_sequence(), _pictures(), *(_frame(number) for number in range(frames))))


def _sequence() -> bytes:
    bits = _Bits().u(77, 8).u(0, 8).u(30, 8)  # Main profile, level 3
    bits.ue(0, 0, 0, 0)  # id, 4 bits of frame_num, order type 0 with 4 bits
    bits.ue(2).u(0, 1)  # reference frames; no gaps
    bits.ue(_WIDTH_BLOCKS - 1, _HEIGHT_BLOCKS - 1)
    bits.u(0, 1).u(0, 1)  # not frames only; not by block
    bits.u(1, 1).u(0, 1)  # direct_8x8_inference; no cropping
    bits.u(1, 1).u(0, 4)  # VUI: no aspect, overscan, video signal or chroma place
    bits.u(1, 1).u(1, 32).u(50, 32).u(1, 1)  # 25 frames of two ticks a second, always
    return bits.u(0, 2).u(0, 1).u(0, 1).unit(0x67)


def _pictures() -> bytes:
    bits = _Bits().ue(0, 0).u(0, 2).ue(0, 0, 0)  # CAVLC, no order of fields, one group, references
    return bits.u(0, 3).ue(0, 0, 0).u(0, 3).unit(0x68)


def _frame(number: int) -> bytes:
    grey, blocks = 16 + 7 * number % 220, _WIDTH_BLOCKS * _HEIGHT_BLOCKS
    first = _Bits().ue(0, _SLICE_I, 0).u(0, 4).u(0b10, 2)  # frame_num 0; the top field
    first.ue(number % 2).u(0, 4).u(0, 2)  # idr_pic_id, order 0, keep no long references
    first.ue(0)
    for _ in range(blocks):
        first.ue(_MB_I_PCM).samples(grey, 256).samples(128, 128)
    second = _Bits().ue(0, _SLICE_P, 0).u(0, 4).u(0b11, 2).u(1, 4)  # the bottom field, order 1
    second.u(0, 1).u(0, 1).u(0, 1)  # as many references as said; in their order; no marking
    second.ue(0).ue(blocks)
    return first.unit(0x65) + second.unit(0x21)
