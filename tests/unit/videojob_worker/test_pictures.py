"""Choosing frames and laying out sheets, on frames made here."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from videojob_api.steps import PictureFormat
from videojob_worker.errors import Unverified
from videojob_worker.pictures import (
    Candidate,
    Store,
    choose,
    format_time,
    score,
    write_contact_sheet,
)

NOISE = np.random.default_rng(7).integers(0, 255, (90, 160, 3), np.uint8)
SOFT = cv2.GaussianBlur(NOISE, (9, 9), 0)
BLACK = np.zeros((90, 160, 3), np.uint8)
GREY = np.full((90, 160, 3), 128, np.uint8)


def frames(folder: Path, **images: np.ndarray) -> list[Candidate]:
    """Frames by their time: ``t1500=IMAGE``."""
    made = []
    for name, image in images.items():
        path = folder / f"{name[1:]}.png"
        cv2.imwrite(str(path), image)
        made.append(Candidate(path, int(name[1:])))
    return made


def test_sharp_beats_soft_and_anything_beats_black_and_empty() -> None:
    assert score(NOISE) > score(SOFT) > score(BLACK)
    assert score(SOFT) > score(GREY)


def test_the_best_of_each_slot(tmp_path: Path) -> None:
    candidates = frames(tmp_path, t0=BLACK, t300=SOFT, t600=NOISE, t1000=NOISE, t1500=BLACK)
    assert [c.milliseconds for c in choose(candidates, 2, Fraction(1))] == [600, 1000]


def test_among_equals_the_middle_of_the_slot_is_taken(tmp_path: Path) -> None:
    candidates = frames(tmp_path, t100=NOISE, t480=NOISE, t900=NOISE)
    assert [c.milliseconds for c in choose(candidates, 1, Fraction(1))] == [480]


def test_a_slot_without_frames_takes_the_nearest_that_is_left(tmp_path: Path) -> None:
    candidates = frames(tmp_path, t0=SOFT, t100=NOISE, t2500=NOISE, t2600=SOFT)
    assert [c.milliseconds for c in choose(candidates, 3, Fraction(1))] == [100, 2500, 2600]


def test_too_few_frames_give_fewer_pictures(tmp_path: Path) -> None:
    assert len(choose(frames(tmp_path, t0=NOISE, t100=SOFT), 5, Fraction(1))) == 2


def test_a_black_film_still_has_pictures(tmp_path: Path) -> None:
    assert len(choose(frames(tmp_path, t0=BLACK, t1200=BLACK), 2, Fraction(1))) == 2


@pytest.mark.parametrize(
    ("count", "columns", "rows"),
    [(1, 1, 1), (2, 2, 1), (4, 2, 2), (6, 3, 2), (9, 3, 3), (12, 4, 3)],
)
def test_sheets_are_filled_evenly(count: int, columns: int, rows: int, tmp_path: Path) -> None:
    images = frames(tmp_path, **{f"t{n * 1000}": NOISE for n in range(count)})
    width, height = write_contact_sheet(images, tmp_path / "sheet.jpg", Store())
    assert width == 12 + columns * 172
    assert (height - 12) % rows == 0
    assert cv2.imread(str(tmp_path / "sheet.jpg")).shape == (height, width, 3)


def test_a_large_sheet_stays_within_bounds(tmp_path: Path) -> None:
    large = cv2.resize(NOISE, (1920, 1080))
    images = frames(tmp_path, t0=large) * 30
    width, height = write_contact_sheet(images, tmp_path / "sheet.jpg", Store())
    assert width <= 1600
    assert height < 2000


def test_a_sheet_of_many_large_pictures_does_not_hold_them_all(tmp_path: Path) -> None:
    large = cv2.resize(NOISE, (1280, 720))
    images = frames(tmp_path, t0=large) * 60
    tracemalloc.start()
    try:
        write_contact_sheet(images, tmp_path / "sheet.jpg", Store())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20 * large.nbytes


@pytest.mark.parametrize(
    ("form", "suffix", "magic"),
    [
        (PictureFormat.JPEG, ".jpg", b"\xff\xd8\xff"),
        (PictureFormat.PNG, ".png", b"\x89PNG"),
        (PictureFormat.WEBP, ".webp", b"RIFF"),
    ],
)
def test_every_format_keeps_the_size(
    form: PictureFormat, suffix: str, magic: bytes, tmp_path: Path
) -> None:
    (frame,) = frames(tmp_path, t0=NOISE)
    store = Store(form)
    target = tmp_path / f"0001{store.suffix}"
    assert store.suffix == suffix
    assert store.write(frame.path, target) == (160, 90)
    assert target.read_bytes().startswith(magic)
    assert cv2.imread(str(target)).shape == (90, 160, 3)


@pytest.mark.parametrize("form", [PictureFormat.JPEG, PictureFormat.WEBP])
def test_quality_costs_bytes(form: PictureFormat, tmp_path: Path) -> None:
    (frame,) = frames(tmp_path, t0=NOISE)
    sizes = []
    for quality in (20, 90):
        path = tmp_path / f"{quality}{Store(form).suffix}"
        Store(form, quality).write(frame.path, path)
        sizes.append(path.stat().st_size)
    assert sizes[0] * 2 < sizes[1]


def test_a_broken_frame_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"nothing")
    with pytest.raises(Unverified):
        Store().write(tmp_path / "0.png", tmp_path / "0001.jpg")


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "0:00"), (65_900, "1:05"), (7_384_000, "2:03:04")]
)
def test_times(milliseconds: int, text: str) -> None:
    assert format_time(milliseconds) == text
