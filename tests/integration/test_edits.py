"""A stretch of a film, an image over it, its subtitles, and video taken over as it is."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest
from assets import LANGUAGES, PLAIN, SMALL, UNEVEN, Clips
from media_bench import Bench
from rare_films import GREY_STEPS, HD_THAT_SAYS_NOTHING, PQ

from videojob_api.steps import Step
from videojob_worker.assets import fetch_assets
from videojob_worker.check import check
from videojob_worker.errors import NotDoable, Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.folder import FolderStorage
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def web(**spec: Any) -> dict[str, Any]:
    basics = {"renditions": [{"height": 180}], "preset": "ultrafast", "segmentSeconds": 1}
    return {"name": "web", "transcode": {**basics, **spec}}


def numbers(path: Path) -> list[int]:
    """Of the frames of GREY_STEPS in a file, in order."""
    with av.open(str(path)) as film:
        greys = [frame.to_ndarray()[: frame.height].mean() for frame in film.decode(video=0)]
    return [round((grey - 16) / 2) for grey in greys]


def make_image(path: Path, source: str) -> None:
    command = f"ffmpeg -v error -y -f lavfi -i {source} -frames:v 1 {path}"
    subprocess.run(shlex.split(command), check=True)


# ---- trim


def test_a_stretch_is_taken_to_the_frame(clips: Clips, bench: Bench) -> None:
    step = web(trim={"startSeconds": 1, "endSeconds": 2.5})
    hls = {**web(packaging="HLS"), "name": "hls", "from": "web"}
    pictures = {"name": "poster", "from": "web", "thumbnails": {"count": 3}}
    made, warnings = bench.make(clips.path(GREY_STEPS), step, hls, pictures)
    assert numbers(made["web/180p.mp4"].path) == list(range(25, 63))
    assert numbers(made["hls/180p.mp4"].path) == list(range(25, 63))
    assert made["web/180p.mp4"].duration_seconds == pytest.approx(1.52, abs=0.03)
    assert sum(name.startswith("poster/0") for name in made) == 3
    with av.open(str(made["web/180p.mp4"].path)) as film:
        sound = film.streams.audio[0]
        assert float(sound.duration * sound.time_base) == pytest.approx(1.5, abs=0.03)
    assert warnings == []


def test_a_stretch_of_a_stretch(clips: Clips, bench: Bench) -> None:
    inner = {**web(trim={"startSeconds": 1}), "name": "inner", "from": "web"}
    made, _ = bench.make(clips.path(GREY_STEPS), web(trim={"endSeconds": 2}), inner)
    assert numbers(made["web/180p.mp4"].path) == list(range(50))
    assert numbers(made["inner/180p.mp4"].path) == list(range(25, 50))


def test_reading_stops_where_nothing_more_is_needed(clips: Clips, bench: Bench) -> None:
    media, stage, result = bench.run(clips.path(PLAIN), web(trim={"endSeconds": 0.4}))
    assert not stage.reads_all
    assert media.video is not None
    assert result.tally.read[media.video.index].frames < PLAIN.frames - 20
    assert check(stage, result, media, bench.tools) == []


def test_uneven_films_keep_their_distances(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(UNEVEN), web(trim={"startSeconds": 1, "endSeconds": 2}))
    assert made["web/180p.mp4"].duration_seconds == pytest.approx(1, abs=0.08)


def test_a_stretch_after_the_end_is_refused(clips: Clips, bench: Bench) -> None:
    with pytest.raises(NotDoable, match=r"startSeconds is 9 and the film lasts 3\.00 s"):
        bench.plan(clips.path(SMALL), web(trim={"startSeconds": 9}))
    _, plan = bench.plan(clips.path(SMALL), web(trim={"endSeconds": 9}))
    assert [warning.reason for warning in plan.warnings] == ["TrimBeyondEnd"]


def test_a_stretch_with_too_few_frames_is_noticed(clips: Clips, bench: Bench) -> None:
    media, plan = bench.plan(clips.path(GREY_STEPS), web(trim={"startSeconds": 1, "endSeconds": 3}))
    short = bench.with_words(plan.passes[0], "end=3.0", "end=2.0")
    with pytest.raises(Unverified, match="should have 50 frames and has 25"):
        check(short, bench.run_stage(short), media, bench.tools)


# ---- watermark


def marked(**spec: Any) -> dict[str, Any]:
    return web(watermark={"key": "mark.png", "widthPercent": 20, "marginPercent": 10, **spec})


@pytest.fixture
def mark(bench: Bench) -> Path:
    """A red image of 2:1, where the worker would have put it."""
    path = bench.scratch.asset("mark.png")
    path.parent.mkdir()
    make_image(path.with_suffix(".png"), "color=red:size=200x100")
    return path.with_suffix(".png").rename(path)


def colour(path: Path, x: int, y: int) -> tuple[int, ...]:
    with av.open(str(path)) as film:
        frame = next(film.decode(video=0)).to_ndarray(format="rgb24")
    return tuple(int(value) for value in frame[y - 4 : y + 4, x - 4 : x + 4].mean((0, 1)))


@pytest.mark.usefixtures("mark")
def test_a_small_film_of_hd_has_the_mark_in_the_films_own_colours(
    clips: Clips, bench: Bench
) -> None:
    made, _ = bench.make(clips.path(HD_THAT_SAYS_NOTHING), marked(position="Center"))
    with av.open(str(made["web/180p.mp4"].path)) as film:
        frame = next(film.decode(video=0)).reformat(format="rgb24", src_colorspace="ITU709")
    red = frame.to_ndarray()[86:94, 156:164].mean((0, 1))
    assert red == pytest.approx([254, 0, 0], abs=6)


@pytest.mark.parametrize(
    ("position", "x", "y"),
    [
        # 20 % of 320 is 64 x 32 pixels, 10 % of 180 is 18 from the edge
        ("TopLeft", 18 + 32, 18 + 16),
        ("BottomRight", 320 - 18 - 32, 180 - 18 - 16),
        ("Center", 160, 90),
    ],
)
@pytest.mark.usefixtures("mark")
def test_an_image_lies_where_it_should(
    position: str, x: int, y: int, clips: Clips, bench: Bench
) -> None:
    made, _ = bench.make(clips.path(GREY_STEPS), marked(position=position))
    red, green, blue = colour(made["web/180p.mp4"].path, x, y)
    assert (red > 220, green < 40, blue < 40) == (True, True, True)
    assert max(colour(made["web/180p.mp4"].path, x, (y + 60) % 180)) < 30


@pytest.mark.usefixtures("mark")
def test_an_image_is_in_every_rendition_and_in_what_follows(clips: Clips, bench: Bench) -> None:
    ladder = [
        {"height": 180},
        {"height": 90},
        {"height": 90, "codec": "HEVC", "bitDepth": 10, "preset": "ultrafast"},
    ]
    step = marked(position="Center", opacity=0.5)
    step["transcode"]["renditions"] = ladder
    small = {**web(renditions=[{"height": 90}]), "name": "small", "from": "web"}
    made, _ = bench.make(clips.path(GREY_STEPS), step, small)
    for name, middle in (
        *(("web/180p.mp4", (160, 90)), ("web/90p.mp4", (80, 45))),
        *(("web/90p-hevc.mp4", (80, 45)), ("small/90p.mp4", (80, 45))),
    ):
        red, green, _ = colour(made[name].path, *middle)
        assert 100 < red < 160, name
        assert green < 30, name


@pytest.mark.usefixtures("mark")
def test_an_image_has_no_high_dynamic_range(clips: Clips, bench: Bench) -> None:
    step = marked()
    step["transcode"] |= {"codec": "HEVC", "bitDepth": 10}
    _, plan = bench.plan(clips.path(PQ), step)
    assert [warning.reason for warning in plan.warnings] == ["ToneMapped"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.png", r"missing\.png was not found"),
        ("note.png", r"note\.png is not an image that can be used"),
        ("film.png", r"film\.png is not an image that can be used"),
        ("bomb.png", r"bomb\.png is not an image that can be used"),
        ("fine.webp", None),
        ("fine.jpg", None),
    ],
)
def test_what_is_no_image_is_refused(
    name: str, words: str | None, clips: Clips, bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "note.png").write_text("This is a note.\n")
    (tmp_path / "film.png").write_bytes(clips.path(SMALL).read_bytes())
    if name == "bomb.png":
        make_image(tmp_path / name, "color=red:size=8192x8192")
    if name.startswith("fine"):
        make_image(tmp_path / name, "color=red:size=64x64")
    step = Step.model_validate(web(watermark={"key": name}))
    store = FolderStorage(tmp_path, "", lambda: None)
    if words is None:
        fetch_assets([step], store, bench.scratch, bench.tools)
        assert bench.scratch.asset(name).exists()
        return
    with pytest.raises(NotDoable, match=words):
        fetch_assets([step], store, bench.scratch, bench.tools)


# ---- subtitles

_WORDS = """1
00:00:00,500 --> 00:00:01,500
Guten Tag

