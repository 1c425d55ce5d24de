"""cloak by gradients: against a real network, fitted to the film, and as bounded as any other noise."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import threading
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assets import AAC, X264, Clip, Clips, tone
from demo import find_clip
from looking import likeness, noise_of
from media_bench import Bench

from videojob_api.steps import CloakMethod
from videojob_worker import classifiers
from videojob_worker.errors import FFmpegFailed, NotDoable
from videojob_worker.ffmpeg import Tools
from videojob_worker.gradient import FRAME_BYTES, Attack, planes_against
from videojob_worker.media import Size
from videojob_worker.nodes import Noise
from videojob_worker.noise import Plane
from videojob_worker.scratch import Scratch
from videojob_worker.steps import Workbench

pytestmark = [
    pytest.mark.ffmpeg,
    pytest.mark.skipif(
        importlib.util.find_spec("torch") is None, reason="no torch here (make setup-torch)"
    ),
]
GRAY = "-f lavfi -i color=gray:size=320x180:rate=25:duration=1"
STILL = Clip("still.mp4", f"{GRAY} {tone(1)} {X264} {AAC}")
LONG = Clip("long.mp4", f"{GRAY.replace('duration=1', 'duration=12')} {X264}")


def gradient(**spec: Any) -> dict[str, Any]:
    return {"name": "protect", "cloak": {"method": "Gradient", "epsilon": 0.08, **spec}}


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


NOISE = Noise(
    path=Path("/nowhere"),
    method=CloakMethod.GRADIENT,
    bound=10,
    size=Size(320, 180),
    frame_rate=Fraction(5, 2),
    seed=b"seed",
)


def see(film: Path, count: int) -> list[bytes]:
    """A few frames of a film, as the network is shown them."""
    side = classifiers.SURROGATE.side
    words = ["-vf", f"fps=2,scale={side}:{side}", "-frames:v", str(count), "-pix_fmt", "rgb24"]
    command = ["ffmpeg", "-v", "error", "-i", str(film), *words, "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return [raw[at : at + FRAME_BYTES] for at in range(0, len(raw), FRAME_BYTES)]


def name(network: classifiers.Classifier, frame: bytes, plane: Plane | float = 0.0) -> int:
    """The label of a frame with so much more brightness, in parts of the bound."""
    import torch

    side = classifiers.SURROGATE.side
    pixels = np.frombuffer(frame, np.uint8).reshape(side, side, 3).astype(np.float32)
    moved = np.broadcast_to(np.asarray(plane) * NOISE.bound * 255 / 219, (side, side))
    seen = np.clip(pixels + moved[..., None], 0, 255).transpose(2, 0, 1)[None]
    with torch.no_grad():
        return int(network.logits(torch.from_numpy(seen.astype(np.float32))).argmax())


@pytest.fixture(scope="module")
def bunny() -> Path:
    """Something to be seen: a rabbit, and trees."""
    return find_clip()


def test_it_is_in_every_frame_and_anew_after_so_many(clips: Clips, bench: Bench) -> None:
    made, warnings = bench.make(clips.path(STILL), gradient())
    assert warnings == []
    noise = noise_of(made["protect/film.mp4"].path, clips.path(STILL))
    assert len(noise) == 25
    assert abs(noise).max() <= 20 + 8
    assert noise.std(axis=(1, 2)).min() > 6
    assert [n for n, like in enumerate(likeness(noise), start=1) if like < 0.9] == [10, 20]
    device = classifiers.choose_torch_device()
    told = {"surrogate": "EfficientNet-lite0", "device": device.name, "reason": device.reason}
    assert bench.measured["protect"]["gradient"] == told


def test_the_network_takes_each_frame_for_something_else(bunny: Path) -> None:
    """White noise of the same strength changes its mind about few of them."""
    network = classifiers.Classifier(classifiers.SURROGATE)
    frames = see(bunny, 8)
    attack = Attack(replace(NOISE, size=classifiers.SURROGATE.size))
    chance = np.random.default_rng(1)
    changed = {"gradient": 0, "white": 0}
    for frame in frames:
        label = name(network, frame)
        plane = attack.against(frame)
        assert abs(plane).max() <= 1
        changed["gradient"] += name(network, frame, plane) != label
        changed["white"] += name(network, frame, chance.uniform(-1, 1, plane.shape)) != label
    assert changed["gradient"] == len(frames)
    assert changed["white"] < len(frames)


def test_equal_seeds_make_equal_noise_of_either_depth(bunny: Path) -> None:
    frames = see(bunny, 2)
    deep = replace(NOISE, bit_depth=10, bound=NOISE.bound * 4)
    once, again, other, of_ten = (
        [plane for plane, _ in islice(planes_against(noise, frames), 5)]
        for noise in (NOISE, NOISE, replace(NOISE, seed=b"another"), deep)
    )
    assert once == again
    assert once != other
    early = NOISE.early
    assert len(set(once[: early + 1])) == 1  # the second before the film has the first frame's
    assert once[early] != once[early + 1]
    assert once[early + 1] == once[-1]  # and what comes after the film, the last one's
    luma = np.frombuffer(once[0], np.uint8).astype(int) - 128
    deep_luma = np.frombuffer(of_ten[0], "<u2").astype(int) - 512
    assert abs(luma).max() == NOISE.bound
    assert luma == pytest.approx(deep_luma / 4, abs=0.7)


def test_a_report_asks_a_network_that_was_not_attacked(bunny: Path, bench: Bench) -> None:
    stretch = {"trim": {"endSeconds": 1}, "renditions": [{"height": 360}]}
    cut = {"name": "cut", "transcode": {**stretch, "preset": "ultrafast"}}
    step = gradient(everyNFrames=25, report=True)
    small = {"transcode": {"renditions": [{"height": 90}], "preset": "ultrafast"}}
    made, _ = bench.make(
        bunny, cut, {**step, "from": "cut"}, {"name": "x", "from": "protect", **small}
    )
    labels = json.loads(made["protect/cloak-report.json"].path.read_text())["labels"]
    assert labels["classifier"]["name"] == "EfficientNet-lite2"
    assert labels["classifier"]["sha256"] == classifiers.HELD_OUT.sha256
    assert labels["surrogate"]["name"] == "EfficientNet-lite0"
    assert list(labels["afterPurifier"]) == [
        *("none", "halved and doubled in size", "a denoiser (hqdn3d)")
    ]
    for told in labels["afterPurifier"].values():
        assert told["codecOnly"]["frames"] == told["cloakedAndCodec"]["frames"] == 25
        low, high = told["cloakedAndCodec"]["interval"]
        assert 0 <= low <= told["cloakedAndCodec"]["changed"] <= high <= 1
    plain = labels["afterPurifier"]["none"]
    assert plain["codecOnly"]["changed"] < 0.5
    assert plain["ofThoseTheCodecLeft"]["changed"] > 0.5
    assert bench.measured["protect"]["labels"]["changed"] == plain["ofThoseTheCodecLeft"]["changed"]
    assert "| none |" in made["protect/cloak-report.md"].path.read_text()


def test_weights_that_are_not_the_pinned_ones_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "weights.pth"
    other.write_bytes(classifiers.SURROGATE.path.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(classifiers.Weights, "path", other)
    with pytest.raises(NotDoable, match=r"weights\.pth have sha256 .* was wanted"):
        classifiers.Classifier(classifiers.SURROGATE)


def test_a_gradient_without_torch_is_refused_before_the_film_is_worked_on(
    clips: Clips, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifiers, "find_spec", lambda name: None)
    media, plan = bench.plan(clips.path(STILL), gradient())
    (kind,) = plan.passes[0].kinds
    with pytest.raises(NotDoable, match=r"has no torch.*flavour must be gpu"):
        kind.check_means(Workbench(bench.tools, media))


def test_a_film_that_cannot_be_shown_is_told(clips: Clips, bench: Bench) -> None:
    """What fails beside the pass fails the pass; and nothing is left."""
    _, plan = bench.plan(clips.path(STILL), gradient())
    (stage,) = plan.passes
    (feed,) = stage.feeds
    assert feed.look is not None
    argv = tuple(word.replace("rgb24", "no-such-format") for word in feed.look.argv)
    broken = replace(stage, feeds=(replace(feed, look=replace(feed.look, argv=argv)),))
    with pytest.raises(FFmpegFailed, match="ffmpeg ended with"):
        bench.run_stage(broken)
    assert not [path for path in bench.scratch.work.rglob("*") if path.is_fifo()]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("feed")]


def test_a_pass_that_fails_meanwhile_leaves_nobody_waiting(clips: Clips, bench: Bench) -> None:
    _, plan = bench.plan(clips.path(LONG), gradient(everyNFrames=1))
    (stage,) = plan.passes
    broken = bench.with_words(stage, "libx264", "nosuchencoder")
    with pytest.raises(NotDoable, match="nosuchencoder"):
        bench.run_stage(broken)
    assert not [path for path in bench.scratch.work.rglob("*") if path.is_fifo()]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("feed")]
