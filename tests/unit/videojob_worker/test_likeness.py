"""Numbers of likeness: read from logs as ffmpeg writes them, and summed up."""

from __future__ import annotations

import json

import pytest

from videojob_worker.likeness import MOST_DECIBELS, parse_log, summarise
from videojob_worker.nodes import Metric

PSNR = """\
n:1 mse_avg:0.58 mse_y:0.63 mse_u:0.55 mse_v:0.43 psnr_avg:50.51 psnr_y:50.12 psnr_u:50.73 psnr_v:51.8
n:2 mse_avg:0.00 mse_y:0.00 mse_u:0.00 mse_v:0.00 psnr_avg:inf psnr_y:inf psnr_u:inf psnr_v:inf
"""
SSIM = """\
n:1 Y:0.978871 U:0.983612 V:0.981104 All:0.980034 (16.997)
n:2 Y:1.000000 U:1.000000 V:1.000000 All:1.000000 (inf)
"""
VMAF = json.dumps(
    {"frames": [{"frameNum": n, "metrics": {"vmaf": v}} for n, v in enumerate((91.5, 97.0))]}
)


@pytest.mark.parametrize(
    ("metric", "text", "values"),
    [
        (Metric.PSNR, PSNR, [50.51, MOST_DECIBELS]),
        (Metric.SSIM, SSIM, [0.980034, 1.0]),
        (Metric.VMAF, VMAF, [91.5, 97.0]),
        (Metric.PSNR, "", []),
    ],
)
def test_logs(metric: Metric, text: str, values: list[float]) -> None:
    assert parse_log(metric, text) == values


def test_what_is_no_log_is_said() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        parse_log(Metric.VMAF, "no JSON")


def test_a_summary_tells_how_bad_the_worst_are() -> None:
    summary = summarise([90.0] * 95 + [40.0] * 4 + [10.0])
    assert summary["mean"] == pytest.approx(87.2)
    assert summary["harmonicMean"] == pytest.approx(100 / (95 / 91 + 4 / 41 + 1 / 11) - 1, abs=1e-3)
    assert (summary["min"], summary["max"]) == (10.0, 90.0)
    assert summary["percentiles"] == {"1": 10.0, "5": 40.0, "10": 90.0, "50": 90.0}


def test_a_frame_without_any_likeness_is_no_division_by_zero() -> None:
    assert summarise([0.0, 0.0])["harmonicMean"] == 0
    assert summarise([-1.0, 1.0])["min"] == -1.0