2
00:00:02,000 --> 00:00:02,800
Auf Wiedersehen
"""


@pytest.fixture
def subtitled(clips: Clips, tmp_path: Path) -> Path:
    """LANGUAGES with two tracks of text and one of pictures."""
    words, film = tmp_path / "words.srt", tmp_path / "subtitled.mkv"
    words.write_text(_WORDS)
    command = (
        f"ffmpeg -v error -i {clips.path(LANGUAGES)} -i {words} -i {words} -map 0 -map 1 -map 2 "
        f"-c copy -c:s:0 subrip -c:s:1 ass -metadata:s:s:0 language=deu "
        f"-metadata:s:s:1 language=eng {film}"
    )
    subprocess.run(shlex.split(command), check=True)
    return film


def test_subtitles_are_kept(subtitled: Path, bench: Bench) -> None:
    hls = {**web(packaging="CMAF", subtitles="Keep"), "name": "hls"}
    made, warnings = bench.make(subtitled, web(subtitles="Keep"), hls)
    with av.open(str(made["web/180p.mp4"].path)) as film:
        tracks = [(s.codec_context.name, s.language) for s in film.streams.subtitles]
    assert tracks == [("mov_text", "deu"), ("mov_text", "eng")]
    words = made["hls/subtitles.vtt"].path.read_text()
    assert words.startswith("WEBVTT\n")
    assert "00:00.500 --> 00:01.500\nGuten Tag" in words
    assert "Auf Wiedersehen" in made["hls/subtitles-2.vtt"].path.read_text()
    assert made["hls/subtitles.vtt"].mime_type == "text/vtt"
    master = made["hls/master.m3u8"].path.read_text()
    assert [f'LANGUAGE="{tag}"' in master for tag in ("de", "en")] == [True, True]
    assert master.count("TYPE=SUBTITLES") == 2
    assert made["hls/manifest.mpd"].path.read_text().count("subtitles") >= 2
    assert warnings == []


def test_subtitles_are_dropped_unless_asked_for(subtitled: Path, bench: Bench) -> None:
    made, _ = bench.make(subtitled, web())
    with av.open(str(made["web/180p.mp4"].path)) as film:
        assert not film.streams.subtitles


def test_lost_subtitles_are_noticed(subtitled: Path, bench: Bench) -> None:
    media, stage, result = bench.run(subtitled, web(subtitles="Keep"))
    path = bench.scratch.out / "web" / "180p.mp4"
    without = f"ffmpeg -v error -i {path} -map 0:v -map 0:a -c copy {path}.mp4"
    subprocess.run(shlex.split(without), check=True)
    Path(f"{path}.mp4").rename(path)
    with pytest.raises(Unverified, match=r"should hold .*mov_text; mov_text and holds"):
        check(stage, result, media, bench.tools)


# ---- remux


REMUX: dict[str, Any] = {"remux": "WhenPossible", "maxBitrateKbps": 2000}


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(video=0) if packet.size]


def test_what_fits_already_is_taken_over(clips: Clips, bench: Bench) -> None:
    ladder = [{"height": 180}, {"height": 90}]
    made, warnings = bench.make(clips.path(SMALL), web(**REMUX, renditions=ladder))
    assert packets(made["web/180p.mp4"].path) == packets(clips.path(SMALL))
    assert len(packets(made["web/90p.mp4"].path)) == SMALL.frames
    assert warnings == []


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"codec": "HEVC"}, "codec is h264"),
        ({"renditions": [{"height": 90}]}, "frames are 320x180"),
        ({"maxBitrateKbps": 50}, r"kbit/s, and 50 were asked for at most"),
        ({"trim": {"endSeconds": 2}}, "changed on the way"),
        ({"bitDepth": 10}, "pixels are yuv420p"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_encoded_and_told(
    spec: dict[str, Any], why: str, clips: Clips, bench: Bench
) -> None:
    _, plan = bench.plan(clips.path(SMALL), web(**{**REMUX, **spec}))
    (warning,) = plan.warnings
    assert warning.reason == "NotRemuxed"
    assert re.search(why, warning.message)
    assert plan.passes[0].outputs[0].copy is None


def test_a_lost_packet_is_noticed(clips: Clips, bench: Bench) -> None:
    media, stage, result = bench.run(clips.path(SMALL), web(**REMUX))
    path = bench.scratch.out / "web" / "180p.mp4"
    short = f"ffmpeg -v error -i {path} -c copy -frames:v 74 {path}.mp4"
    subprocess.run(shlex.split(short), check=True)
    Path(f"{path}.mp4").rename(path)
    with pytest.raises(Unverified, match="holds 74 of the film's 75 packets"):
        check(stage, result, media, bench.tools)
