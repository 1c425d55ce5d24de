"""cloak: the noise is in every frame, as strong as was asked, new when it should be, and nowhere else."""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import media_bench
import numpy as np
import pytest
from assets import AAC, SMALL, X264, Clip, Clips, tone
from looking import likeness, look, noise_of
from media_bench import MP4, Bench
from rare_films import HLG, PQ

from videojob_worker import classifiers, noise
from videojob_worker.errors import Unverified
from videojob_worker.feeds import feeding
from videojob_worker.ffmpeg import Tools
from videojob_worker.sandbox import Sandbox
from videojob_worker.scratch import Scratch, open_scratch
from videojob_worker.stop import Stop

pytestmark = pytest.mark.ffmpeg

GRAY = "-f lavfi -i color=gray:size=320x180:rate=25:duration=2"
STILL = Clip("still.mp4", f"{GRAY} {tone(2)} {X264} {AAC}")
LONG = Clip("long.mp4", f"{GRAY.replace('duration=2', 'duration=12')} {X264}")
LATE = Clip("late.mp4", f"{tone(3)} -itsoffset 0.7 {GRAY} {X264} {AAC}")
DEEP = Clip("deep.mp4", f"{GRAY} -c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le")
UNEVEN = Clip("uneven.mkv", f"{GRAY} -vf 'select=not(mod(n\\,3))+lt(n\\,9)' -fps_mode vfr {X264}")
ODD = Clip("odd.mp4", f"{GRAY} -bf 3 -c:v libx264 -pix_fmt yuv444p -r 30000/1001")


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def describe(path: Path) -> dict[str, Any]:
    """How pictures lie, and with which light, as the file says."""
    entries = "stream=pix_fmt,color_transfer,color_primaries,color_space:stream_side_data_list"
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", entries]
    told = subprocess.run(
        [*command, "-of", "json", str(path)], capture_output=True, check=True
    ).stdout
    (stream,) = json.loads(told)["streams"]
    return dict(stream)


def cloak(method: str = "Gabor", **spec: Any) -> dict[str, Any]:
    return {"name": "protect", "cloak": {"method": method, "epsilon": 0.08, **spec}}


@pytest.mark.parametrize(
    ("method", "deviation"), [("Noise", 11.5), ("Perlin", 14.0), ("Gabor", 17.3)]
)
def test_every_frame_is_protected_and_each_tenth_anew(
    method: str, deviation: float, clips: Clips, bench: Bench
) -> None:
    made, warnings = bench.make(clips.path(STILL), cloak(method))
    assert warnings == []
    film = made["protect/film.mp4"]
    assert (film.width, film.height, film.mime_type) == (320, 180, "video/mp4")
    noise = noise_of(film.path, clips.path(STILL))
    assert len(noise) == 50
    assert abs(noise).max() <= 20 + 8  # 0.08 of 255, and what the encoder makes of it
    assert noise.std(axis=(1, 2)) == pytest.approx(deviation, rel=0.06)
    assert [n for n, like in enumerate(likeness(noise), start=1) if like < 0.9] == [10, 20, 30, 40]


def test_strength_and_interval_are_as_asked(clips: Clips, bench: Bench) -> None:
    step = cloak(epsilon=0.04, strength=1.5, everyNFrames=7)
    made, _ = bench.make(clips.path(STILL), step)
    noise = noise_of(made["protect/film.mp4"].path, clips.path(STILL))
    assert noise.std(axis=(1, 2)) == pytest.approx(17.3 * 15 / 20, rel=0.06)
    anew = [n for n, like in enumerate(likeness(noise), start=1) if like < 0.9]
    assert anew == [7, 14, 21, 28, 35, 42, 49]


