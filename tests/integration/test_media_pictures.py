"""Pictures at given times and as sprites, scenes, quality: made for real and looked at."""

from __future__ import annotations

import json
import re
from typing import Any

import cv2
import pytest
from assets import (
    COUNTED,
    COUNTED_NTSC,
    COUNTED_UNEVENLY,
    LATE_PICTURE,
    MILLISECONDS,
    PLAIN,
    SCENES,
    SLIGHTLY_LATE,
    SMALL,
    SOUND_GOES_ON,
    UNEVEN,
    Clip,
    Clips,
)
from media_bench import HLS, MP4, Bench

from videojob_worker.check import check
from videojob_worker.errors import Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.passes import finish_pass, run_pass
from videojob_worker.scratch import Scratch
from videojob_worker.steps import Workbench

pytestmark = pytest.mark.ffmpeg

CUTS = {"name": "cuts", "scenes": {}}
QUALITY = {"name": "q", "from": "hls", "quality": {"metrics": ["PSNR", "SSIM"], "perFrame": True}}


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def pictures(**spec: Any) -> dict[str, Any]:
    return {"name": "at", "thumbnails": {"width": 160, "format": "PNG", **spec}}


def frame_number(image: Any) -> int:
    """Which frame of a COUNTED film a picture shows: by its brightness, rounded down on the way."""
    return round((image.mean() + 1.5) * 219 / 255 / 3)


@pytest.mark.parametrize("others", [(), (MP4, HLS)], ids=["alone", "fused"])
@pytest.mark.parametrize(
    ("clip", "frames"),
    [(COUNTED, [0, 0, 1, 30, 37, 72]), (COUNTED_UNEVENLY, [0, 0, 1, 30, 32, 72])],
    ids=["even", "uneven"],
)
def test_a_given_time_shows_the_frame_that_is_shown_then(
    clip: Clip, frames: list[int], others: tuple[dict[str, Any], ...], clips: Clips, bench: Bench
) -> None:
    times = [0, 0.039, 0.04, 1.2, 1.519, 2.9]
    made, warnings = bench.make(clips.path(clip), *others, pictures(times=times))
    shown = [frame_number(cv2.imread(str(made[f"at/{n:04}.png"].path))) for n in range(1, 7)]
    assert shown == frames
    assert [w for w in warnings if w.reason == "FramesResampled"] == [] or clip.variable


def test_a_frame_is_shown_from_its_own_time_on_not_from_the_millisecond_near_it(
    clips: Clips, bench: Bench
) -> None:
    made, _ = bench.make(clips.path(COUNTED_NTSC), pictures(times=[0.033, 0.034, 0.066, 0.5]))
    shown = [frame_number(cv2.imread(str(file.path))) for _, file in sorted(made.items())]
    assert shown == [0, 1, 1, 14]


def test_the_last_frame_is_shown_until_the_film_ends(clips: Clips, bench: Bench) -> None:
    made, warnings = bench.make(clips.path(SOUND_GOES_ON), pictures(times=[1.5, 3.5]))
    assert warnings == []
    early, late = (file.path.read_bytes() for _, file in sorted(made.items()))
    assert early == late


def test_the_sprite_track_shows_each_moment_its_picture(clips: Clips, bench: Bench) -> None:
    spec = pictures(intervalSeconds=1, separate=False, sprites={"columns": 2, "rows": 1})
    made, _ = bench.make(clips.path(COUNTED), spec)
    assert set(made) == {"at/sprite-001.png", "at/sprite-002.png", "at/thumbnails.vtt"}
    assert made["at/thumbnails.vtt"].mime_type == "text/vtt"
    cues = re.findall(
        r"00:00:0(\d)\.000 --> 00:00:0(\d)\.000\n(\S+)#xywh=(\d+),(\d+),160,90\n",
        made["at/thumbnails.vtt"].path.read_text(),
    )
    assert [(start, end, name) for start, end, name, *_ in cues] == [
        *(("0", "1", "sprite-001.png"), ("1", "2", "sprite-001.png")),
        ("2", "3", "sprite-002.png"),
    ]
    for start, _, name, left, top in cues:
        sheet = cv2.imread(str(made[f"at/{name}"].path))
        region = sheet[int(top) : int(top) + 90, int(left) : int(left) + 160]
        assert region.shape == (90, 160, 3)
        assert int(start) * 25 <= frame_number(region) < (int(start) + 1) * 25


@pytest.mark.parametrize(("form", "suffix"), [("JPEG", "jpg"), ("PNG", "png"), ("WebP", "webp")])
def test_every_format_is_what_it_says(form: str, suffix: str, clips: Clips, bench: Bench) -> None:
    spec = pictures(count=2, contactSheet=True, format=form, sprites={})
    made, _ = bench.make(clips.path(SMALL), spec)
    assert set(made) == {
        *(f"at/0001.{suffix}", f"at/0002.{suffix}", f"at/contact-sheet.{suffix}"),
        *(f"at/sprite-001.{suffix}", "at/thumbnails.vtt"),
    }
    for name, file in made.items():
        if name != "at/thumbnails.vtt":
            assert file.mime_type == f"image/{form.lower()}"
            image = cv2.imread(str(file.path))
            assert (image.shape[1], image.shape[0]) == (file.width, file.height)


