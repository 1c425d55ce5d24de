"""NVENC for real, where there is a card: what proves to work encodes, and what comes out is right."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from assets import SMALL, Clips
from media_bench import BUDGET

from videojob_api.steps import Step, VideoCodec
from videojob_api.videojob import Limits
from videojob_worker.check import check
from videojob_worker.device import choose_device
from videojob_worker.encoders import NVENC
from videojob_worker.ffmpeg import Tools
from videojob_worker.passes import run_pass
from videojob_worker.plan import build_plan
from videojob_worker.probe import probe
from videojob_worker.sandbox import Sandbox
from videojob_worker.scratch import Scratch
from videojob_worker.stop import Stop

pytestmark = [
    pytest.mark.ffmpeg,
    pytest.mark.skipif(
        not Path("/dev/nvidiactl").exists(), reason="no NVIDIA GPU here (no /dev/nvidiactl)"
    ),
]


@pytest.fixture
def gpu_tools(scratch: Scratch) -> Tools:
    return Tools(scratch, Sandbox(scratch.root, threads=2, gpu=True), Stop())


@pytest.mark.parametrize("codec", VideoCodec)
def test_what_proves_to_work_encodes(
    codec: VideoCodec, clips: Clips, scratch: Scratch, gpu_tools: Tools
) -> None:
    device = choose_device("nvidia.com/gpu", gpu_tools)
    if NVENC[codec] not in device.hardware:
        pytest.skip(f"this card does not encode {codec} ({device.reason or 'others it does'})")
    scratch.source.write_bytes(clips.path(SMALL).read_bytes())
    media = probe(scratch.source, gpu_tools, Limits())
    spec = {"codec": codec.value, "renditions": [{"height": 180}], "gopSeconds": 1}
    step = Step.model_validate({"name": "web", "transcode": spec})
    plan = build_plan([step], media, scratch, BUDGET, device)
    (stage,) = plan.passes
    assert NVENC[codec].value in stage.argv
    assert check(stage, run_pass(stage, gpu_tools), media, gpu_tools) == []
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries"]
    shown = [*command, "packet=pts_time,flags", "-of", "json", str(stage.outputs[0].path)]
    packets = json.loads(subprocess.run(shown, capture_output=True, check=True).stdout)["packets"]
    keys = [float(p["pts_time"]) for p in packets if p["flags"].startswith("K")]
    assert keys == pytest.approx([0, 1, 2], abs=0.001)