@pytest.mark.parametrize("clip", [DEEP, PQ, HLG], ids=lambda clip: str(clip.name))
def test_a_deep_film_stays_deep_and_its_light_as_it_was(
    clip: Clip, clips: Clips, bench: Bench
) -> None:
    made, warnings = bench.make(clips.path(clip), cloak())
    assert warnings == []
    film = made["protect/film.mp4"].path
    noise = noise_of(film, clips.path(clip), bit_depth=10)
    assert np.quantile(abs(noise), 0.99) <= 82 + 20  # 0.08 of 1023; the encoder rings at edges
    assert noise.std(axis=(1, 2)) == pytest.approx(17.3 * 4, rel=0.12)
    told = [describe(path) for path in (film, clips.path(clip))]
    assert told[0] == told[1]
    assert told[0]["pix_fmt"] == "yuv420p10le"


def test_colours_stay(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(STILL), cloak())
    command = ["ffmpeg", "-v", "error", "-i", str(made["protect/film.mp4"].path)]
    form = ["-vf", "extractplanes=u", "-f", "rawvideo", "-"]
    colour = subprocess.run([*command, *form], capture_output=True, check=True).stdout
    assert np.frombuffer(colour, np.uint8).astype(int) == pytest.approx(128, abs=1)


@pytest.mark.parametrize("clip", [LATE, UNEVEN, ODD], ids=lambda clip: str(clip.name))
def test_no_frame_is_without_however_it_is_timed(clip: Clip, clips: Clips, bench: Bench) -> None:
    """The encoder's own loss is small against it."""
    path = clips.path(clip)
    made, _ = bench.make(path, cloak())
    seen = look(made["protect/film.mp4"].path)
    assert len(seen) == len(look(path))
    assert (seen - 126).std(axis=(1, 2)).min() > 15


def test_all_that_is_made_of_it_is_protected_and_nothing_else(clips: Clips, bench: Bench) -> None:
    protected = {**MP4, "from": "protect"}
    poster = {"name": "poster", "from": "protect", "thumbnails": {"count": 2, "width": 320}}
    plain = {**MP4, "name": "plain"}
    made, _ = bench.make(clips.path(STILL), cloak(), protected, poster, plain)
    assert set(made) == {"web/90p.mp4", "plain/90p.mp4", "poster/0001.jpg", "poster/0002.jpg"}
    assert look(made["web/90p.mp4"].path, (160, 90)).std() > 10
    assert look(made["poster/0001.jpg"].path).std() > 10
    assert look(made["plain/90p.mp4"].path, (160, 90)).std() < 2


def test_noise_goes_on_over_a_stretch_cut_before_it_or_after(clips: Clips, bench: Bench) -> None:
    spec = {"packaging": "MP4", "trim": {"startSeconds": 0.5, "endSeconds": 1.5}}
    cut = {"name": "cut", "transcode": {**spec, "renditions": [{"height": 180}]}}
    made, _ = bench.make(
        clips.path(STILL),
        *(cut, {**cloak(), "from": "cut"}),
        *({**cloak(), "name": "whole"}, {**cut, "name": "after", "from": "whole"}),
    )
    assert set(made) == {"cut/180p.mp4", "protect/film.mp4", "after/180p.mp4"}
    assert look(made["cut/180p.mp4"].path).std() < 2
    for name in ("protect/film.mp4", "after/180p.mp4"):
        seen = look(made[name].path)
        assert len(seen) == 25
        assert (seen - 126).std(axis=(1, 2)).min() > 14


def test_pictures_at_times_alone_are_protected(clips: Clips, bench: Bench) -> None:
    asked = {"name": "at", "from": "protect", "thumbnails": {"times": [0.2, 1.2], "width": 320}}
    made, _ = bench.make(clips.path(STILL), cloak(), asked)
    assert set(made) == {"at/0001.jpg", "at/0002.jpg"}
    assert all(look(picture.path).std() > 10 for picture in made.values())


def test_a_copy_that_is_allowed_is_not_made_of_what_is_cloaked(clips: Clips, bench: Bench) -> None:
    wanted = {"packaging": "MP4", "remux": "WhenPossible", "renditions": [{"height": 180}]}
    made, _ = bench.make(
        clips.path(STILL), cloak(), {"name": "web", "from": "protect", "transcode": wanted}
    )
    assert look(made["web/180p.mp4"].path).std() > 10


