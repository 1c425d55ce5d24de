"""From ffprobe's complaints to a reason, and what is missing of a file by its own sizes."""

from __future__ import annotations

from pathlib import Path
from struct import pack

import pytest

from videojob_api.reasons import RejectReason
from videojob_api.videojob import Limits
from videojob_worker.packets import Extents
from videojob_worker.refusals import explain
from videojob_worker.structure import find_cut


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (
            "[mp3 @ 0x1] Number of streams exceeds max_streams parameter (1000), see the "
            "documentation if you wish to increase it\nsource: Cannot allocate memory\n",
            RejectReason.TOO_MANY_STREAMS,
        ),
        ("file:source: Cannot allocate memory\n", RejectReason.DAMAGED),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n", RejectReason.DAMAGED),
        ("[x @ 0x1] Picture size 9999x9999 exceeds the limit\n", RejectReason.TOO_MANY_PIXELS),
        ("file:source: Invalid data found\n", RejectReason.UNSUPPORTED_FORMAT),
    ],
)
def test_a_file_that_asks_for_too_much_is_to_blame_itself(stderr: str, reason: RejectReason):
    assert explain(stderr, b"\0\0\0\x18ftyp", None, Limits()).reason == reason


def box(kind: bytes, size: int, body: int = 0) -> bytes:
    return pack(">I4s", size, kind) + bytes(body)


FILM = box(b"ftyp", 16, 8) + box(b"mdat", 108, 100) + box(b"moov", 28, 20)


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (FILM, None),
        (FILM + b"junkjunkjunk", None),
        (FILM + box(b"vndr", 24, 16) + box(b"free", 8), None),
        (FILM + box(b"mdat", 100, 10), "82 bytes at the end of its mdat box are missing"),
        (FILM + box(b"moof", 100, 10), "82 bytes at the end of its moof box are missing"),
        (FILM[:-28] + b"junkjunkjunk", "1786080863 bytes at the end of its junk box are missing"),
    ],
)
def test_junk_behind_a_whole_film_is_no_missing_part(tmp_path: Path, data: bytes, cut: str | None):
    path = tmp_path / "film"
    path.write_bytes(data)
    assert find_cut(path) == cut


@pytest.mark.parametrize(
    ("times", "misplaced"),
    [
        ("0.00/0 0.08/0.04 0.04/0.08 0.16/0.12 0.12/0.16", 0),  # B-frames
        ("0.00/N/A 0.08/N/A 0.04/N/A", 0),
        ("0.00/0 0.08/0.04 0.04/0.08 0.04/0.12 0.04/0.16", 2),
        ("0.00/0 0.04/0.04 0.08/0.08 0.01/0.01 0.05/0.05 0.12/0.12", 2),
    ],
)
def test_packets_without_a_time_of_their_own_are_counted(times: str, misplaced: int):
    extents = Extents()
    for pair in times.split():
        shown, _, decoded = pair.partition("/")
        extents.feed(f"packet,0,{shown},{decoded},0.04,K__\n")
    assert extents.of[0].misplaced == misplaced


def asf(file_bytes: int, flags: int, size: int) -> bytes:
    """The head of a WMV, and as many bytes as it takes."""
    body = bytes(16) + pack("<QQQQQQI", file_bytes, 0, 9, 10**7, 10**7, 3000, flags) + bytes(12)
    other = bytes.fromhex("b503bf5f2ea9cf118ee300c00c205365") + pack("<Q", 30) + bytes(6)
    properties = (
        bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365") + pack("<Q", 24 + len(body)) + body
    )
    inside = other + properties
    head = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + pack(
        "<QIBB", 30 + len(inside), 2, 1, 2
    )
    return (head + inside).ljust(size, b"\0")


@pytest.mark.parametrize(
    ("told", "flags", "cut"),
    [
        (1000, 2, None),
        (900, 2, None),
        (0, 2, None),
        (5000, 2, "4000 bytes at the end of what its header tells of are missing"),
        (5000, 1, None),  # a broadcast: nobody knew
    ],
)
def test_a_wmv_tells_of_its_size(tmp_path: Path, told: int, flags: int, cut: str | None):
    path = tmp_path / "film"
    path.write_bytes(asf(told, flags, 1000))
    assert find_cut(path) == cut


@pytest.mark.parametrize("size", range(17, 130, 7))
def test_a_wmv_that_is_cut_in_its_header_is_not_looked_into(tmp_path: Path, size: int):
    path = tmp_path / "film"
    path.write_bytes(asf(5000, 2, 1000)[:size])
    assert find_cut(path) is None
