"""Films that many tools get wrong: ranges, fields, colours, transparency; looked at pixel by pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from assets import LANGUAGES, Clip, Clips
from media_bench import Bench
from rare_films import (
    BOTTOM_FIRST,
    CHROMA_422,
    CHROMA_444,
    FULL_RANGE_H264,
    GHOST,
    GHOST_YUV,
    HD_THAT_SAYS_NOTHING,
    HLG,
    LONG_SURROUND,
    NTSC,
    PQ,
    RARE,
    RED_RGB,
    TOP_FIRST,
)

from videojob_worker.boxes import read_movie
from videojob_worker.ffmpeg import Tools
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

WEB: dict[str, Any] = {
    "name": "web",
    "transcode": {"renditions": [{"height": 180}], "preset": "ultrafast", "segmentSeconds": 1},
}
POSTER = {"name": "poster", "thumbnails": {"count": 2, "width": 320}}


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def web(**spec: Any) -> dict[str, Any]:
    return {"name": "web", "transcode": {**WEB["transcode"], **spec}}


def luma(path: Path) -> Any:
    """Brightness of the first frame, 16 (black) to 235 (white)."""
    with av.open(str(path)) as film:
        frame = next(film.decode(video=0))
        return frame.to_ndarray()[: frame.height].astype(float)


def halves(image: Any) -> tuple[float, float]:
    """Mean of the left and of the right part, well away from the edge between them."""
    return float(image[:, :130].mean()), float(image[:, 190:].mean())


@pytest.mark.parametrize("clip", RARE, ids=lambda clip: clip.name)
def test_rare_films_come_out_whole(clip: Clip, clips: Clips, bench: Bench) -> None:
    made, warnings = bench.make(clips.path(clip), WEB, POSTER)
    movie = read_movie(made["web/180p.mp4"].path)
    assert (movie.tracks[0].width, movie.tracks[0].height) == (320, 180)
    assert movie.tracks[0].samples == clip.frames
    assert warnings == []


@pytest.mark.parametrize(
    ("clip", "left", "right"),
    [
        (FULL_RANGE_H264, 16, 235),
        (GHOST, 16, 235),
        (GHOST_YUV, 16, 235),
        # White paper stays well below the brightest there is, which stays white.
        (PQ, 202, 235),
        (HLG, 202, 235),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_black_is_black_and_white_is_white(
    clip: Clip, left: int, right: int, clips: Clips, bench: Bench
) -> None:
    made, _ = bench.make(clips.path(clip), WEB, POSTER)
    assert halves(luma(made["web/180p.mp4"].path)) == pytest.approx((left, right), abs=3)
    picture = cv2.imread(str(made["poster/0001.jpg"].path))
    seen = [(level - 16) * 255 / 219 for level in (left, right)]
    assert halves(picture) == pytest.approx(seen, abs=5)


def test_ten_bit_of_ordinary_range_is_kept_and_high_range_is_mapped_on_request(
    clips: Clips, bench: Bench
) -> None:
    step = web(codec="HEVC", bitDepth=10, hdr="ToneMap")
    made, _ = bench.make(clips.path(PQ), step)
    with av.open(str(made["web/180p.mp4"].path)) as film:
        frame = next(film.decode(video=0))
        assert (frame.format.name, frame.color_trc, frame.colorspace) == ("yuv420p10le", 1, 1)
        levels = frame.to_ndarray()[: frame.height].astype(float) / 4
    assert halves(levels) == pytest.approx((202, 235), abs=3)


def test_high_and_ordinary_range_from_one_decoder(clips: Clips, bench: Bench) -> None:
    hevc = {"height": 180, "codec": "HEVC", "bitDepth": 10, "preset": "ultrafast"}
    step = web(renditions=[hevc, {"height": 180}, {"height": 90}])
    media, stage, _ = bench.run(clips.path(PQ), step)
    (graph,) = [word for word in stage.argv if "tonemap" in word]
    assert graph.count("tonemap=") == 1
    made, _ = bench.make(clips.path(PQ), step)
    assert halves(luma(made["web/180p.mp4"].path)) == pytest.approx((202, 235), abs=3)
    with av.open(str(made["web/180p-hevc.mp4"].path)) as film:
        assert next(film.decode(video=0)).color_trc == 16
    assert media.video is not None
    assert media.video.mastering is not None
    assert media.video.mastering.light == (1000, 400)


def test_red_is_red(clips: Clips, bench: Bench) -> None:
    """RGB becomes BT.709, and says so."""
    made, _ = bench.make(clips.path(RED_RGB), WEB, POSTER)
    with av.open(str(made["web/180p.mp4"].path)) as film:
        frame = next(film.decode(video=0))
        assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)
        red = frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
    assert red.mean((0, 1)) == pytest.approx([254, 0, 0], abs=4)
    blue_green_red = cv2.imread(str(made["poster/0001.jpg"].path)).mean((0, 1))
    assert blue_green_red == pytest.approx([0, 0, 254], abs=4)


def test_hd_that_says_nothing_of_its_colours_is_taken_as_players_take_it(
    clips: Clips, bench: Bench
) -> None:
    """What is small, or RGB, has the colours that the film is shown with."""
    made, _ = bench.make(clips.path(HD_THAT_SAYS_NOTHING), WEB, POSTER)
    with av.open(str(made["web/180p.mp4"].path)) as film:
        frame = next(film.decode(video=0))
        assert frame.colorspace == 1
        red = frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
    assert red.mean((0, 1)) == pytest.approx([0xC0, 0x30, 0x20], abs=4)
    blue_green_red = cv2.imread(str(made["poster/0001.jpg"].path)).mean((0, 1))
    assert blue_green_red == pytest.approx([0x20, 0x30, 0xC0], abs=4)


@pytest.mark.parametrize("clip", [TOP_FIRST, BOTTOM_FIRST], ids=["top first", "bottom first"])
def test_no_comb_is_left_of_two_fields(clip: Clip, clips: Clips, bench: Bench) -> None:
    """All lines of an upright bar are equal, unless they come from two moments."""
    made, _ = bench.make(clips.path(clip), WEB, POSTER)
    with av.open(str(clips.path(clip))) as film:
        before = [f.to_ndarray()[:180].astype(float) for f in film.decode(video=0)][10]
    with av.open(str(made["web/180p.mp4"].path)) as film:
        after = [f.to_ndarray()[:180].astype(float) for f in film.decode(video=0)][10]
    assert comb(before) > 10
    assert comb(after) < 1


def comb(image: Any) -> float:
    """By how much each line differs from the next."""
    return float(np.abs(image[:-1] - image[1:]).mean())


@pytest.mark.parametrize("clip", [CHROMA_422, CHROMA_444, NTSC], ids=lambda clip: clip.name)
def test_colours_stay_where_they_were(clip: Clip, clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(clip), web(renditions=[{"height": 180, "crf": 10}]))
    frames = []
    for path in (clips.path(clip), made["web/180p.mp4"].path):
        with av.open(str(path)) as film:
            frames.append(next(film.decode(video=0)).to_ndarray(format="rgb24").astype(float))
    assert np.abs(frames[0] - frames[1]).mean() < 6


@pytest.mark.parametrize("channels", [6, 2, 1])
def test_surround_is_kept_or_mixed_down_as_asked(channels: int, clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(LONG_SURROUND), web(audio={"channels": channels}))
    with av.open(str(made["web/180p.mp4"].path)) as film:
        assert film.streams.audio[0].channels == channels


@pytest.mark.parametrize(
    ("tracks", "languages"), [("All", ["deu", "eng"]), ("Default", ["deu"]), ("None", [])]
)
def test_the_tracks_that_were_asked_for(
    tracks: str, languages: list[str], clips: Clips, bench: Bench
) -> None:
    made, _ = bench.make(clips.path(LANGUAGES), web(audio={"tracks": tracks}))
    with av.open(str(made["web/180p.mp4"].path)) as film:
        assert [stream.language for stream in film.streams.audio] == languages
