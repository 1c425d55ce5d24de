"""What a pass for a GPU's decoder comes to where none decodes; where one does, see ``test_gpu``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from assets import AAC, X264, Clip, Clips, picture, tone
from media_bench import BUDGET

from videojob_api.steps import Step
from videojob_api.videojob import Limits
from videojob_worker.check import check
from videojob_worker.encoders import Device
from videojob_worker.ffmpeg import Tools
from videojob_worker.media import MediaInfo
from videojob_worker.passes import run_pass
from videojob_worker.plan import Pass, build_plan
from videojob_worker.probe import probe
from videojob_worker.progress import Way
from videojob_worker.scratch import Scratch
from videojob_worker.steps import Workbench
from videojob_worker.work import work_through

pytestmark = pytest.mark.ffmpeg

SHORT = Clip("short.mp4", f"{picture(seconds=1)} {tone(1)} {X264} {AAC}")
DEEP = Clip(
    "deep.mkv",
    f"{picture(seconds=1)} -c:v libx265 -x265-params log-level=error -pix_fmt yuv420p10le",
)
STEP = {"name": "web", "transcode": {"renditions": [{"height": 90}], "bitDepth": 8}}
DEEP_STEP = {
    "name": "web",
    "transcode": {"renditions": [{"height": 90}], "codec": "HEVC", "bitDepth": 10},
}


def planned(film: Path, step: object, scratch: Scratch, tools: Tools) -> tuple[MediaInfo, Pass]:
    """As if a GPU had decoded the film's first frame."""
    scratch.source.write_bytes(film.read_bytes())
    media = probe(scratch.source, tools, Limits())
    steps = [Step.model_validate(step)]
    plan = build_plan(steps, media, scratch, BUDGET, Device(decodes=True))
    (stage,) = plan.passes
    return media, stage


def test_without_a_gpu_after_all_the_cpu_decodes_every_frame(
    clips: Clips, scratch: Scratch, tools: Tools
) -> None:
    media, stage = planned(clips.path(SHORT), STEP, scratch, tools)
    way = Way((1.0, 1.0), lambda *_, **__: None)
    finished = work_through(stage, Workbench(tools, media), way)
    (warning,) = finished.warnings
    assert (warning.reason, finished.decoded_on_gpu) == ("DecodedOnCPU", False)
    (made,) = finished.produced
    assert made.duration_seconds == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("clip", "step", "fetched"), [(SHORT, STEP, "nv12"), (DEEP, DEEP_STEP, "p010le")]
)
def test_frames_as_a_gpu_lays_them_out_give_the_same_bytes(
    clip: Clip, step: object, fetched: str, clips: Clips, scratch: Scratch, tools: Tools
) -> None:
    media, stage = planned(clips.path(clip), step, scratch, tools)
    assert stage.software_argv is not None
    made = []
    imitated = tuple(
        word.replace("[0:0]", f"[0:0]format={fetched},").replace("cuda", "none")
        for word in stage.argv
    )
    assert f"format={fetched},format=" in " ".join(imitated)
    for argv in (imitated, stage.software_argv):
        run = replace(stage, argv=argv)
        assert check(run, run_pass(run, tools), media, tools) == []
        made.append(stage.outputs[0].path.read_bytes())
    assert made[0] == made[1]
