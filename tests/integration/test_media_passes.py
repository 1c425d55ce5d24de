"""Planned passes run for real: every kind of film through every kind of step, and checked."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from assets import (
    BLINKING,
    FILMS,
    GAP,
    INTERLACED,
    LANGUAGES,
    LATE_PICTURE,
    NAMED,
    ONE_FRAME,
    PLAIN,
    SMALL,
    SOUND_MP3,
    SURROUND,
    TEN_BIT,
    UNEVEN,
    Clip,
    Clips,
)
from media_bench import AUDIO, BUDGET, COPY, HLS, MP4, POSTER, Bench

from videojob_api.steps import Step
from videojob_api.videojob import Limits
from videojob_worker.boxes import read_movie
from videojob_worker.check import check
from videojob_worker.errors import Rejected, Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.passes import finish_pass, run_pass
from videojob_worker.plan import build_plan
from videojob_worker.probe import probe
from videojob_worker.scratch import Scratch
from videojob_worker.steps import Workbench

pytestmark = pytest.mark.ffmpeg


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def look(path: Path, *entries: str) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-show_entries", ":".join(entries), "-of", "json"]
    done = subprocess.run([*command, str(path)], capture_output=True, check=True)
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


@pytest.mark.parametrize("clip", FILMS, ids=lambda clip: clip.name)
def test_every_film_goes_through_every_step_in_one_pass(
    clip: Clip, clips: Clips, bench: Bench
) -> None:
    sound = (AUDIO,) if clip.channels else ()
    made, _ = bench.make(clips.path(clip), HLS, MP4, POSTER, *sound)
    assert {"hls/master.m3u8", "hls/160p.m3u8", "hls/90p.mp4", "web/90p.mp4"} <= set(made)
    assert {"poster/0001.jpg", "poster/contact-sheet.jpg"} <= set(made)
    assert ("audio/audio.m4a" in made) is bool(clip.channels)
    assert ("hls/audio.m3u8" in made) is bool(clip.channels)
    shape = (clip.width or 0) / (clip.height or 1)
    stored = look(made["hls/160p.mp4"].path, "stream=width,height,sample_aspect_ratio")
    assert stored["streams"][0]["height"] == 160
    assert stored["streams"][0]["width"] == pytest.approx(160 * shape, abs=1)
    assert stored["streams"][0].get("sample_aspect_ratio", "1:1") == "1:1"
    assert made["web/90p.mp4"].duration_seconds == pytest.approx(clip.seconds, abs=0.15)
    if not clip.variable:
        assert read_movie(made["web/90p.mp4"].path).tracks[0].samples == clip.frames


def test_the_master_playlist_plays_to_the_end(clips: Clips, bench: Bench) -> None:
    made, warnings = bench.make(clips.path(PLAIN), HLS)
    assert warnings == []
    seen = look(made["hls/master.m3u8"].path, "stream=codec_name,width,height", "format=duration")
    assert float(seen["format"]["duration"]) == pytest.approx(6, abs=0.05)
    assert [s.get("height") for s in seen["streams"]].count(160) == 1
    playlist = made["hls/160p.m3u8"].path.read_text()
    assert playlist.count("#EXTINF:1.0") == 6
    decode = ["ffmpeg", "-v", "error", "-i", str(made["hls/master.m3u8"].path), "-f", "null", "-"]
    assert subprocess.run(decode, capture_output=True, check=True).stderr == b""


def test_each_iframe_range_is_one_whole_picture(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(PLAIN), HLS)
    data = made["hls/160p.mp4"].path.read_bytes()
    playlist = made["hls/160p-iframes.m3u8"].path.read_text()
    ((init, _),) = re.findall(r'BYTERANGE="(\d+)@(\d+)"', playlist)
    ranges = [(int(n), int(at)) for n, at in re.findall(r"BYTERANGE:(\d+)@(\d+)", playlist)]
    assert len(ranges) == 6
    for size, offset in ranges:
        picture = io.BytesIO(data[: int(init)] + data[offset : offset + size])
        with av.open(picture) as container:
            (packet, *_) = container.demux(video=0)
            assert packet.is_keyframe
            assert packet.size > 0


def test_mp4_begins_with_its_index_and_says_nothing_of_the_source(
    clips: Clips, bench: Bench
) -> None:
    made, _ = bench.make(clips.path(NAMED), MP4)
    data = made["web/90p.mp4"].path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"secret" not in data


def test_portrait_is_turned_upright(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.portrait(), MP4, POSTER)
    video = made["web/90p.mp4"]
    assert (video.width, video.height) == (90, 160)
    seen = look(video.path, "stream=width,height:stream_side_data=rotation")["streams"][0]
    assert (seen["width"], seen["height"]) == (90, 160)
    assert "side_data_list" not in seen
    assert (made["poster/0001.jpg"].width, made["poster/0001.jpg"].height) == (160, 284)


def test_uneven_distances_stay_in_mp4_and_are_averaged_for_segments(
    clips: Clips, bench: Bench
) -> None:
    made, _ = bench.make(clips.path(UNEVEN), HLS, MP4)
    kept = look(made["web/90p.mp4"].path, "packet=duration", "stream=codec_type")
    assert read_movie(made["web/90p.mp4"].path).tracks[0].samples == UNEVEN.frames
    assert len({p["duration"] for p in kept["packets"][:40]}) > 1
    even = read_movie(made["hls/90p.mp4"].path)
    assert len({f.duration // f.samples for f in even.fragments}) == 1
    assert float(even.duration) == pytest.approx(3, abs=0.15)


def test_ten_bits_become_eight(clips: Clips, bench: Bench) -> None:
    veryfast = {"name": "web", "transcode": {"renditions": [{"height": 90}]}}
    made, _ = bench.make(clips.path(TEN_BIT), veryfast)
    stream = look(made["web/90p.mp4"].path, "stream=pix_fmt,profile")["streams"][0]
    assert (stream["pix_fmt"], stream["profile"]) == ("yuv420p", "High")


def test_interlaced_is_deinterlaced(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(INTERLACED), MP4)
    stream = look(made["web/90p.mp4"].path, "stream=field_order")["streams"][0]
    assert stream.get("field_order", "progressive") == "progressive"
    assert read_movie(made["web/90p.mp4"].path).tracks[0].samples == INTERLACED.frames


def test_surround_is_mixed_down_and_a_copy_keeps_it(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(SURROUND), AUDIO, COPY)
    assert look(made["audio/audio.m4a"].path, "stream=channels")["streams"][0]["channels"] == 2
    assert look(made["original/audio.ac3"].path, "stream=channels")["streams"][0]["channels"] == 6


def test_all_languages_are_in_hls_the_default_first(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(LANGUAGES), HLS, MP4)
    lines = made["hls/master.m3u8"].path.read_text().splitlines()
    media = [line for line in lines if line.startswith("#EXT-X-MEDIA:")]
    assert [('LANGUAGE="de"' in m, "DEFAULT=YES" in m) for m in media] == [
        (True, True),
        (False, False),
    ]
    tags = look(made["web/90p.mp4"].path, "stream_tags=language")["streams"][1]["tags"]
    assert tags["language"] == "deu"


def test_sound_alone(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(SOUND_MP3), AUDIO, COPY)
    assert made["audio/audio.m4a"].duration_seconds == pytest.approx(3, abs=0.1)
    assert made["original/audio.mp3"].mime_type == "audio/mpeg"


def test_sound_and_pictures_stay_together(clips: Clips, bench: Bench) -> None:
    """The pictures begin half a second after the sound; segments fill that with a still."""
    made, _ = bench.make(clips.path(LATE_PICTURE), HLS, MP4)
    start = look(made["web/90p.mp4"].path, "stream=start_time")["streams"][0]["start_time"]
    assert float(start) == pytest.approx(0.5, abs=0.05)
    segments = read_movie(made["hls/90p.mp4"].path)
    assert segments.fragments[0].decode_time == 0
    assert float(segments.duration) == pytest.approx(3.5, abs=0.08)


def test_a_film_of_one_frame(clips: Clips, bench: Bench) -> None:
    made, warnings = bench.make(clips.path(ONE_FRAME), MP4, POSTER)
    assert [name for name in made if name.startswith("poster/0")] == ["poster/0001.jpg"]
    assert [warning.reason for warning in warnings] == ["FewerPictures"]


def test_pictures_alone_need_only_key_frames(clips: Clips, bench: Bench) -> None:
    media, stage, result = bench.run(clips.path(PLAIN), POSTER)
    assert "-skip_frame" in stage.argv
    assert media.video is not None
    assert result.tally.read[media.video.index].frames == 6
    check(stage, result, media, bench.tools)
    assert len(finish_pass(stage, Workbench(bench.tools, media)).produced) == 4


def test_the_best_frame_of_a_slot_is_chosen(clips: Clips, bench: Bench) -> None:
    """Black frames and the picture take turns each second."""
    made, _ = bench.make(clips.path(BLINKING), POSTER)
    for name in ("0001", "0002", "0003"):
        assert cv2.imread(str(made[f"poster/{name}.jpg"].path)).mean() > 60


def test_a_jump_of_hours_fills_no_disk(clips: Clips, bench: Bench) -> None:
    shutil.copy(clips.path(GAP), bench.scratch.source)
    limits = Limits(max_duration_seconds=604800)
    media = probe(bench.scratch.source, bench.tools, limits)
    steps = [Step.model_validate(step) for step in (HLS, MP4)]
    (stage,) = build_plan(steps, media, bench.scratch, BUDGET, limits=limits).passes
    check(stage, run_pass(stage, bench.tools), media, bench.tools)
    assert sum(output.path.stat().st_size for output in stage.outputs) < 2_000_000


def test_a_film_longer_than_it_says_comes_out_whole(clips: Clips, bench: Bench) -> None:
    """Pictures stop at their number; nothing else stops with them."""
    media, _ = bench.plan(clips.path(PLAIN), MP4)
    video = replace(media.video, duration=Fraction(2), frames=50) if media.video else None
    short = replace(media, duration=Fraction(2), video=video)
    steps = [Step.model_validate(step) for step in (MP4, POSTER)]
    (stage,) = build_plan(steps, short, bench.scratch, BUDGET).passes
    check(stage, run_pass(stage, bench.tools), short, bench.tools)
    assert read_movie(bench.scratch.out / "web" / "90p.mp4").tracks[0].samples == PLAIN.frames
    assert len(list((bench.scratch.work / "poster").iterdir())) == 12


def test_progress_rises_to_one(clips: Clips, bench: Bench) -> None:
    _, plan = bench.plan(clips.path(PLAIN), HLS)
    fractions: list[float] = []
    run_pass(plan.passes[0], bench.tools, lambda at, **_: fractions.append(at))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_equal_input_gives_equal_bytes(clips: Clips, bench: Bench) -> None:
    contents = []
    for _ in range(2):
        made, _ = bench.make(clips.path(SMALL), HLS, MP4, POSTER)
        contents.append({name: file.path.read_bytes() for name, file in made.items()})
    assert contents[0] == contents[1]


def test_a_missing_rendition_is_noticed(clips: Clips, bench: Bench) -> None:
    media, stage, result = bench.run(clips.path(SMALL), HLS, MP4)
    (bench.scratch.out / "hls" / "90p.mp4").unlink()
    with pytest.raises(Unverified, match=r"hls/90p\.mp4 was planned and is missing"):
        check(stage, result, media, bench.tools)


@pytest.mark.parametrize("name", ["hls/160p.mp4", "hls/audio.mp4", "web/90p.mp4"])
def test_a_cut_output_is_noticed(name: str, clips: Clips, bench: Bench) -> None:
    media, stage, result = bench.run(clips.path(SMALL), HLS, MP4)
    path = bench.scratch.out / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(Unverified, match=name.replace(".", r"\.")):
        check(stage, result, media, bench.tools)


def test_an_output_of_another_film_is_noticed(clips: Clips, bench: Bench) -> None:
    media, stage, result = bench.run(clips.path(SMALL), MP4)
    shutil.copy(clips.path(SMALL), bench.scratch.out / "web" / "90p.mp4")
    with pytest.raises(Unverified, match="should hold h264 160x90"):
        check(stage, result, media, bench.tools)


def test_lost_fragments_are_noticed(clips: Clips, bench: Bench) -> None:
    """Cut between two fragments: every box is whole, yet a second of film is gone."""
    media, stage, result = bench.run(clips.path(PLAIN), HLS)
    path = bench.scratch.out / "hls" / "160p.mp4"
    path.write_bytes(path.read_bytes()[: read_movie(path).fragments[-1].offset])
    with pytest.raises(Unverified, match="holds 125 frames of 150"):
        check(stage, result, media, bench.tools)


def test_a_film_that_ends_early_is_rejected_after_the_pass(clips: Clips, bench: Bench) -> None:
    """The same cut as at probe time, but behind the back of the sizes: nothing may come of it."""
    _, stage, _ = bench.run(clips.path(PLAIN), MP4)
    media, _ = bench.plan(clips.path(PLAIN), MP4)
    shutil.copy(clips.cut(PLAIN, 0.5), bench.scratch.source)
    result = run_pass(stage, bench.tools)
    with pytest.raises(Rejected) as caught:
        check(stage, result, media, bench.tools)
    assert caught.value.reason in ("Truncated", "Damaged")


def test_scratches_are_warned_of(clips: Clips, bench: Bench) -> None:
    """A decoder that complains and conceals: the film is kept, the user told."""
    try:
        _, warnings = bench.make(clips.scratched(PLAIN), MP4)
    except Rejected as refused:
        assert refused.reason == "Damaged"  # noqa: PT017 (some decoders drop what others conceal)
    else:
        assert "DecoderErrors" in [warning.reason for warning in warnings]
