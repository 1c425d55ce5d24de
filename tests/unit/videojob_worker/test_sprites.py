"""Sheets of sprites and the track over them."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from videojob_worker.pictures import Candidate, Store
from videojob_worker.sprites import (
    MAX_SIDE,
    Layout,
    build_track,
    cue_starts,
    layout_of,
    write_sheet,
)
from videojob_worker.webvtt import format_time

WIDTH, HEIGHT = 64, 36


def frames(folder: Path, count: int, width: int = WIDTH, height: int = HEIGHT) -> list[Candidate]:
    """Grey pictures, each a little brighter than the one before."""
    made = []
    for number in range(count):
        path = folder / f"{number * 1000}.png"
        cv2.imwrite(str(path), np.full((height, width, 3), 10 + 10 * number, np.uint8))
        made.append(Candidate(path, number * 1000))
    return made


def test_every_picture_lies_where_the_track_says(tmp_path: Path) -> None:
    made = frames(tmp_path, 7)
    layout = layout_of(made, columns=2, rows=2)
    sheets = {}
    for number in range(layout.sheets(len(made))):
        path = tmp_path / f"sprite-{number + 1:03}.png"
        write_sheet(layout.on_sheet(made, number), layout, path, Store())
        sheets[path.name] = cv2.imread(str(path))
    track = build_track([Fraction(n) for n in range(7)], Fraction(7), layout, ".png")
    cues = re.findall(r"(\S+) --> (\S+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)", track)
    assert len(cues) == 7
    for number, (_, _, name, *place) in enumerate(cues):
        left, top, width, height = map(int, place)
        assert (width, height) == (WIDTH, HEIGHT)
        region = sheets[name][top : top + height, left : left + width]
        assert region.shape == (HEIGHT, WIDTH, 3)
        assert (region == 10 + 10 * number).all()
    assert len(sheets) == 2
    assert sheets["sprite-002.png"].shape == (2 * HEIGHT, 2 * WIDTH, 3)


def test_the_last_sheet_is_no_larger_than_it_must_be(tmp_path: Path) -> None:
    made = frames(tmp_path, 3)
    layout = layout_of(made, columns=2, rows=5)
    assert write_sheet(made, layout, tmp_path / "s.png", Store()) == (2 * WIDTH, 2 * HEIGHT)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1000, 3840), (3840, 2160)])
def test_no_sheet_is_larger_than_phones_take(width: int, height: int, tmp_path: Path) -> None:
    layout = layout_of(frames(tmp_path, 3, width, height), columns=20, rows=20)
    assert 1 <= layout.columns * width <= MAX_SIDE
    assert 1 <= layout.rows * height <= MAX_SIDE


def test_cues_follow_each_other_to_the_end_of_the_film() -> None:
    layout = Layout(columns=5, rows=5, width=WIDTH, height=HEIGHT)
    starts = cue_starts([2500, 7600, 12_000], Fraction(5))
    track = build_track(starts, Fraction(25, 2), layout, ".jpg")
    assert track.splitlines()[:3] == [
        *("WEBVTT", "", "00:00:00.000 --> 00:00:05.000"),
    ]
    assert re.findall(r"\S+ --> \S+", track)[1:] == [
        *("00:00:05.000 --> 00:00:10.000", "00:00:10.000 --> 00:00:12.500"),
    ]


def test_without_even_slots_each_moment_shows_the_nearest_picture() -> None:
    assert cue_starts([1000, 2000, 6000], None) == [0, Fraction(3, 2), 4]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (Fraction(0), "00:00:00.000"),
        (Fraction(1, 3), "00:00:00.333"),
        (Fraction("59.9996"), "00:01:00.000"),
        (Fraction(7384), "02:03:04.000"),
    ],
)
def test_times(seconds: Fraction, text: str) -> None:
    assert format_time(seconds) == text
