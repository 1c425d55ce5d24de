"""Sound that ends before the pictures: as long as they in a package, and what was lost of it is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from assets import AAC, X264, Clip, Clips, picture, tone
from hearing import RATE, listen
from media_bench import AUDIO, COPY, HLS, MP4, Bench

from videojob_worker.boxes import read_movie
from videojob_worker.check import check
from videojob_worker.errors import Rejected, Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.outputs import Produced
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

SECONDS = 4
EARLY = f"{picture(seconds=SECONDS)} {tone(3.2)} {X264} {AAC}"
UNEVENLY = " -vf \"select='mod(n,3)'\" -fps_mode vfr -enc_time_base 1/90000"


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def tv(**spec: Any) -> dict[str, Any]:
    transcode = {"packaging": "CMAF", "renditions": [{"height": 90}], "preset": "ultrafast"}
    return {"name": "tv", "transcode": {**transcode, "segmentSeconds": 1, **spec}}


def lengths(made: dict[str, Produced]) -> tuple[float, float]:
    """Of pictures and sound, as a player counts them."""
    movies = [read_movie(made[f"tv/{name}.mp4"].path).tracks[0] for name in ("90p", "audio")]
    pictures, sound = (float(t.duration) - t.skipped / t.timescale for t in movies)
    return pictures, sound


def heard_until(path: Path) -> float:
    """When the last of a tone is heard: behind it there is silence indeed."""
    loud = (abs(listen(path)[:, 0]) > 0.02).nonzero()[0]
    return float(loud[-1]) / RATE if len(loud) else 0.0


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("seconds", [3.2, 0.5])
def test_sound_lasts_as_long_as_the_pictures(
    suffix: str, seconds: float, clips: Clips, bench: Bench
) -> None:
    command = EARLY.replace(tone(3.2), tone(seconds))
    made, warnings = bench.make(clips.path(Clip(f"early.{suffix}", command)), tv())
    assert warnings == []
    pictures, sound = lengths(made)
    assert pictures == pytest.approx(SECONDS, abs=0.1)
    assert sound == pytest.approx(pictures, abs=0.1)
    assert heard_until(made["tv/audio.mp4"].path) == pytest.approx(seconds, abs=0.1)
    playlists = [made[f"tv/{name}.m3u8"].path.read_text() for name in ("90p", "audio")]
    assert [text.count("#EXTINF") for text in playlists] == [SECONDS, SECONDS]


@pytest.mark.parametrize("uneven", [False, True], ids=["even", "uneven"])
@pytest.mark.parametrize(
    ("trim", "seconds", "heard"),
    [
        ({"startSeconds": 0.5}, 3.5, 0.7),
        ({"startSeconds": 1, "endSeconds": 2}, 1, 0.2),
        ({"endSeconds": 1}, 1, 1),
        ({"startSeconds": 2}, 2, 0),
    ],
)
def test_of_a_stretch_it_lasts_as_long_as_the_stretch(
    trim: dict[str, float],
    seconds: float,
    heard: float,
    uneven: bool,
    clips: Clips,
    bench: Bench,
) -> None:
    command = EARLY.replace(tone(3.2), tone(1.2)) + (UNEVENLY if uneven else "")
    made, _ = bench.make(clips.path(Clip("early.mp4", command)), tv(trim=trim))
    assert lengths(made) == pytest.approx((seconds, seconds), abs=0.1)
    assert heard_until(made["tv/audio.mp4"].path) == pytest.approx(heard, abs=0.1)


@pytest.mark.parametrize(
    "command",
    [
        f"{picture(seconds=SECONDS)} -itsoffset 2 {tone(2)} {X264} {AAC}",
        f"-itsoffset 2 {picture(seconds=2)} {tone(3)} {X264} {AAC}",
        f"{picture(seconds=1)} {tone(SECONDS)} {X264} {AAC}",
    ],
    ids=["late sound", "late pictures", "long sound"],
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_no_film_gets_longer_by_it(command: str, suffix: str, clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(Clip(f"odd.{suffix}", command)), tv())
    assert max(lengths(made)) == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("packaging", ["MP4", "CMAF"])
def test_a_stretch_ends_where_it_should_though_sound_is_waited_for(
    packaging: str, clips: Clips, bench: Bench
) -> None:
    """Whoever waits for sound that has ended reads on, and sees late that the pictures have too."""
    path = clips.path(Clip("early.mp4", EARLY.replace(tone(3.2), tone(1.2))))
    step = tv(packaging=packaging, trim={"startSeconds": 0.5, "endSeconds": 1.5})
    made, _ = bench.make(path, step)
    movie = read_movie(made["tv/90p.mp4"].path)
    assert [t.samples for t in movie.tracks if t.handler == "vide"] == [pytest.approx(25, abs=1)]


def test_what_an_edit_list_hides_is_not_waited_for(clips: Clips, bench: Bench) -> None:
    whole = clips.path(Clip("one-gop.mp4", f"{picture()} {tone()} {X264} {AAC} -g 250"))
    path = clips.path(Clip("hidden.mp4", f"-ss 1.5 -i {whole} -c copy"))
    made, _ = bench.make(path, tv())
    assert lengths(made) == pytest.approx((1.5, 1.5), abs=0.1)


def test_files_that_are_no_package_keep_the_length_of_the_sound(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(Clip("early.mp4", EARLY)), MP4, AUDIO, COPY, tv())
    (sound,) = [t for t in read_movie(made["web/90p.mp4"].path).tracks if t.handler == "soun"]
    assert float(sound.duration) == pytest.approx(3.2, abs=0.1)
    for name in ("audio/audio.m4a", "original/audio.m4a"):
        assert made[name].duration_seconds == pytest.approx(3.2, abs=0.1), name


def test_padded_sound_is_as_loud_as_was_asked_for(clips: Clips, bench: Bench) -> None:
    path = clips.path(Clip("early.mp4", EARLY))
    made, warnings = bench.make(path, tv(loudness={"targetLufs": -20}))
    assert warnings == []
    assert lengths(made) == pytest.approx((SECONDS, SECONDS), abs=0.1)
    assert bench.measured["tv"]["loudness"][0]["integratedLufs"] == pytest.approx(-20, abs=0.5)


COUNT = "=measure_overall=Number_of_samples:measure_perchannel=none"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("first_pts=0", "first_pts=0,atrim=end=1", r"has 1\.00 s of sound, of 3\.2\d s that were"),
        ("=4.000000", "=3.500000", r"lasts 3\.5\d s and was to last 4\.00 s"),
        (COUNT, "=measure_overall=none:measure_perchannel=none", r"has 0\.00 s of sound"),
    ],
    ids=["sound lost on the way", "too little silence", "nobody counted"],
)
def test_silence_hides_no_lost_sound(
    old: str, new: str, words: str, clips: Clips, bench: Bench
) -> None:
    media, plan = bench.plan(clips.path(Clip("early.mp4", EARLY)), tv())
    (stage,) = plan.passes
    broken = bench.with_words(stage, old, new)
    assert broken.argv != stage.argv
    with pytest.raises(Unverified, match=words):
        check(broken, bench.run_stage(broken), media, bench.tools)


@pytest.mark.parametrize("step", [HLS, tv(trim={"startSeconds": 0.2})], ids=["all", "a stretch"])
@pytest.mark.parametrize(
    ("suffix", "begin", "end"), [("mkv", 0.2, 0.6), ("mkv", 0.5, 1), ("ts", 0.2, 0.6)]
)
def test_silence_hides_no_hole_in_a_film(
    suffix: str, begin: float, end: float, step: dict[str, Any], clips: Clips, bench: Bench
) -> None:
    data = clips.path(Clip(f"early.{suffix}", EARLY)).read_bytes()
    first, after = int(len(data) * begin), int(len(data) * end)
    holed = data[:first] + bytes(after - first) + data[after:]
    with pytest.raises(Rejected):
        bench.make(clips.write(f"early-{begin}.{suffix}", holed), step)
