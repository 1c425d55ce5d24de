"""Numbers of how alike frames are: read from ffmpeg's logs, and summed up.

Called by the quality step. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from math import inf, isfinite
from statistics import fmean
from typing import Any

from .nodes import Metric

MOST_DECIBELS = 100.0
"""Stands for the endless PSNR of equal frames, so that a mean exists."""
PERCENTILES = (1, 5, 10, 50)
_LINES = {
    Metric.PSNR: re.compile(r"n:\d+ .*?psnr_avg:(?P<value>\S+)"),
    Metric.SSIM: re.compile(r"n:\d+ .*?All:(?P<value>\S+)"),
}


def parse_log(metric: Metric, text: str) -> list[float]:
    """The number of each frame.

    Raises:
        ValueError: if the text is no such log.
    """
    if metric is Metric.VMAF:
        frames = json.loads(text)["frames"]
        return [float(frame["metrics"]["vmaf"]) for frame in frames]
    values = [float(found["value"]) for found in _LINES[metric].finditer(text)]
    return [min(value, MOST_DECIBELS) if isfinite(value) else MOST_DECIBELS for value in values]


def summarise(values: Sequence[float]) -> dict[str, Any]:
    """Mean, harmonic mean (as libvmaf pools: of one more, less one), extremes, percentiles."""
    ranked = sorted(values)
    shifted = [value + 1 for value in values]
    harmonic = 1 / fmean(1 / v if v > 0 else inf for v in shifted) - 1
    return {
        "mean": round(fmean(values), 4),
        "harmonicMean": round(harmonic, 4),
        "min": round(ranked[0], 4),
        "max": round(ranked[-1], 4),
        "percentiles": {
            str(percent): round(ranked[_rank(percent, len(ranked))], 4) for percent in PERCENTILES
        },
    }


def _rank(percent: int, count: int) -> int:
    """Nearest rank: so many percent of the frames are no better than the one at this place."""
    return max(0, -(-percent * count // 100) - 1)
