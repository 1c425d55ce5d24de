"""Files made by somebody who means harm, each with what may be said of it.

Bombs, endless films, sizes that lie, films that point elsewhere; what is no film at all is in
``disguises``. Used by the corpus test and by ``fuzz``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from struct import pack, unpack

from .bases import AVI, FILMS, FLAC, M4A, MKV, MOV, MP3, MP4, TS
from .boxes import box, find, grown, replaced
from .disguises import INCLUDING, OTHERS, UNSUPPORTED, png
from .fields import paff
from .liars import endless, lying_about_sizes, too_many
from .matroska import attachment, compressed_film, element, picture_film
from .specimens import ANYTHING_HONEST, REASONS, SUCCEEDED, Kit, Specimen, one

Maker = Callable[[Kit], bytes]
_BOMB_BYTES = 512 << 20
_MOST = 0x7FFF_FFFF


def hostile() -> tuple[Specimen, ...]:
    """All of them."""
    return (
        *(Specimen(name, make, UNSUPPORTED) for name, make in {**INCLUDING, **OTHERS}.items()),
        *_pointing_elsewhere(),
        *_bombs(),
        *endless(),
        *lying_about_sizes(),
        *too_many(),
        *_strange_but_good(),
    )


def pointing_elsewhere() -> tuple[Specimen, ...]:
    """Those that would have another file read or a server called."""
    texts = (Specimen(name, make, UNSUPPORTED) for name, make in INCLUDING.items())
    return (*texts, *_pointing_elsewhere())


# ---- pointing elsewhere


def _pointing_elsewhere() -> Iterable[Specimen]:
    refused = (*REASONS,)
    yield one("MOV with its data in a file", _with_url_reference("{path}"))
    yield one("MOV with its data behind a URL", _with_url_reference("{url}"))
    yield one("MOV with an alias", _with_alias, *refused)
    yield one("MOV that stands for another", _reference_movie, *refused)
    yield one("AVI with a playlist for subtitles", _avi_with_playlist, *ANYTHING_HONEST)
    yield one("WMV with a script command", _asf_with_command, *ANYTHING_HONEST)
    yield one("MKV of linked segments", _linked_segments, SUCCEEDED)
    yield one(
        "a playlist behind a film", lambda kit: kit.film(MP4) + _m3u8(kit), SUCCEEDED, "Damaged"
    )
    yield one("a film behind a playlist", lambda kit: _m3u8(kit) + kit.film(TS), *ANYTHING_HONEST)
    yield one("a playlist in a box", lambda kit: box(b"ftyp", _m3u8(kit)), *refused)


def _m3u8(kit: Kit) -> bytes:
    return INCLUDING["m3u8 of a file"](kit)


def _with_url_reference(target: str) -> Maker:
    def make(kit: Kit) -> bytes:
        where = target.format(path=f"file://{kit.canaries}/canary.mp4", url=kit.url)
        entry = box(b"url ", b"\0\0\0\0" + where.encode() + b"\0")
        return replaced(kit.film(MOV), b"dref", b"\0\0\0\0" + pack(">I", 1) + entry)

    return make


def _with_alias(kit: Kit) -> bytes:
    """An alias record of the old Macintosh, as in Apple's own files: volume, folder, absolute path."""
    path = f"{kit.canaries}/canary.mp4".encode()
    record = bytes(4) + pack(">HHH", 0, 2, 0) + b"\x06volume" + bytes(21) + bytes(12)
    record += b"\x0acanary.mp4" + bytes(53) + bytes(16) + pack(">hh", 1, 1) + bytes(16)
    for kind, text in ((2, path[1:]), (18, path), (14, path)):
        record += pack(">HH", kind, len(text)) + text + b"\0" * (len(text) % 2)
    entry = box(b"alis", bytes(4) + record + pack(">HH", 0xFFFF, 0))
    return replaced(kit.film(MOV), b"dref", b"\0\0\0\0" + pack(">I", 1) + entry)


def _reference_movie(kit: Kit) -> bytes:
    where = kit.url.encode() + b"\0"
    one = box(b"rmda", box(b"rdrf", bytes(4) + b"url " + pack(">I", len(where)) + where))
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", box(b"rmra", one))


