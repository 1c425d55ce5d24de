"""Films that lie about how long they are, how large their parts are, and how many there are.

Used by ``hostile``.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack

from assets import GAP

from .bases import AVI, FLAC, FLV, MKV, MP4, TS, WAV
from .boxes import find, grown, patched, replaced
from .matroska import attachment, many_tracks
from .specimens import ANYTHING_HONEST, REASONS, SUCCEEDED, Kit, Specimen, one

_MOST = 0xFFFF_FFFF


def endless() -> Iterable[Specimen]:
    wrong = ("TooLong", "Damaged", "Truncated")
    yield one("timestamps that jump by ten hours", lambda kit: kit.film(GAP), *wrong)
    yield one(
        "MP4 of 49 days", lambda kit: patched(kit.film(MP4), b"mvhd", 16, _MOST), *ANYTHING_HONEST
    )
    yield one("MP4 of 49 days in every track", _long_everywhere, *ANYTHING_HONEST)
    yield one(
        "MP4 without time", lambda kit: patched(kit.film(MP4), b"mvhd", 12, 0), *ANYTHING_HONEST
    )
    yield one(
        "MP4 with frames of no length",
        lambda kit: patched(kit.film(MP4), b"stts", 12, 0),
        *ANYTHING_HONEST,
    )
    yield one(
        "MP4 with frames of an hour",
        lambda kit: patched(kit.film(MP4), b"stts", 12, 12800 * 3600),
        *REASONS,
    )
    yield one(
        "MP4 with endless frames",
        lambda kit: patched(kit.film(MP4), b"stts", 8, _MOST),
        *ANYTHING_HONEST,
    )
    yield one("MP4 whose edit list never ends", _long_edit)
    yield one("MP4 with a million edits", _many_edits)
    yield one("MKV that lasts for ever", lambda kit: _mkv_duration(kit, pack(">d", 1e18)))
    yield one("MKV that lasts no number", lambda kit: _mkv_duration(kit, pack(">d", float("nan"))))
    yield one("MKV that lasts less than nothing", lambda kit: _mkv_duration(kit, pack(">d", -1e9)))
    yield one("FLV of a century", lambda kit: _flv_duration(kit, 3e9), *REASONS)
    yield one("FLV that jumps", _flv_jump)
    yield one("TS that begins again", lambda kit: kit.film(TS) * 3)
    yield one("TS that goes back", lambda kit: _ts_backwards(kit.film(TS)))
    yield one("AVI of endless frames", lambda kit: patched(kit.film(AVI), b"strh", 32, _MOST, "<"))
    yield one(
        "AVI of a frame a day", lambda kit: patched(kit.film(AVI), b"strh", 20, 86400 * 25, "<")
    )
    yield one(
        "WAV that never ends",
        lambda kit: patched(kit.film(WAV), b"data", 0, _MOST, "<"),
        work="sound",
    )
    yield one(
        "WAV of a sample an hour",
        lambda kit: patched(kit.film(WAV), b"fmt ", 8, 1, "<"),
        work="sound",
    )
    yield one("FLAC of years", lambda kit: _flac_samples(kit.film(FLAC)), work="sound")


def _long_everywhere(kit: Kit) -> bytes:
    data = patched(kit.film(MP4), b"mvhd", 16, _MOST)
    return patched(patched(data, b"tkhd", 20, _MOST), b"mdhd", 16, _MOST)


def _long_edit(kit: Kit) -> bytes:
    return replaced(kit.film(MP4), b"elst", bytes(4) + pack(">IIiI", 1, _MOST, 0, 0x10000))


def _many_edits(kit: Kit) -> bytes:
    edits = pack(">IiI", 1, 0, 0x10000) * 1_000_000
    return replaced(kit.film(MP4), b"elst", bytes(4) + pack(">I", 1_000_000) + edits)


def _mkv_duration(kit: Kit, value: bytes) -> bytes:
    data = bytearray(kit.film(MKV))
    place = data.index(b"\x44\x89\x88") + 3
    data[place : place + 8] = value
    return bytes(data)


def _flv_duration(kit: Kit, seconds: float) -> bytes:
    data = bytearray(kit.film(FLV))
    place = data.index(b"\0\x08duration\0") + 11
    data[place : place + 8] = pack(">d", seconds)
    return bytes(data)


def _flv_jump(kit: Kit) -> bytes:
    """From the middle on, tags are ten hours later."""
    data, place, number = bytearray(kit.film(FLV)), 13, 0
    while place + 11 <= len(data):
        size = int.from_bytes(data[place + 1 : place + 4])
        number += 1
        if number > 35:
            time = int.from_bytes(data[place + 4 : place + 7]) + 36_000_000
            data[place + 4 : place + 8] = (time & 0xFFFFFF).to_bytes(3) + bytes([time >> 24])
        place += 11 + size + 4
    return bytes(data)


def _ts_backwards(data: bytes) -> bytes:
    packets = [data[i : i + 188] for i in range(0, len(data), 188)]
    middle = len(packets) // 2
    return b"".join(packets[:3] + packets[middle:] + packets[3:middle])


def _flac_samples(data: bytes) -> bytes:
    mutant = bytearray(data)
    mutant[21] |= 0x0F
    mutant[22:26] = b"\xff\xff\xff\xff"
    return bytes(mutant)


# ---- sizes


def lying_about_sizes() -> Iterable[Specimen]:
    yield one("3 GiB of nothing", lambda kit: kit.film(MP4), "TooLarge", hole_bytes=3 << 30)
    yield one("a film and 40 MB of nothing", lambda kit: kit.film(MP4), hole_bytes=40 << 20)
    yield one(
        "MP4 with a box of exabytes",
        lambda kit: kit.film(MP4) + _wide(b"mdat", 1 << 62),
        "Truncated",
    )
    yield one("MP4 with a box of no length", lambda kit: kit.film(MP4) + pack(">I", 4) + b"free")
    yield one("MP4 of 64 bits and none", lambda kit: _wide(b"mdat", 3) + kit.film(MP4))
    yield one(
        "MP4 with endless sample sizes", lambda kit: patched(kit.film(MP4), b"stsz", 8, _MOST)
    )
    yield one(
        "MP4 with samples of 2 GiB",
        lambda kit: patched(kit.film(MP4), b"stsz", 4, 0x7FFF_FFFF),
        *REASONS,
    )
    yield one("MP4 with endless offsets", lambda kit: patched(kit.film(MP4), b"stco", 4, _MOST))
    yield one(
        "MP4 with offsets far away", lambda kit: patched(kit.film(MP4), b"stco", 8, _MOST - 4)
    )
    yield one("MP4 of 65535 x 65535", lambda kit: _of_any_size(kit.film(MP4)))
    yield one("MKV with a segment of exabytes", lambda kit: _mkv_size(kit.film(MKV)), "Truncated")
    yield one(
        "MKV with a packet of exabytes",
        lambda kit: kit.film(MKV) + bytes.fromhex("a301ffffffffffff00"),
    )
    yield one(
        "RIFF of 4 GiB",
        lambda kit: patched(kit.film(AVI), b"RIFF", 0, _MOST - 15, "<"),
        "Truncated",
    )
    yield one(
        "AVI with an index elsewhere",
        lambda kit: patched(kit.film(AVI), b"idx1", 0, 0x7FFF_FFF0, "<"),
    )
    yield one(
        "WAV of 65535 channels",
        lambda kit: patched(kit.film(WAV), b"fmt ", 4, 0xFFFF_0001, "<"),
        work="sound",
    )
    yield one(
        "WAV of 4 GHz", lambda kit: patched(kit.film(WAV), b"fmt ", 8, _MOST, "<"), work="sound"
    )
    yield one(
        "FLAC with a picture of 16 MB that is not there",
        lambda kit: kit.film(FLAC)[:42] + b"\x06\xff\xff\xff" + kit.film(FLAC)[42:],
        work="sound",
    )


def _wide(kind: bytes, size: int) -> bytes:
    return pack(">I4sQ", 1, kind, size)


def _of_any_size(data: bytes) -> bytes:
    """What the container says of frames; the stream itself knows better."""
    mutant = bytearray(patched(data, b"tkhd", 76, _MOST))
    place = data.index(b"avc1", data.index(b"stsd")) + 4 + 24
    mutant[place : place + 4] = b"\xff\xff\xff\xff"
    return bytes(mutant)


def _mkv_size(data: bytes) -> bytes:
    place = data.index(bytes.fromhex("18538067")) + 4
    return data[:place] + b"\x01\xff\xff\xff\xff\xff\xff\x00" + data[place + 8 :]


# ---- too many


def too_many() -> Iterable[Specimen]:
    many = ("TooManyStreams", "UnsupportedFormat", "UnsupportedCodec", "Damaged")
    yield one("MP4 of 2000 tracks", lambda kit: _many_tracks(kit.film(MP4), 2000), *many)
    yield one("MP4 of 70 tracks", lambda kit: _many_tracks(kit.film(MP4), 68), "TooManyStreams")
    yield one("MKV of 5000 tracks", lambda kit: many_tracks(5000), *many)
    yield one(
        "TS of 2000 programmes", lambda kit: _many_programmes(kit.film(TS), 2000), *ANYTHING_HONEST
    )
    yield one("TS of a thousand streams", lambda kit: _many_streams(kit.film(TS)), *ANYTHING_HONEST)
    yield one(
        "MKV with 500 attachments", lambda kit: _attached(kit.film(MKV), 500), *many, SUCCEEDED
    )


def _many_tracks(data: bytes, count: int) -> bytes:
    begin, end = find(data, b"trak")
    return grown(data, b"moov", data[begin:end] * count)


def _attached(data: bytes, count: int) -> bytes:
    for _ in range(count):
        data = attachment(data, "font/ttf", bytes(10))
    return data


def _section(pid: int, table: int, body: bytes) -> bytes:
    """One table of a transport stream in as many packets as it takes."""
    section = bytes([table]) + pack(">H", 0xB000 | (len(body) + 4)) + body
    crc = 0xFFFF_FFFF
    for byte in section:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 1 << 31 else 0)) & 0xFFFF_FFFF
    section = b"\0" + section + pack(">I", crc)
    packets = b""
    for number, place in enumerate(range(0, len(section), 184)):
        head = pack(">BHB", 0x47, pid | (0x4000 if place == 0 else 0), 0x10 | number & 15)
        packets += head + section[place : place + 184].ljust(184, b"\xff")
    return packets


def _many_programmes(data: bytes, count: int) -> bytes:
    tables = b""
    for first in range(1, count, 250):
        numbers = range(first, min(first + 250, count))
        body = pack(">HBBB", 1, 0xC1, first // 250, count // 250)
        body += b"".join(pack(">HH", number, 0xE100 + number) for number in numbers)
        tables += _section(0, 0, body)
    return tables + data


def _many_streams(data: bytes) -> bytes:
    """The film's own programme, with many more streams than anybody sends."""
    tables = b""
    for first in range(0, 1000, 190):
        body = pack(">HBBBHH", 1, 0xC1 | first // 190 << 1, 0, 0, 0xE100, 0xF000)
        body += b"".join(pack(">BHH", 0x0F, 0xE200 + first + n, 0xF000) for n in range(190))
        tables += _section(0x1000, 2, body)
    return data[: 188 * 3] + tables + data[188 * 3 :]
