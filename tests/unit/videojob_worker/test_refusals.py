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


def test_pictures_with_the_time_of_others_are_counted():
    extents = Extents()
    for time in ("0.00", "0.08", "0.04", "0.04", "0.12", "0.12", "0.12"):
        extents.feed(f"packet,0,{time},N/A,0.04,K__\n")
    assert (extents.of[0].count, extents.of[0].repeated) == (7, 3)
