"""Good films whose times, sizes or tags are not what one expects: nothing is refused, nothing shifted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest
from assets import AAC, X264, Clip, Clips, picture, tone
from media_bench import AUDIO, COPY, HLS, MP4, POSTER, Bench

from videojob_worker.boxes import read_movie
from videojob_worker.errors import Rejected, Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

BOTH = f"{picture()} {tone()} {X264} {AAC}"
WAV = {"name": "wav", "extractAudio": {"format": "WAV"}}


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def transcode(**spec: Any) -> dict[str, Any]:
    return {"name": "web", "transcode": {**MP4["transcode"], **spec}}


def heard_seconds(path: Path) -> float:
    """How long the sound is, decoded."""
    with av.open(str(path)) as film:
        track = film.streams.audio[0]
        return sum(frame.samples for frame in film.decode(track)) / track.rate


# ---- times that don't begin at 0


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov", "webm", "wmv", "flv", "ts"])
def test_a_part_of_something_longer(suffix: str, clips: Clips, bench: Bench) -> None:
    """As tools cut them that leave times as they are."""
    codecs = {"webm": "-c:v libvpx -c:a libopus", "wmv": "-c:v wmv2 -c:a wmav2"}
    command = f"{picture()} {tone()} {codecs.get(suffix, f'{X264} {AAC}')} -output_ts_offset 4"
    path = clips.path(Clip(f"part.{suffix}", command))
    media, _ = bench.plan(path, MP4)
    assert float(media.duration) == pytest.approx(3, abs=0.2)
    made, _ = bench.make(path, MP4, POSTER, HLS, AUDIO)
    assert float(read_movie(made["web/90p.mp4"].path).duration) == pytest.approx(3, abs=0.2)
    assert heard_seconds(made["audio/audio.m4a"].path) == pytest.approx(3, abs=0.2)


def test_half_of_such_a_part_is_half_a_film(clips: Clips, bench: Bench) -> None:
    path = clips.path(Clip("part.flv", f"{BOTH} -output_ts_offset 4"))
    half = clips.write("half.flv", path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Rejected, match="could not be read"):
        bench.make(half, MP4)


def test_parts_in_a_row_with_a_gap_of_sound(clips: Clips, bench: Bench) -> None:
    """Recordings after a restart: times begin anew, and ffmpeg goes on counting."""
    parts = [
        clips.path(Clip(f"{seconds}.ts", f"{picture(seconds=4)} {tone(seconds)} {X264} {AAC}"))
        for seconds in (3, 4)
    ]
    path = clips.write("row.ts", b"".join(part.read_bytes() for part in parts))
    made, _ = bench.make(path, MP4)
    assert heard_seconds(made["web/90p.mp4"].path) == pytest.approx(8, abs=0.2)


LATE_PICTURES = f"-itsoffset 0.6 {picture(seconds=4)} {tone(4)} -map 0 -map 1 {X264} {AAC}"


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
@pytest.mark.parametrize(
    ("trim", "frames"),
    [
        ({"endSeconds": 3}, 60),
        ({"startSeconds": 1}, 90),
        ({"startSeconds": 1, "endSeconds": 3}, 50),
    ],
    ids=["to", "from", "both"],
)
def test_a_stretch_of_a_film_whose_pictures_begin_late(
    suffix: str, trim: dict[str, float], frames: int, clips: Clips, bench: Bench
) -> None:
    path = clips.path(Clip(f"late-pictures.{suffix}", LATE_PICTURES))
    made, _ = bench.make(path, transcode(trim=trim))
    assert read_movie(made["web/90p.mp4"].path).tracks[0].samples == pytest.approx(frames, abs=2)


def test_a_stretch_of_it_for_streaming(clips: Clips, bench: Bench) -> None:
    path = clips.path(Clip("late-pictures.ts", LATE_PICTURES))
    made, _ = bench.make(
        path, {**HLS, "transcode": {**HLS["transcode"], "trim": {"endSeconds": 3}}}
    )
    assert "hls/master.m3u8" in made


# ---- what changes midway


def test_pictures_that_change_their_size_leave_the_sound_alone(clips: Clips, bench: Bench) -> None:
    """As calls are recorded. ffmpeg sets filters up anew then; the sound was filled up once more."""
    parts = [
        clips.path(
            Clip(f"{size}.ts", f"{picture(size, seconds=2)} {tone(2)} {X264} {AAC} {offset}")
        )
        for size, offset in (("160x120", ""), ("240x180", "-output_ts_offset 2"))
    ]
    path = clips.write("turned.ts", b"".join(part.read_bytes() for part in parts))
    made, _ = bench.make(path, MP4, WAV)
    assert heard_seconds(made["wav/audio.wav"].path) == pytest.approx(4, abs=0.2)
    assert heard_seconds(made["web/90p.mp4"].path) == pytest.approx(4, abs=0.2)


def test_sound_that_was_filled_up_where_there_was_no_gap_is_noticed(
    clips: Clips, bench: Bench
) -> None:
    """Its layout changes midway; what ffmpeg makes of that is shifted from there on."""
    layouts = (("mono", ""), ("5.1", "-output_ts_offset 2"))
    parts = [
        clips.path(
            Clip(
                f"{layout}.ts",
                f"{picture(seconds=2)} {tone(2)},aformat=channel_layouts={layout} {X264} -c:a ac3 "
                f"{offset}",
            )
        )
        for layout, offset in layouts
    ]
    path = clips.write("layouts.ts", b"".join(part.read_bytes() for part in parts))
    with pytest.raises(
        Unverified, match=r"audio\.wav has 6\.\d\d s of sound, and the film lasts 4"
    ):
        bench.make(path, WAV)


# ---- copies


@pytest.mark.parametrize("suffix", ["ts", "mkv", "mov", "avi"])
def test_copies_beside_each_other(suffix: str, clips: Clips, bench: Bench) -> None:
    """Containers have tags of their own for the same codecs, and one does not take another's."""
    path = clips.path(Clip(f"source.{suffix}", BOTH))
    steps = [
        transcode(renditions=[{"height": 180}, {"height": 90}], remux="WhenPossible"),
        {"name": "clean", "clean": {}},
        COPY,
    ]
    made, _ = bench.make(path, *steps)
    assert {name.partition("/")[0] for name in made} == {"web", "clean", "original"}
    heights = [read_movie(made[f"web/{h}p.mp4"].path).tracks[0].height for h in (180, 90)]
    assert heights == [180, 90]