@pytest.mark.parametrize("others", [(), (MP4,)], ids=["alone", "fused"])
def test_cuts_and_fades_are_found_and_flashes_are_not(
    others: tuple[dict[str, Any], ...], clips: Clips, bench: Bench
) -> None:
    made, _ = bench.make(clips.path(SCENES), *others, CUTS)
    body = json.loads(made["cuts/scenes.json"].path.read_text())
    assert (body["schema"], body["frames"]) == ("videojob.dev/scenes/v1", 200)
    found = [(s["startFrame"], s["transition"]) for s in body["scenes"]]
    assert found[:3] == [(0, None), (50, "Cut"), (100, "Cut")]
    ((frame, transition),) = found[3:]
    assert transition == "Fade"
    assert 142 <= frame <= 155
    times = [(s["startSeconds"], s["endSeconds"]) for s in body["scenes"]]
    assert times == [(0, 2), (2, 4), (4, frame / 25), (frame / 25, 8)]
    assert body["scenes"][1]["score"] > 10
    chapters = made["cuts/chapters.vtt"].path.read_text()
    assert "00:00:02.000 --> 00:00:04.000\nScene 2\n" in chapters


def test_chapters_are_read_by_ffmpeg(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(SCENES), CUTS)
    path = made["cuts/chapters.ffmetadata"].path
    argv = ("ffprobe", "-v", "error", "-show_chapters", "-of", "json", str(path))
    read = json.loads(bench.tools.run(argv, timeout_seconds=20).stdout)["chapters"]
    assert [c["tags"]["title"] for c in read] == ["Scene 1", "Scene 2", "Scene 3", "Scene 4"]
    assert [c["start"] for c in read][:3] == [0, 2000, 4000]


@pytest.mark.parametrize(
    "clip",
    [PLAIN, UNEVEN, LATE_PICTURE, SLIGHTLY_LATE, MILLISECONDS],
    ids=lambda clip: clip.name,
)
def test_quality_compares_the_same_frames(clip: Clip, clips: Clips, bench: Bench) -> None:
    """One frame beside another would cost ten decibels, in the worst frame at the latest."""
    made, _ = bench.make(clips.path(clip), HLS, QUALITY)
    body = json.loads(made["q/quality.json"].path.read_text())
    assert body["schema"] == "videojob.dev/quality/v1"
    large, small = (rendition["metrics"] for rendition in body["renditions"])
    assert large["PSNR"]["mean"] > 29
    assert large["PSNR"]["min"] > large["PSNR"]["mean"] - 3
    for metric in ("PSNR", "SSIM"):
        assert small[metric]["mean"] < large[metric]["mean"]
        assert small[metric]["min"] <= small[metric]["percentiles"]["5"] <= small[metric]["max"]
    rows = made["q/160p-frames.csv"].path.read_text().splitlines()
    assert rows[0] == "frame,PSNR,SSIM"
    assert len(rows) > 40


def test_a_better_encoding_measures_better(clips: Clips, bench: Bench) -> None:
    rendered = {"renditions": [{"height": 180, "crf": 18}, {"height": 178, "crf": 45}]}
    web = {"name": "web", "transcode": rendered}
    quality = {"name": "q", "from": "web", "quality": {"metrics": ["PSNR"]}}
    media, plan = bench.plan(clips.path(SMALL), web, quality)
    measured: dict[str, Any] = {}
    for stage in plan.passes:
        check(stage, run_pass(stage, bench.tools), media, bench.tools)
        measured |= finish_pass(stage, Workbench(bench.tools, media)).measured
    good, bad = measured["q"]["180p.mp4"]["PSNR"], measured["q"]["178p.mp4"]["PSNR"]
    assert good > 35 > 30 > bad


def test_lost_readings_are_noticed(clips: Clips, bench: Bench) -> None:
    media, stage, result = bench.run(clips.path(SMALL), CUTS)
    path = bench.scratch.work / "cuts" / "changes.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:40]))
    with pytest.raises(Unverified, match=r"changes\.txt tells of 20 frames, and 75"):
        check(stage, result, media, bench.tools)


def test_a_rendition_that_is_measured_in_part_is_noticed(clips: Clips, bench: Bench) -> None:
    media, plan = bench.plan(clips.path(SMALL), HLS, QUALITY)
    for stage in plan.passes:
        run_pass(stage, bench.tools)
    path = bench.scratch.work / "q" / "160p-psnr.log"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:40]))
    with pytest.raises(Unverified, match=r"PSNR of 160p\.mp4 was measured on 40 of 75 frames"):
        finish_pass(plan.passes[1], Workbench(bench.tools, media))
