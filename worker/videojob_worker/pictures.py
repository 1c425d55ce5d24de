"""Chooses among decoded frames, stores pictures, and lays out contact sheets, with OpenCV.

Called by the thumbnails step. It reads only PNG files that our own ffmpeg wrote from decoded
frames; never anything that came from outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, log
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

from videojob_api.steps import PictureFormat

from .errors import Unverified

DARK_LUMA = 20
"""Mean brightness (0..255) below which a frame counts as black."""
FLAT_CONTRAST = 6.0
"""Standard deviation of brightness below which a frame counts as empty."""

cv2.setNumThreads(1)  # by itself it takes every core of the machine

_DISTANCE_MALUS = 0.4
_BACKGROUND = (24, 22, 20)
_CAPTION = (225, 225, 225)
_GAP = 12
_SHEET_ASPECT = 1.9
_MAX_SHEET_WIDTH = 1600
_MAX_SHEET_PIXELS = 24_000_000
_FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True, order=True)
class Candidate:
    """A frame that may become a picture."""

    path: Path = field(compare=False)
    milliseconds: int
    """Since the beginning of the film."""


_FORMS: dict[PictureFormat, tuple[str, str, tuple[int, ...]]] = {
    PictureFormat.JPEG: (
        *(".jpg", "image/jpeg"),
        (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_QUALITY),
    ),
    PictureFormat.PNG: (".png", "image/png", ()),
    PictureFormat.WEBP: (".webp", "image/webp", (cv2.IMWRITE_WEBP_QUALITY,)),
}
"""Suffix, type, and options; the value of the last one is the quality."""


@dataclass(frozen=True)
class Store:
    """How pictures are stored."""

    format: PictureFormat = PictureFormat.JPEG
    quality: int = 88

    @property
    def suffix(self) -> str:
        """Of their files, with the dot."""
        return _FORMS[self.format][0]

    @property
    def mime_type(self) -> str:
        """Of their content."""
        return _FORMS[self.format][1]

    def write(self, source: Path, target: Path) -> tuple[int, int]:
        """Store a frame of the pass; returns width and height."""
        return self.save(load(source), target)

    def save(self, image: MatLike, path: Path) -> tuple[int, int]:
        """Store a picture; returns width and height."""
        options = _FORMS[self.format][2]
        if not cv2.imwrite(str(path), image, [*options, self.quality] if options else []):
            raise Unverified(f"The picture {path.name} can't be written.")
        return image.shape[1], image.shape[0]


def choose(
    candidates: Sequence[Candidate], count: int, slot_seconds: Fraction
) -> tuple[Candidate, ...]:
    """The best candidate of each slot, in order of time.

    A slot without any takes the nearest one that no other slot took, so that a film with few key
    frames still yields as many pictures as it can.
    """
    slots: list[list[Candidate]] = [[] for _ in range(count)]
    for candidate in candidates:
        slot = int(Fraction(candidate.milliseconds, 1000) / slot_seconds) if slot_seconds else 0
        slots[min(slot, count - 1)].append(candidate)
    chosen: dict[int, Candidate] = {}
    for number, candidates_here in enumerate(slots):
        if candidates_here:
            middle = float((number + Fraction(1, 2)) * slot_seconds * 1000)
            reach = max(1.0, float(slot_seconds * 500))
            chosen[number] = max(candidates_here, key=lambda c, m=middle, r=reach: _merit(c, m, r))  # type: ignore[misc]
    left = [c for c in candidates if c not in chosen.values()]
    for number in range(count):
        if number not in chosen and left:
            middle = float((number + Fraction(1, 2)) * slot_seconds * 1000)
            nearest = min(left, key=lambda c, m=middle: abs(c.milliseconds - m))  # type: ignore[misc]
            left.remove(nearest)
            chosen[number] = nearest
    return tuple(sorted(chosen.values()))


def _merit(candidate: Candidate, middle: float, reach: float) -> float:
    """The score, less for being far from the middle: even distances look calm on a sheet."""
    distance = min(1.0, abs(candidate.milliseconds - middle) / reach)
    return score(load(candidate.path)) * (1 - _DISTANCE_MALUS * distance)


def score(image: MatLike) -> float:
    """How good a picture is: sharpness, with black and empty ones far behind all others.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000).
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    if float(grey.mean()) < DARK_LUMA or float(grey.std()) < FLAT_CONTRAST:
        return sharpness * 1e-6
    return sharpness


def write_contact_sheet(frames: Sequence[Candidate], target: Path, store: Store) -> tuple[int, int]:
    """All frames on one sheet, each with its time below; returns width and height."""
    first = load(frames[0].path)
    columns, width, height = _grid(len(frames), first.shape[1], first.shape[0])
    scale = max(0.36, min(0.6, width / 520))
    (_, text_height), _ = cv2.getTextSize("0:00:00", _FONT, scale, 1)
    caption = text_height + 2 * (_GAP // 2)
    rows = ceil(len(frames) / columns)
    sheet = np.full(
        (_GAP + rows * (height + caption + _GAP), _GAP + columns * (width + _GAP), 3),
        _BACKGROUND,
        np.uint8,
    )
    for number, frame in enumerate(frames):  # one in memory at a time: there may be hundreds
        row, column = divmod(number, columns)
        left = _GAP + column * (width + _GAP)
        top = _GAP + row * (height + caption + _GAP)
        fitted = cv2.resize(load(frame.path), (width, height), interpolation=cv2.INTER_AREA)
        sheet[top : top + height, left : left + width] = fitted
        text = format_time(frame.milliseconds)
        (text_width, _), _ = cv2.getTextSize(text, _FONT, scale, 1)
        place = (left + (width - text_width) // 2, top + height + _GAP // 2 + text_height)
        cv2.putText(sheet, text, place, _FONT, scale, _CAPTION, 1, cv2.LINE_AA)
    return store.save(sheet, target)


def format_time(milliseconds: int) -> str:
    """``1:05`` or ``2:03:04``."""
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _grid(count: int, width: int, height: int) -> tuple[int, int, int]:
    """Columns, and the size of a cell: few empty places, no sheet beyond the limits."""
    best = min(count, max(1, round((count * _SHEET_ASPECT * height / width) ** 0.5)))
    choices = [c for c in (best, best + 1, best - 1) if 0 < c <= count]

    def fitness(columns: int) -> tuple[int, float]:
        aspect = columns * width / (ceil(count / columns) * height)
        return -count % columns, abs(log(aspect / _SHEET_ASPECT))

    columns = min(choices, key=fitness)
    rows = ceil(count / columns)
    scale = min(
        1.0,
        (_MAX_SHEET_WIDTH - _GAP * (columns + 1)) / (columns * width),
        (_MAX_SHEET_PIXELS / (rows * columns * width * height)) ** 0.5,
    )
    return columns, max(16, int(width * scale)), max(16, int(height * scale))


def load(path: Path) -> MatLike:
    """A frame of the pass."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise Unverified(f"The picture {path.name} of the pass can't be read.")
    return image
