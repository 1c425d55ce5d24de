"""Sprite sheets, and the WebVTT track that tells players which part of them to show when.

Called by the thumbnails step. It reads only pictures that our own ffmpeg wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np

from .pictures import Candidate, Store, load
from .webvtt import Cue, build_webvtt

MAX_SIDE = 4096
"""Pixels: what graphics processors of phones take."""


@dataclass(frozen=True)
class Layout:
    """How pictures lie on sheets."""

    columns: int
    rows: int
    width: int
    """Of one picture."""
    height: int

    def sheets(self, pictures: int) -> int:
        """How many sheets so many pictures need."""
        return ceil(pictures / (self.columns * self.rows))

    def on_sheet(self, frames: Sequence[Candidate], sheet: int) -> Sequence[Candidate]:
        """Those that lie on the sheet with this number, from 0."""
        each = self.columns * self.rows
        return frames[sheet * each : (sheet + 1) * each]

    def place(self, number: int) -> tuple[int, int, int]:
        """Of the picture with this number, from 0: its sheet, and how far left and down."""
        sheet, rest = divmod(number, self.columns * self.rows)
        row, column = divmod(rest, self.columns)
        return sheet, column * self.width, row * self.height


def layout_of(frames: Sequence[Candidate], columns: int, rows: int) -> Layout:
    """As many columns and rows as are wanted, as far as a sheet's sides allow."""
    height, width = load(frames[0].path).shape[:2]
    return Layout(
        columns=max(1, min(columns, len(frames), MAX_SIDE // width)),
        rows=max(1, min(rows, MAX_SIDE // height)),
        width=width,
        height=height,
    )


def write_sheet(
    frames: Sequence[Candidate], layout: Layout, target: Path, store: Store
) -> tuple[int, int]:
    """Pictures edge to edge, in as many rows as they fill; returns width and height."""
    rows = ceil(len(frames) / layout.columns)
    sheet = np.zeros((rows * layout.height, layout.columns * layout.width, 3), np.uint8)
    for number, frame in enumerate(frames):
        _, left, top = layout.place(number)
        sheet[top : top + layout.height, left : left + layout.width] = load(frame.path)
    return store.save(sheet, target)


def sheet_name(number: int, suffix: str) -> str:
    """File name of the sheet with this number, from 0."""
    return f"sprite-{number + 1:03}{suffix}"


def cue_starts(milliseconds: Sequence[int], slot_seconds: Fraction | None) -> list[Fraction]:
    """When to begin showing each picture: with its slot, or half way from the one before it."""
    if slot_seconds is not None:
        return [number * slot_seconds for number in range(len(milliseconds))]
    return [Fraction(0), *(Fraction(a + b, 2000) for a, b in pairwise(milliseconds))]


def build_track(starts: Sequence[Fraction], length: Fraction, layout: Layout, suffix: str) -> str:
    """WebVTT whose cues are links to parts of the sheets (media fragments, ``#xywh=``)."""
    cues = []
    ends = [*starts[1:], max(length, starts[-1] + Fraction(1, 1000))]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        sheet, left, top = layout.place(number)
        region = f"{left},{top},{layout.width},{layout.height}"
        cues.append(Cue(start, end, f"{sheet_name(sheet, suffix)}#xywh={region}"))
    return build_webvtt(cues)