@pytest.mark.parametrize("may_fail", [{}, {"onError": "Continue"}], ids=["must", "may fail"])
def test_a_quality_of_nothing_but_copies_says_so(
    may_fail: dict[str, str], clips: Clips, bench: Bench
) -> None:
    path = clips.path(Clip("simple.mp4", f"{BOTH} -crf 40"))
    copied = transcode(renditions=[{"height": 180}], remux="WhenPossible")
    quality = {"name": "quality", "from": "web", "quality": {"metrics": ["PSNR"]}, **may_fail}
    _, plan = bench.plan(path, copied, quality)
    assert [warning.reason for warning in plan.warnings] == ["NothingMeasured"]
    made, _ = bench.make(path, copied, quality)
    assert json.loads(made["quality/quality.json"].path.read_text())["renditions"] == []


def test_a_film_of_ours_that_is_no_mp4(clips: Clips, bench: Bench) -> None:
    """Its sound fits into none."""
    sounds = f"{tone()} {tone()} -map 0 -map 1 -map 2 {X264} -c:a:0 aac -c:a:1 libvorbis"
    path = clips.path(Clip("vorbis.mkv", f"{picture()} {sounds}"))
    made, _ = bench.make(path, {"name": "protect", "cloak": {}})
    assert set(made) == {"protect/film.mkv"}


# ---- channels


@pytest.mark.parametrize(("layout", "stored"), [("3.0", 2), ("5.0", 5), ("6.1", 6), ("7.1", 8)])
def test_channels_are_kept_where_players_know_their_layout(
    layout: str, stored: int, clips: Clips, bench: Bench
) -> None:
    sound = f"-f lavfi -i sine=r=48000:d=2,aformat=channel_layouts={layout}"
    path = clips.path(Clip(f"{layout}.mkv", f"{picture(seconds=2)} {sound} {X264} -c:a flac"))
    made, _ = bench.make(path, transcode(audio={"channels": 8}))
    with av.open(str(made["web/90p.mp4"].path)) as film:
        assert film.streams.audio[0].channels == stored
