"""Stretches, loudness, masks and copies together, as they are seen and heard."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest
from assets import AAC, LANGUAGES, X264, Clip, Clips, picture
from hearing import listen, loudness_lufs
from media_bench import Bench

from videojob_worker.check import check
from videojob_worker.errors import Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

# Soft for four seconds, then four times as loud.
VOICE = "sin(2*PI*(300+80*sin(9*t))*t)*lt(mod(t,1),0.8)"
RISING = Clip(
    "rising.mp4",
    f"{picture(seconds=8)} -f lavfi -i \"aevalsrc='{VOICE}*if(lt(t,4),0.05,0.2)':s=48000:d=8\" "
    f"{X264} -g 25 {AAC}",
    *(320, 180, 200, 8.0, (1,)),
)


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def web(**spec: Any) -> dict[str, Any]:
    basics = {"renditions": [{"height": 90}], "preset": "ultrafast", "segmentSeconds": 1}
    return {"name": "web", "transcode": {**basics, **spec}}


def seconds(path: Path) -> list[float]:
    """Of pictures and sound."""
    with av.open(str(path)) as film:
        return [float(s.duration * s.time_base) for s in film.streams if s.duration and s.time_base]


def test_a_stretch_is_made_as_loud_as_asked_by_its_own_loudness(clips: Clips, bench: Bench) -> None:
    path = clips.path(RISING)
    wanted = {"targetLufs": -20}
    made, warnings = bench.make(
        path,
        web(trim={"startSeconds": 0.5, "endSeconds": 3.5}, loudness=wanted),
        {"name": "all", "extractAudio": {"format": "WAV", "loudness": wanted}},
    )
    assert warnings == []
    assert seconds(made["web/90p.mp4"].path) == pytest.approx([3, 3], abs=0.05)
    heard = listen(made["web/90p.mp4"].path)
    assert loudness_lufs(heard) == pytest.approx(-20, abs=0.7)
    (stretch,) = bench.measured["web"]["loudness"]
    (whole,) = bench.measured["all"]["loudness"]
    assert whole["sourceLufs"] - stretch["sourceLufs"] > 8
    assert stretch["integratedLufs"] == pytest.approx(-20, abs=0.5)


@pytest.mark.parametrize("first", ["mask", "trim"])
def test_a_mask_and_a_stretch_in_either_order(first: str, clips: Clips, bench: Bench) -> None:
    trim = {"startSeconds": 1, "endSeconds": 3}
    last = {"name": "wav", "extractAudio": {"format": "WAV", "loudness": {"targetLufs": -24}}}
    if first == "mask":
        steps = [
            {"name": "mask", "audioMask": {"level": "Strong"}},
            {**web(trim=trim, loudness={"targetLufs": -24}), "from": "mask"},
            {**last, "from": "web"},
        ]
    else:
        steps = [
            web(trim=trim),
            {"name": "mask", "from": "web", "audioMask": {"level": "Strong"}},
            {**last, "from": "mask"},
        ]
    made, warnings = bench.make(clips.path(RISING), *steps)
    assert warnings == []
    heard = listen(made["wav/audio.wav"].path)
    assert len(heard) / 48000 == pytest.approx(2, abs=0.01)
    assert loudness_lufs(heard) == pytest.approx(-24, abs=1)
    pauses = [heard[round((at + 0.85) * 48000) : round((at + 0.95) * 48000)] for at in (0, 1)]
    assert all(abs(pause).mean() > 0.002 for pause in pauses)  # where nobody speaks there is babble


def test_a_stretch_of_sound_that_is_too_short_is_noticed(clips: Clips, bench: Bench) -> None:
    step = web(trim={"startSeconds": 1, "endSeconds": 5}, loudness={})
    media, plan = bench.plan(clips.path(RISING), step)
    (stage,) = bench.heard(plan).passes
    short = bench.with_words(stage, "atrim=end=5.0", "atrim=end=2.0")
    with pytest.raises(Unverified, match=r"s of sound, of 4\.00 s that were decoded"):
        check(short, bench.run_stage(short), media, bench.tools)


def test_a_clean_film_leaves_its_words_behind(clips: Clips, bench: Bench, tmp_path: Path) -> None:
    words, film = tmp_path / "words.srt", tmp_path / "film.mkv"
    words.write_text("1\n00:00:00,500 --> 00:00:01,500\nGuten Tag\n")
    command = ["ffmpeg", "-v", "error", "-i", str(clips.path(LANGUAGES)), "-i", str(words)]
    subprocess.run([*command, "-map", "0", "-map", "1", "-c", "copy", str(film)], check=True)
    clean = {"name": "clean", "clean": {}}
    alone, _ = bench.make(film, clean)
    kept, _ = bench.make(film, clean, {**web(subtitles="Keep"), "from": "clean"})
    for path in (alone["clean/film.mp4"].path, kept["web/90p.mp4"].path):
        with av.open(str(path)) as made:
            assert not made.streams.subtitles


def test_pictures_of_a_stretch_are_counted_and_found_in_it(clips: Clips, bench: Bench) -> None:
    made, warnings = bench.make(
        clips.path(RISING),
        web(trim={"startSeconds": 2, "endSeconds": 4}),
        {"name": "poster", "from": "web", "thumbnails": {"intervalSeconds": 1}},
        {"name": "quality", "from": "web", "quality": {"metrics": ["PSNR"], "perFrame": True}},
        {"name": "scenes", "from": "web", "scenes": {}},
    )
    assert warnings == []
    assert sum(name.startswith("poster/") for name in made) == 2
    frames = made["quality/90p-frames.csv"].path.read_text().splitlines()
    assert len(frames) == 1 + 50
    told = json.loads(made["scenes/scenes.json"].path.read_text())
    assert told["scenes"][-1]["endSeconds"] == pytest.approx(2, abs=0.05)
