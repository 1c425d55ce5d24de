"""Loudness: measured first, brought to a target, proven by a meter of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from assets import AAC, X264, Clip, Clips, picture
from hearing import listen, loudness_lufs, true_peak_db
from media_bench import HLS, MP4, Bench

from videojob_worker.check import check
from videojob_worker.errors import Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

# A soft voice, with pauses, and a loud click every four seconds.
SPEECH = (
    "0.05*sin(2*PI*(300+80*sin(9*t))*t)*lt(mod(t,2),1.4)+0.8*sin(2*PI*2997*t)*lt(mod(t+1,4),0.0004)"
)
SOFT = Clip(
    "soft.mp4",
    f"{picture(seconds=10)} -f lavfi -i \"aevalsrc='{SPEECH}|{SPEECH}':s=44100:d=10\" {X264} {AAC}",
    *(320, 180, 250, 10.0, (2,)),
)
LOUD = Clip("loud.flac", "-f lavfi -i sine=f=700:d=5 -af volume=16dB", seconds=5, channels=(1,))
SILENCE = Clip("silence.wav", "-f lavfi -i anullsrc=d=2", seconds=2, channels=(2,))


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def extract(name: str, **spec: Any) -> dict[str, Any]:
    return {"name": name, "extractAudio": {"loudness": {}, **spec}}


def test_every_kind_of_file_comes_out_as_loud_as_asked(clips: Clips, bench: Bench) -> None:
    before = listen(clips.path(SOFT), channels=2)
    assert loudness_lufs(before) < -22
    made, warnings = bench.make(
        clips.path(SOFT),
        extract("podcast", format="MP3"),
        extract("broadcast", format="WAV", loudness={"targetLufs": -23, "truePeakDb": -3}),
        {**MP4, "transcode": {**MP4["transcode"], "loudness": {"targetLufs": -18}}},
    )
    assert warnings == []
    for name, target, peak in (
        *(("podcast/audio.mp3", -16, -1.5), ("broadcast/audio.wav", -23, -3)),
        ("web/90p.mp4", -18, -1.5),
    ):
        heard = listen(made[name].path, channels=2)
        assert loudness_lufs(heard) == pytest.approx(target, abs=0.6), name
        # What an encoder loses shifts the wave; the limiter's promise is for what goes into it.
        slack = 0.1 if name.endswith("wav") else 1.0
        assert true_peak_db(heard) <= peak + slack, name
        assert abs(len(heard) - len(before)) < 4800, name
    (told,) = bench.measured["podcast"]["loudness"]
    assert told["sourceLufs"] == pytest.approx(loudness_lufs(before), abs=0.3)
    assert told["integratedLufs"] == pytest.approx(-16, abs=0.6)
    assert told["truePeakDb"] <= -1.4
    assert (told["file"], set(bench.measured)) == (
        "audio.mp3",
        {"podcast", "broadcast", "web"},
    )


def test_what_is_quiet_stays_as_much_quieter(clips: Clips, bench: Bench) -> None:
    """One gain for all of it: the voice is louder by so much everywhere, only clicks are held."""
    made, _ = bench.make(clips.path(SOFT), extract("a", format="FLAC"))
    before, after = listen(clips.path(SOFT)), listen(made["a/audio.flac"].path)
    gains = [
        abs(after[at : at + 24000]).mean() / abs(before[at : at + 24000]).mean()
        for at in (2000, 98000, 200000)
    ]
    assert gains == pytest.approx([gains[0]] * 3, rel=0.05)
    assert gains[0] > 1.9


def test_loud_sound_is_brought_down_without_a_limiter(clips: Clips, bench: Bench) -> None:
    _, plan = bench.plan(clips.path(LOUD), extract("a", format="FLAC"))
    assert plan.measure is not None
    _, stage, _ = bench.run(clips.path(LOUD), extract("a", format="FLAC"))
    assert "volume=-" in " ".join(stage.argv)
    assert "alimiter" not in " ".join(stage.argv)
    heard = listen(stage.outputs[0].path)
    assert loudness_lufs(heard) == pytest.approx(-16, abs=0.3)


def test_silence_stays_silence(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(SILENCE), extract("a", format="WAV"))
    assert abs(listen(made["a/audio.wav"].path)).max() == 0


def test_what_only_a_limiter_could_reach_is_told(clips: Clips, bench: Bench) -> None:
    clicks = "0.5*sin(2*PI*500*t)*lt(mod(t,0.2),0.004)"
    film = Clip("clicks.wav", f"-f lavfi -i \"aevalsrc='{clicks}':s=48000:d=4\" -c:a pcm_s16le")
    wanted = {"targetLufs": -6, "truePeakDb": -9}
    _, warnings = bench.make(clips.path(film), extract("a", format="WAV", loudness=wanted))
    assert [(w.reason, w.step) for w in warnings] == [("LoudnessMissed", "a")]


def test_sound_that_is_shared_is_made_loud_once(clips: Clips, bench: Bench) -> None:
    web = {**MP4, "transcode": {**MP4["transcode"], "loudness": {}}}
    _, stage, _ = bench.run(clips.path(SOFT), web, extract("a"), HLS)
    text = " ".join(stage.argv)
    assert (text.count("ebur128@"), text.count("alimiter"), text.count("-c:a:")) == (1, 1, 2)


@pytest.mark.parametrize("kind", ["unheard", "too high"])
def test_peaks_that_were_not_held_are_noticed(kind: str, clips: Clips, bench: Bench) -> None:
    media, stage, result = bench.run(clips.path(LOUD), extract("a", format="FLAC"))
    check(stage, result, media, bench.tools)
    if kind == "unheard":
        result.tally.levels.clear()
    else:
        ((name, level),) = result.tally.levels.items()
        result.tally.levels[name] = replace(level, true_peak_db=-0.9)
    words = {"unheard": "did not say how loud", "too high": r"peaks of -0\.9 dBTP; at most -1\.5"}
    with pytest.raises(Unverified, match=words[kind]):
        check(stage, result, media, bench.tools)
