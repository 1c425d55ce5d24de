"""Every codec made for real, and looked at by another program than the one that checks it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from assets import PLAIN, SMALL, Clips
from media_bench import Bench
from rare_films import HALF_RATE, HLG, PQ

from videojob_worker.check import check
from videojob_worker.errors import NotDoable, Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

FASTEST = {"H264": "ultrafast", "HEVC": "ultrafast", "AV1": "12"}


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def a_transcode(*renditions: dict[str, Any], **spec: Any) -> dict[str, Any]:
    spec = {"segmentSeconds": 1, "preset": FASTEST[spec.get("codec", "H264")], **spec}
    return {"name": "web", "transcode": {**spec, "renditions": list(renditions)}}


def video_of(path: Path, *entries: str) -> dict[str, Any]:
    shown = ":".join(entries) or "stream"
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", shown]
    done = subprocess.run([*command, "-of", "json", str(path)], capture_output=True, check=True)
    (stream,) = json.loads(done.stdout)["streams"]
    return dict(stream)


def key_times(path: Path) -> list[float]:
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries"]
    listed = [*command, "packet=pts_time,flags", "-of", "json", str(path)]
    done = subprocess.run(listed, capture_output=True, check=True)
    packets = json.loads(done.stdout)["packets"]
    times = [float(p["pts_time"]) for p in packets if p["flags"].startswith("K")]
    # ffprobe adds the run-up to tracks with negative offsets, as ffmpeg 7 writes segments.
    return [time - times[0] for time in times]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"codec": "H264", "preset": "veryfast"}, ("h264", "High", "yuv420p", "avc1")),
        (
            {"codec": "H264", "profile": "baseline"},
            ("h264", "Constrained Baseline", "yuv420p", "avc1"),
        ),
        ({"codec": "H264", "bitDepth": 10}, ("h264", "High 10", "yuv420p10le", "avc1")),
        ({"codec": "HEVC"}, ("hevc", "Main", "yuv420p", "hvc1")),
        ({"codec": "HEVC", "profile": "main10"}, ("hevc", "Main 10", "yuv420p10le", "hvc1")),
        ({"codec": "AV1"}, ("av1", "Main", "yuv420p", "av01")),
        ({"codec": "AV1", "bitDepth": 10, "tune": "vq"}, ("av1", "Main", "yuv420p10le", "av01")),
    ],
    ids=str,
)
def test_what_was_asked_for_is_what_came_out(
    spec: dict[str, Any], expected: tuple[str, ...], clips: Clips, bench: Bench
) -> None:
    made, warnings = bench.make(clips.path(SMALL), a_transcode({"height": 90}, **spec))
    seen = video_of(made["web/90p.mp4"].path)
    names = ("codec_name", "profile", "pix_fmt", "codec_tag_string")
    assert tuple(seen[name] for name in names) == expected
    assert (seen["width"], seen["height"], seen["nb_frames"]) == (160, 90, "75")
    assert warnings == []


@pytest.mark.parametrize("packaging", ["MP4", "HLS"])
def test_all_codecs_of_a_ladder_begin_their_groups_together(
    packaging: str, clips: Clips, bench: Bench
) -> None:
    """12.5 frames a second, where a group of one second is 13 frames and 1.04 s."""
    ladder = [
        {"height": 180},
        {"height": 180, "codec": "HEVC", "preset": "ultrafast"},
        {"height": 90, "codec": "AV1", "preset": "12"},
    ]
    step = a_transcode(*ladder, packaging=packaging, segmentSeconds=2, gopSeconds=1)
    made, _ = bench.make(clips.path(HALF_RATE), step)
    names = ("180p", "180p-hevc", "90p-av1")
    found = [key_times(made[f"web/{name}.mp4"].path) for name in names]
    assert found[0] == pytest.approx([0, 1.04, 2.08, 3.12, 4.16], abs=0.0005)
    assert found[1] == pytest.approx(found[0], abs=0.0005)
    assert found[2] == pytest.approx(found[0], abs=0.0005)


@pytest.mark.parametrize("codec", ["H264", "HEVC", "AV1"])
@pytest.mark.parametrize("rate", [{"crf": 5, "maxBitrateKbps": 120}, {"bitrateKbps": 100}], ids=str)
def test_a_bitrate_is_kept(rate: dict[str, int], codec: str, clips: Clips, bench: Bench) -> None:
    free, _ = bench.make(clips.path(PLAIN), a_transcode({"height": 180, "crf": 5}, codec=codec))
    size = free["web/180p.mp4"].path.stat().st_size
    made, _ = bench.make(
        clips.path(PLAIN),
        a_transcode({"height": 180, **rate}, codec=codec, audio={"tracks": "None"}),
    )
    path = made["web/180p.mp4"].path
    most = rate.get("maxBitrateKbps", 150) * 1000
    assert int(video_of(path)["bit_rate"]) < most * 1.6  # encoders overshoot on six seconds
    assert path.stat().st_size < size / 2


@pytest.mark.parametrize(
    "spec",
    [{"codec": "HEVC"}, {"codec": "AV1"}, {"codec": "AV1", "bitrateKbps": 100}],
    ids=str,
)
def test_equal_plans_give_equal_bytes(spec: dict[str, Any], clips: Clips, bench: Bench) -> None:
    contents = []
    for _ in range(2):
        made, _ = bench.make(clips.path(SMALL), a_transcode({"height": 180}, **spec))
        contents.append(made["web/180p.mp4"].path.read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("codec", ["HEVC", "AV1"])
@pytest.mark.parametrize("film", [PQ, HLG], ids=["PQ", "HLG"])
def test_high_dynamic_range_is_kept_with_all_it_says(
    film: Any, codec: str, clips: Clips, bench: Bench
) -> None:
    made, _ = bench.make(clips.path(film), a_transcode({"height": 180}, codec=codec, bitDepth=10))
    seen = video_of(made["web/180p.mp4"].path)
    assert (seen["color_primaries"], seen["color_space"]) == ("bt2020", "bt2020nc")
    assert seen["color_transfer"] == ("smpte2084" if film is PQ else "arib-std-b67")
    assert b"colr" in made["web/180p.mp4"].path.read_bytes()
    sides = first_frame(made["web/180p.mp4"].path)
    assert ("Mastering display metadata" in sides) is (film is PQ)
    if film is PQ:
        assert sides["Mastering display metadata"]["max_luminance"] in (
            "10000000/10000",
            "256000/256",
        )
        assert sides["Content light level metadata"]["max_content"] == 1000


def first_frame(path: Path) -> dict[str, dict[str, Any]]:
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-read_intervals", "%+#1"]
    listed = [*command, "-show_frames", "-of", "json", str(path)]
    done = subprocess.run(listed, capture_output=True, check=True)
    (frame,) = json.loads(done.stdout)["frames"]
    return {side["side_data_type"]: side for side in frame.get("side_data_list", ())}


def test_an_encoder_that_is_lacking_is_named(clips: Clips, bench: Bench) -> None:
    _, stage, _ = bench.run(clips.path(SMALL), a_transcode({"height": 90}, codec="HEVC"))
    lacking = bench.with_words(stage, "libx265", "libnowhere")
    with pytest.raises(NotDoable, match="has no libnowhere"):
        bench.run_stage(lacking)


def test_another_codec_than_planned_is_noticed(clips: Clips, bench: Bench) -> None:
    media, stage, result = bench.run(
        clips.path(SMALL), a_transcode({"height": 90}, codec="HEVC", audio={"tracks": "None"})
    )
    path = stage.outputs[0].path
    other = ["ffmpeg", "-v", "error", "-y", "-i", str(path), "-c:v", "libx264", str(path) + ".mp4"]
    subprocess.run(other, check=True)
    Path(str(path) + ".mp4").rename(path)
    with pytest.raises(Unverified, match="should hold hevc 160x90 yuv420p and holds h264"):
        check(stage, result, media, bench.tools)
