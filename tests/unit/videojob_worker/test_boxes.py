"""Boxes: codec strings from configurations, and the index of segments."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from videojob_worker.boxes import Color, build_index, insert
from videojob_worker.boxes.codecs import codec_string, parse_color

PQ = Color(9, 16, 9)


@pytest.mark.parametrize(
    ("name", "kind", "configuration", "color", "codec"),
    [
        ("avc1", b"avcC", "0164001fffe1", None, "avc1.64001f"),
        (
            "hvc1",
            b"hvcC",
            "01016000000090000000000 05df000".replace(" ", ""),
            None,
            "hvc1.1.6.L93.90",
        ),
        ("hvc1", b"hvcC", "0122200000009000000000009900", None, "hvc1.2.4.H153.90"),
        ("hev1", b"hvcC", "0141600000000000000000003c00", None, "hev1.A1.6.L60"),
        ("av01", b"av1C", "81080c00", None, "av01.0.08M.08"),
        ("av01", b"av1C", "81 0d 4c 00".replace(" ", ""), PQ, "av01.0.13M.10.0.110.09.16.09.0"),
        ("av01", b"av1C", "815380ff", None, "av01.2.19H.08"),
        ("vp09", b"vpcC", "01000000001f8001010100", None, "vp09.00.31.08"),
        (
            "mp4a",
            b"esds",
            "000000000319000100041140150000000000000000000000000005021190",
            None,
            "mp4a.40.2",
        ),
        (
            "mp4a",
            b"esds",
            "00000000031900010004114015000000000000000000000000000502f940",
            None,
            "mp4a.40.42",
        ),
        (
            "mp4a",
            b"esds",
            "00000000 0312 000100 040d 6b15 0000000000000000000000",
            None,
            "mp4a.6b",
        ),
        ("Opus", b"dOps", "0002", None, "opus"),
        ("fLaC", b"dfLa", "00", None, None),
    ],
)
def test_codec_strings(
    name: str, kind: bytes, configuration: str, color: Color | None, codec: str | None
) -> None:
    content = memoryview(bytes.fromhex(configuration))
    assert codec_string(name, kind, content, color) == codec


def test_colours() -> None:
    assert parse_color(memoryview(b"nclx" + bytes.fromhex("00090010000980"))) == Color(
        9, 16, 9, True
    )
    assert parse_color(memoryview(b"prof" + bytes(40))) is None


def test_an_index_counts_from_its_own_end() -> None:
    box = build_index(7, 1000, 21, [(500, 4000), (300, 2000)])
    version, reserved, key = 1 << 24, 0, 0x9000_0000
    expected = [64, 0x73696478, version, 7, 1000, 0, 21, 0, 0, reserved << 16 | 2]
    expected += [500, 4000, key, 300, 2000, key]
    assert list(struct.unpack(">16I", box)) == expected


def test_an_index_of_too_many_segments_is_refused() -> None:
    with pytest.raises(ValueError, match="65536 segments"):
        build_index(1, 1, 0, [(1, 1)] * 65536)


@pytest.mark.parametrize("length", [0, 1, 5000, 3 << 20])
def test_a_box_is_put_into_a_file_and_all_the_rest_moves_on(length: int, tmp_path: Path) -> None:
    rest = bytes(n % 251 for n in range(1000)) * (length // 1000) + b"x" * (length % 1000)
    path = tmp_path / "a"
    path.write_bytes(b"moov" + rest)
    insert(path, 4, b"index" * 300_000)
    assert path.read_bytes() == b"moov" + b"index" * 300_000 + rest
