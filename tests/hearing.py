"""Ears for the tests: sound as samples, and meters that are not ffmpeg's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
from scipy.signal import resample_poly

Samples = np.ndarray[Any, np.dtype[np.float64]]
RATE = 48000


def listen(path: Path, *options: str, channels: int = 1) -> Samples:
    """What is heard of a file: samples by channels, full scale is 1."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), *options, "-ac", str(channels)]
    form = ["-ar", str(RATE), "-f", "f64le", "-"]
    raw = subprocess.run([*command, *form], capture_output=True, check=True).stdout
    return np.frombuffer(raw).reshape(-1, channels)


def loudness_lufs(samples: Samples) -> float:
    """Integrated, by ITU-R BS.1770."""
    return float(pyloudnorm.Meter(RATE).integrated_loudness(samples))


def true_peak_db(samples: Samples) -> float:
    """Of the wave between the samples."""
    wave = resample_poly(samples, 8, 1, axis=0)
    return float(20 * np.log10(np.abs(wave).max()))
