"""Looks at the brightness of films, for tests: with an ffmpeg of its own, outside the sandbox."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

Frames = np.ndarray[Any, np.dtype[np.int16]]


def look(path: Path, size: tuple[int, int] = (320, 180), bit_depth: int = 8) -> Frames:
    """The brightness of every frame, in steps of the depth."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough"]
    pixel_format = "yuv420p" if bit_depth == 8 else "yuv420p10le"
    form = ["-f", "rawvideo", "-pix_fmt", pixel_format, "-"]
    raw = subprocess.run([*command, *form], capture_output=True, check=True).stdout
    width, height = size
    frames = np.frombuffer(raw, np.uint8 if bit_depth == 8 else "<u2")
    frames = frames.reshape(-1, width * height * 3 // 2)
    return frames[:, : width * height].reshape(-1, height, width).astype(np.int16)


def noise_of(made: Path, source: Path, bit_depth: int = 8) -> Frames:
    """What was added to each frame."""
    return look(made, bit_depth=bit_depth) - look(source, bit_depth=bit_depth)


def likeness(noise: Frames) -> list[float]:
    """How much the noise of each frame is that of the frame before."""
    flat = noise.reshape(len(noise), -1)
    return [float(np.corrcoef(a, b)[0, 1]) for a, b in pairwise(flat)]
