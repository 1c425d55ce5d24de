"""A card for real, where there is one: what proves to work encodes and computes, and comes out right."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assets import SMALL, Clip, Clips, picture
from media_bench import BUDGET, MP4

from videojob_api.steps import CloakMethod, Step, VideoCodec
from videojob_api.videojob import Limits
from videojob_worker import classifiers
from videojob_worker.check import check
from videojob_worker.classifiers import TorchDevice, choose_torch_device
from videojob_worker.device import choose_device
from videojob_worker.encoders import NVENC, Device
from videojob_worker.ffmpeg import Tools
from videojob_worker.gradient import FRAME_BYTES, Attack
from videojob_worker.media import MediaInfo
from videojob_worker.nodes import Noise
from videojob_worker.noise import Plane
from videojob_worker.passes import run_pass
from videojob_worker.plan import build_plan
from videojob_worker.probe import probe
from videojob_worker.sandbox import Sandbox
from videojob_worker.scratch import Scratch
from videojob_worker.stop import Stop

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
pytestmark = [
    pytest.mark.ffmpeg,
    pytest.mark.skipif(
        not Path("/dev/nvidiactl").exists(), reason="no NVIDIA GPU here (no /dev/nvidiactl)"
    ),
]


NOISE = Noise(
    path=Path("/nowhere"),
    method=CloakMethod.GRADIENT,
    bound=20,
    size=classifiers.SURROGATE.size,
    frame_rate=Fraction(5, 2),
    seed=b"seed",
)


@pytest.fixture
def gpu_tools(scratch: Scratch) -> Tools:
    return Tools(scratch, Sandbox(scratch.root, threads=2, gpu=True), Stop())


def proven(media: MediaInfo, scratch: Scratch, tools: Tools) -> Device:
    """What the card has just done."""
    return choose_device("nvidia.com/gpu", tools, media, scratch.source, Limits().max_pixels)


@pytest.mark.parametrize("codec", VideoCodec)
def test_what_proves_to_work_encodes(
    codec: VideoCodec, clips: Clips, scratch: Scratch, gpu_tools: Tools
) -> None:
    scratch.source.write_bytes(clips.path(SMALL).read_bytes())
    media = probe(scratch.source, gpu_tools, Limits())
    device = proven(media, scratch, gpu_tools)
    if NVENC[codec] not in device.hardware:
        pytest.skip(f"this card does not encode {codec} ({device.reason or 'others it does'})")
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


FILMS = {
    "h264": "-c:v libx264 -pix_fmt yuv420p",
    "hevc": "-c:v libx265 -x265-params log-level=error -pix_fmt yuv420p",
    "hevc of 10 bit": "-c:v libx265 -x265-params log-level=error -pix_fmt yuv420p10le",
    "vp9": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p",
    "av1": "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p",
}


@pytest.mark.parametrize("codec", FILMS)
def test_what_proves_to_decode_gives_the_same_bytes_as_the_cpu(
    codec: str, clips: Clips, scratch: Scratch, gpu_tools: Tools
) -> None:
    film = Clip(f"{codec.replace(' ', '-')}.mkv", f"{picture()} {FILMS[codec]}")
    scratch.source.write_bytes(clips.path(film).read_bytes())
    media = probe(scratch.source, gpu_tools, Limits())
    device = proven(media, scratch, gpu_tools)
    if not device.decodes:
        pytest.skip(f"this card does not decode it: {device.undecoded}")
    by_cpu = replace(device, hardware=frozenset())
    plan = build_plan([Step.model_validate(MP4)], media, scratch, BUDGET, by_cpu)
    (stage,) = plan.passes
    assert stage.software_argv is not None
    made = []
    for argv in (stage.argv, stage.software_argv):
        run = replace(stage, argv=argv)
        assert check(run, run_pass(run, gpu_tools), media, gpu_tools) == []
        made.append(stage.outputs[0].path.read_bytes())
    assert made[0] == made[1]


def confidence(attack: Attack, frame: Pixels, plane: Plane) -> float:
    """How sure the network is, of what it took the clean frame for, that it still is that."""
    import torch

    side = classifiers.SURROGATE.side
    moved = plane[..., None] * NOISE.bound * 255 / 219
    shown = np.clip(frame.reshape(side, side, 3) + moved, 0, 255)
    network = attack.classifier
    with torch.no_grad():
        seen = [
            network.logits(
                torch.from_numpy(each.astype(np.float32).transpose(2, 0, 1)[None]).to(
                    network.device.name
                )
            ).softmax(1)[0]
            for each in (frame.reshape(side, side, 3), shown)
        ]
    return float(seen[1][seen[0].argmax()])


def test_gradients_are_computed_on_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """As bounded as on the CPU, and the network is as wrong about what it then sees."""
    pytest.importorskip("torch", reason="no torch here (make setup-torch)")
    device = choose_torch_device()
    if device.name != "cuda":
        pytest.skip(f"torch does not compute on this card ({device.reason})")
    frame = np.random.default_rng(1).integers(0, 255, FRAME_BYTES, dtype=np.uint8)
    planes, doubts = {}, {}
    for name in ("cuda", "cpu"):
        monkeypatch.setattr(
            classifiers, "choose_torch_device", lambda name=name: TorchDevice(name, "")
        )
        attack = Attack(NOISE)
        planes[name] = attack.against(frame.tobytes())
        doubts[name] = confidence(attack, frame, planes[name])
        assert abs(planes[name]).max() <= 1
    clean = confidence(Attack(NOISE), frame, np.zeros_like(planes["cpu"]))
    assert max(doubts.values()) < clean / 2
    assert np.corrcoef(planes["cuda"].ravel(), planes["cpu"].ravel())[0, 1] > 0.3  # same start