def _avi_with_playlist(kit: Kit) -> bytes:
    """Subtitles of AVI are a whole file in a packet, which ffmpeg would open by its content."""
    text = _m3u8(kit)
    chunk = b"GAB2\0" + pack("<HI", 2, 2) + b"a\0" + pack("<HI", 4, len(text)) + text
    data = kit.film(AVI)
    head = b"txts" + bytes(16) + pack("<8I", 1, 25, 0, 1, 0, 0, 0, 0) + bytes(8)
    stream = b"LIST" + pack("<I", 4 + 8 + len(head) + 8) + b"strl"
    stream += b"strh" + pack("<I", len(head)) + head + b"strf" + pack("<I", 0)
    body = b"02tx" + pack("<I", len(chunk)) + chunk + b"\0" * (len(chunk) % 2)
    size = int.from_bytes(data[16:20], "little")
    end, movi = 20 + size, data.index(b"movi") + 4
    streams = int.from_bytes(data[56:60], "little")
    head = data[12:16] + pack("<I", size + len(stream)) + data[20:56] + pack("<I", streams + 1)
    rest = head + data[60:end] + stream + data[end:movi] + body + data[movi:]
    return data[:4] + pack("<I", 4 + len(rest)) + data[8:12] + rest


def _asf_with_command(kit: Kit) -> bytes:
    data = kit.film(next(clip for clip in FILMS if clip.name == "wmv2.wmv"))
    name, where = ("URLANDEXIT\0".encode("utf-16-le"), (kit.url + "\0").encode("utf-16-le"))
    body = bytes(16) + pack("<HH", 1, 1) + pack("<H", len(name) // 2 - 1) + name[:-2]
    body += pack("<IHH", 0, 0, len(where) // 2 - 1) + where[:-2]
    command = bytes.fromhex("301afb1e620bd011a39b00a0c90348f6") + pack("<Q", 24 + len(body)) + body
    size, count = int.from_bytes(data[16:24], "little"), int.from_bytes(data[24:28], "little")
    head = data[:16] + pack("<QI", size + len(command), count + 1) + data[28:size]
    return head + command + data[size:]


def _linked_segments(kit: Kit) -> bytes:
    uid = element("73A4", bytes(range(16)))
    following = element("3EB923", bytes(16)) + element(
        "3E83BB", f"{kit.canaries}/canary.mp4".encode()
    )
    data = kit.film(MKV)
    place = data.index(bytes.fromhex("1549a966"))
    # the segment's size is not mended: what follows it counts as its own
    return data[:place] + element("EC", uid + following) + data[place:]


# ---- bombs


def _bombs() -> Iterable[Specimen]:
    fine = (SUCCEEDED, "TooManyPixels")
    yield one("MOV whose index is a bomb", _compressed_index, *REASONS)
    yield one("MKV of packets that are bombs", lambda kit: compressed_film(_BOMB_BYTES), *REASONS)
    yield one("a picture bomb as a film", lambda kit: picture_film(png(16000, 16000)), *REASONS)
    cover = png(16000, 16000)
    yield one(
        "MP3 with a cover bomb", lambda kit: _id3(_apic(cover)) + kit.film(MP3), *fine, work="sound"
    )
    yield one(
        "M4A with a cover bomb", lambda kit: _m4a_cover(kit.film(M4A), cover), *fine, work="sound"
    )
    yield one(
        "FLAC with a cover bomb",
        lambda kit: _flac_cover(kit.film(FLAC), cover),
        *fine,
        work="sound",
    )
    yield one(
        "MKV with a cover bomb", lambda kit: attachment(kit.film(MKV), "image/png", cover), *fine
    )
    yield one(
        "MKV with a large font",
        lambda kit: attachment(kit.film(MKV), "font/ttf", bytes(24 << 20)),
        SUCCEEDED,
    )
    yield one(
        "MP3 of nothing but covers",
        lambda kit: _id3(_apic(png(9, 9)) * 3000) + kit.film(MP3),
        work="sound",
    )
    yield one(
        "MP4 with a box of 40 MB",
        lambda kit: grown(kit.film(MP4), b"moov", box(b"udta", bytes(40 << 20))),
        SUCCEEDED,
    )
    yield one(
        "MP4 with a tag of 40 MB",
        lambda kit: grown(kit.film(MP4), b"moov", _tag(b"x" * (40 << 20))),
    )
    yield one(
        "MP4 of boxes in boxes",
        lambda kit: kit.film(MP4) + _nested(b"moov", 2000),
        SUCCEEDED,
        *REASONS,
    )
    yield one(
        "MP4 that is one box in another",
        lambda kit: box(b"ftyp", b"isom") + _nested(b"udta", 20000),
        *REASONS,
    )
    yield one(
        "an ID3 tag without end",
        lambda kit: b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + kit.film(MP3),
        *REASONS,
        work="sound",
    )


def _compressed_index(kit: Kit) -> bytes:
    """QuickTime's index can be compressed: this one says that it is half a GiB of zeros, and is."""
    packer = zlib.compressobj(9)
    part = bytes(1 << 20)
    body = b"".join(packer.compress(part) for _ in range(_BOMB_BYTES >> 20)) + packer.flush()
    data = box(b"dcom", b"zlib") + box(b"cmvd", pack(">I", _BOMB_BYTES) + body)
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", box(b"cmov", data)) + box(b"mdat", b"")


def _id3(frames: bytes) -> bytes:
    size = len(frames)
    spread = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + spread + frames


def _apic(picture: bytes) -> bytes:
    body = b"\0image/png\0\x03\0" + picture
    return b"APIC" + pack(">IH", len(body), 0) + body


def _tag(text: bytes) -> bytes:
    data = box(b"data", pack(">II", 1, 0) + text)
    name = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    return box(b"udta", box(b"meta", bytes(4) + name + box(b"ilst", box(b"\xa9nam", data))))


def _m4a_cover(data: bytes, picture: bytes) -> bytes:
    cover = box(b"covr", box(b"data", pack(">II", 14, 0) + picture))
    name = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    return grown(data, b"moov", box(b"udta", box(b"meta", bytes(4) + name + box(b"ilst", cover))))


def _flac_cover(data: bytes, picture: bytes) -> bytes:
    body = pack(">I", 3) + pack(">I", 9) + b"image/png" + pack(">6I", 0, 9, 9, 8, 0, len(picture))
    body += picture
    return data[:42] + b"\x06" + len(body).to_bytes(3) + body + data[42:]


def _nested(kind: bytes, depth: int) -> bytes:
    sizes = range(8 * depth, 0, -8)
    return b"".join(pack(">I", size) + kind for size in sizes)


# ---- strange, and good


def _unreadable_units(data: bytes, count: int) -> bytes:
    """H.264 whose last units say that they are larger than their packets."""
    begin, end = find(data, b"stsz")
    sizes = unpack(f">{(end - begin - 20) // 4}I", data[begin + 20 : end])
    begin, end = find(data, b"stco")
    (place,) = unpack(">I", data[begin + 16 : begin + 20])
    mutant = bytearray(data)
    for number in range(len(sizes) - count, len(sizes)):
        where = place + sum(sizes[:number])
        mutant[where : where + 4] = pack(">I", _MOST)
    return bytes(mutant)


def _strange_but_good() -> Iterable[Specimen]:
    yield one(  # a picture is lost: no more than may be
        "MP4 with a unit that can't be read",
        lambda kit: _unreadable_units(kit.remuxed(kit.film(MP4), "mov", "mp4", "-an"), 1),
        SUCCEEDED,
        work="clean",
    )
    yield one(
        "MP4 with units that can't be read",
        lambda kit: _unreadable_units(kit.remuxed(kit.film(MP4), "mov", "mp4", "-an"), 4),
        "Damaged",
        work="clean",
    )
    yield one(
        "AMR of noise",
        lambda kit: b"#!AMR\n" + (b"\x3c" + bytes(range(7, 38))) * 50,
        SUCCEEDED,
        work="sound",
    )
    yield one(
        "fields as pictures, in TS", lambda kit: kit.remuxed(paff(25), "h264", "mpegts"), SUCCEEDED
    )
    yield one(
        "fields as pictures, in MKV",
        lambda kit: kit.remuxed(kit.remuxed(paff(25), "h264", "mpegts"), "mpegts", "matroska"),
        SUCCEEDED,
    )
    yield one(
        "fields as pictures, cut",
        lambda kit: kit.remuxed(paff(25), "h264", "mpegts")[:-20000],
        SUCCEEDED,
        "Damaged",
        "Truncated",
    )
    yield one("MP4 with junk behind it", lambda kit: kit.film(MP4) + b"junk" * 1000, SUCCEEDED)
    yield one("TS with junk before it", lambda kit: b"\0\1" * 1000 + kit.film(TS))
    yield one(
        "MP4 that calls itself MOV",
        lambda kit: kit.film(MP4).replace(b"isom", b"qt  ", 1),
        SUCCEEDED,
    )