def test_a_retry_makes_equal_bytes(
    clips: Clips, bench: Bench, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one thread: x264 with several is not the same twice where it reaches its cap."""
    monkeypatch.setattr(media_bench, "BUDGET", replace(media_bench.BUDGET, threads=1))
    made, _ = bench.make(clips.path(SMALL), cloak())
    with open_scratch(bench.scratch.root.parent) as other:
        again = Bench(other, Tools(other, Sandbox(other.root, threads=2), stop))
        same, _ = again.make(clips.path(SMALL), cloak())
        films = [made["protect/film.mp4"].path, same["protect/film.mp4"].path]
        assert films[0].read_bytes() == films[1].read_bytes()


def test_another_seed_makes_other_noise(
    clips: Clips, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = bench.make(clips.path(STILL), cloak())
    first = look(made["protect/film.mp4"].path)
    monkeypatch.setattr(media_bench, "SEED", b"another secret")
    made, _ = bench.make(clips.path(STILL), cloak())
    both = np.stack([first[:10], look(made["protect/film.mp4"].path)[:10]]).reshape(2, -1)
    assert abs(np.corrcoef(both)[0, 1]) < 0.1


def test_the_seed_stands_in_no_log_and_no_noise_is_left(clips: Clips, bench: Bench) -> None:
    _, stage, _ = bench.run(clips.path(STILL), cloak())
    (noise,) = (feed.noise for feed in stage.feeds)
    texts = [path.read_bytes() for path in bench.scratch.logs.iterdir()]
    assert b"work/protect/noise" in b"".join(texts)
    for secret in (noise.seed, noise.seed.hex().encode(), media_bench.SEED):
        assert not any(secret in text for text in texts)
    assert not noise.path.exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("feed")]


def test_memory_does_not_grow_with_the_film(clips: Clips, bench: Bench, tools: Tools) -> None:
    used = []
    for clip in (STILL, LONG):
        _, plan = bench.plan(clips.path(clip), cloak(everyNFrames=1))
        (stage,) = plan.passes
        for folder in stage.folders:
            folder.mkdir(parents=True, exist_ok=True)
        with feeding(stage.feeds, tools):
            used.append(tools.run(stage.argv, timeout_seconds=60).max_rss_bytes)
    assert used[1] < used[0] * 1.1


def test_noise_that_ends_too_early_does_not_pass_for_a_film(
    clips: Clips, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = noise.planes
    monkeypatch.setattr(noise, "planes", lambda wanted: islice(whole(wanted), 5))
    with pytest.raises(Unverified):
        bench.make(clips.path(STILL), cloak())


def test_what_keeps_noise_from_being_made_is_told(
    clips: Clips, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(wanted: object) -> None:
        raise MemoryError("no room for noise")

    monkeypatch.setattr(noise, "planes", fail)
    with pytest.raises(MemoryError, match="no room for noise"):
        bench.make(clips.path(STILL), cloak())


def test_a_report_says_what_it_costs_where_nobody_can_be_asked(
    clips: Clips, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = classifiers.find_spec
    monkeypatch.setattr(
        classifiers, "find_spec", lambda name: None if name == "torch" else found(name)
    )
    made, _ = bench.make(clips.path(SMALL), cloak(report=True))
    assert set(made) == {
        "protect/film.mp4",
        "protect/cloak-report.json",
        "protect/cloak-report.md",
    }
    told = json.loads(made["protect/cloak-report.json"].path.read_text())
    assert told["control"]["PSNR"]["mean"] > 32
    assert 22 < told["cloaked"]["PSNR"]["mean"] < 28  # 0.08 of 255 in most of the brightness
    assert told["control"]["SSIM"]["mean"] > told["cloaked"]["SSIM"]["mean"]
    assert told["bitrateTimes"] == pytest.approx(
        told["cloaked"]["kbps"] / told["control"]["kbps"], abs=0.02
    )
    assert "has no torch" in told["labels"]["unavailable"]
    assert "flavour must be gpu" in told["labels"]["unavailable"]
    text = made["protect/cloak-report.md"].path.read_text()
    assert "| codec only |" in text
    assert "Nothing is known of the effect on machines." in text
    assert "does not protect" in text
