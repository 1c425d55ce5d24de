"""VMAF by the program beside ffmpeg, for real: what it finds, and what becomes of either side's failure."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from threading import Timer
from typing import Any

import pytest
from assets import LATE_PICTURE, MILLISECONDS, PLAIN, SMALL, TEN_BIT, UNEVEN, Clip, Clips
from media_bench import Bench
from vmaf_program import ensure_vmaf

from videojob_worker.errors import FFmpegFailed, Interrupted
from videojob_worker.ffmpeg import ChildFailed, Tools
from videojob_worker.plan import Pass
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

QUALITY = {"name": "q", "from": "web", "quality": {"metrics": ["VMAF"], "perFrame": True}}
TWO = {
    "name": "web",
    "transcode": {
        "renditions": [{"height": 180, "crf": 1}, {"height": 178, "crf": 45}],
        "preset": "ultrafast",
    },
}


@pytest.fixture
def bench(scratch: Scratch, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("PATH", str(ensure_vmaf()), prepend=":")
    return Bench(scratch, tools)


def vmaf_of(made: dict[str, Any]) -> list[dict[str, Any]]:
    body = json.loads(made["q/quality.json"].path.read_text())
    return [rendition["metrics"]["VMAF"] for rendition in body["renditions"]]


@pytest.mark.parametrize(
    "clip",
    [SMALL, UNEVEN, LATE_PICTURE, MILLISECONDS, TEN_BIT, None],
    ids=lambda clip: clip.name if clip else "portrait",
)
def test_vmaf_tells_good_from_bad(clip: Clip | None, clips: Clips, bench: Bench) -> None:
    """One frame beside another would cost the good one half of its points."""
    quality = {**QUALITY, "quality": {"metrics": ["PSNR", "VMAF"], "perFrame": True}}
    made, warnings = bench.make(clips.path(clip) if clip else clips.portrait(), TWO, quality)
    assert not [warning for warning in warnings if warning.reason == "MetricUnavailable"]
    good, bad = vmaf_of(made)
    assert good["model"] == "vmaf_v0.6.1"
    assert good["min"] > 90
    assert good["mean"] > 95 > bad["mean"] + 10
    rows = made["q/180p-frames.csv"].path.read_text().splitlines()
    assert rows[0] == "frame,PSNR,VMAF"
    assert len(rows) - 1 == len(made["q/178p-frames.csv"].path.read_text().splitlines()) - 1 > 40
    assert not list(bench.scratch.root.rglob("*.yuv")), "a pipe was left"


def compared(clips: Clips, bench: Bench, clip: Clip = SMALL) -> Pass:
    """The second pass, planned, with what it compares made."""
    _, plan = bench.plan(clips.path(clip), TWO, QUALITY)
    bench.run_stage(plan.passes[0])
    return plan.passes[1]


def test_what_is_kept_of_the_commands_can_be_run_by_hand(clips: Clips, bench: Bench) -> None:
    bench.run_stage(compared(clips, bench))
    lines = (bench.scratch.logs / "commands.sh").read_text().splitlines()
    beside = [line for line in lines if " vmaf " in line]
    assert len(beside) == 2
    assert all(line.startswith("mkfifo ") and line.endswith(" &") for line in beside)


def test_what_failed_beside_ffmpeg_is_what_is_told(clips: Clips, bench: Bench) -> None:
    stage = compared(clips, bench)
    first, second = stage.companions
    wrong = tuple(word.replace("v0.6.1", "v9") for word in second.argv)
    started = time.monotonic()
    with pytest.raises(ChildFailed, match=r"vmaf ended with 255: problem loading model"):
        bench.run_stage(replace(stage, companions=(first, replace(second, argv=wrong))))
    assert time.monotonic() - started < stage.timeout_seconds / 10
    assert not list(bench.scratch.root.rglob("*.yuv"))


def test_what_is_not_installed_stops_ffmpeg(
    clips: Clips, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = compared(clips, bench)
    monkeypatch.setenv("PATH", "/usr/bin")
    with pytest.raises(Exception, match=r"vmaf is not installed here; use the project's image"):
        bench.run_stage(stage)


@pytest.mark.parametrize(
    ("old", "new"),
    [("untile=1x2", "untile=9x9"), ("out/web/180p.mp4", "out/web/missing.mp4")],
    ids=["before it opens the pipes", "while it opens its inputs"],
)
def test_nobody_waits_for_an_ffmpeg_that_failed(
    old: str, new: str, clips: Clips, bench: Bench
) -> None:
    stage = bench.with_words(compared(clips, bench), old, new)
    with pytest.raises(FFmpegFailed, match="ffmpeg ended with"):
        bench.run_stage(stage)
    assert not list(bench.scratch.root.rglob("*.yuv"))


def test_both_sides_end_when_told_to(clips: Clips, bench: Bench) -> None:
    stage = compared(clips, bench, PLAIN)
    slow = bench.with_words(stage, "untile=", "realtime,untile=")
    Timer(0.5, bench.tools.stop.request).start()
    with pytest.raises(Interrupted):
        bench.run_stage(slow)
    assert not list(bench.scratch.root.rglob("*.yuv"))
