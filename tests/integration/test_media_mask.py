"""audioMask: the babble is where and as loud as it was asked to be; measured on spoken words."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from assets import X264, Clip, Clips, picture
from hearing import Samples, listen, loudness_lufs
from media_bench import Bench

from videojob_worker.errors import NotDoable
from videojob_worker.ffmpeg import Tools
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

WORDS = "The quick brown fox jumps over the lazy dog. She sells sea shells by the sea shore today."
SPOKEN = f"-f lavfi -i \"flite=text='{WORDS}'\""
SPEECH = Clip("speech.wav", f"{SPOKEN} -ac 2 -ar 44100 -c:a pcm_s16le")
LOUD = Clip("loud.wav", f"{SPOKEN} -ar 16000 -af volume=6dB,alimiter=limit=0.98 -c:a pcm_s16le")
TALK = Clip("talk.mp4", f"{picture(seconds=6)} {SPOKEN} {X264} -c:a aac -b:a 128k -ac 1")


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def mask(level: str, **more: str) -> dict[str, object]:
    return {"name": level.lower(), "audioMask": {"level": level}, **more}


def wav(source: str) -> dict[str, object]:
    return {"name": f"{source}-wav", "from": source, "extractAudio": {"format": "WAV"}}


def split(masked: Samples, clear: Samples) -> tuple[Samples, Samples]:
    """The speech in it, as loud as it is there, and the rest."""
    length = min(len(masked), len(clear))
    masked, clear = masked[:length], clear[:length]
    speech = clear * (np.sum(masked * clear) / np.sum(clear * clear))
    return speech, masked - speech


@pytest.mark.parametrize(("clip", "channels"), [(SPEECH, 2), (LOUD, 1)], ids=["stereo", "loud"])
def test_five_decibels_are_five_decibels(
    clip: Clip, channels: int, clips: Clips, bench: Bench
) -> None:
    steps = [mask("Weak"), mask("Medium"), mask("Strong")]
    made, warnings = bench.make(
        clips.path(clip), *steps, *(wav(str(step["name"])) for step in steps)
    )
    assert warnings == []
    clear = listen(clips.path(clip), channels=channels)
    for name, ratio in (("weak", 10), ("medium", 5), ("strong", 0)):
        masked = listen(made[f"{name}-wav/audio.wav"].path, channels=channels)
        assert len(masked) == pytest.approx(len(clear), abs=200)
        assert abs(masked).max() < 0.99, name  # nothing is clipped
        speech, babble = split(masked, clear)
        assert loudness_lufs(speech) - loudness_lufs(babble) == pytest.approx(ratio, abs=0.5), name


def test_none_leaves_it_as_it_is(clips: Clips, bench: Bench) -> None:
    copy = {"name": "same", "from": "none", "extractAudio": {"format": "Copy"}}
    made, _ = bench.make(clips.path(SPEECH), mask("None"), copy)
    same = listen(made["same/audio.wav"].path, channels=2)
    assert np.array_equal(same, listen(clips.path(SPEECH), channels=2))
    (stage,) = bench.plan(clips.path(SPEECH), mask("None"), copy)[1].passes
    assert "babble" not in " ".join(stage.argv)


def test_a_leaf_publishes_the_film_with_its_own_pictures(clips: Clips, bench: Bench) -> None:
    path = clips.path(TALK)
    made, warnings = bench.make(path, mask("Strong"))
    film = made["strong/film.mp4"]
    assert warnings == []
    assert (film.width, film.height, film.mime_type) == (320, 180, "video/mp4")
    hashes = [
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", str(p), "-map", "0:v", "-f", "hash", "-"],
            capture_output=True,
            check=True,
        ).stdout
        for p in (path, film.path)
    ]
    assert hashes[0] == hashes[1]
    speech, babble = split(listen(film.path), listen(path))
    assert loudness_lufs(speech) - loudness_lufs(babble) == pytest.approx(0, abs=1)


def test_sound_alone_is_published_as_sound(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(SPEECH), mask("Weak"))
    assert set(made) == {"weak/audio.m4a"}


def test_it_composes_with_what_comes_after(clips: Clips, bench: Bench) -> None:
    """One decode, one babble: a rendition, and a sound of a loudness of its own."""
    web = {"name": "web", "from": "medium", "transcode": {"renditions": [{"height": 90}]}}
    loud = {
        "name": "loud",
        "from": "medium",
        "extractAudio": {"format": "MP3", "loudness": {"targetLufs": -25}},
    }
    plain = {"name": "plain", "extractAudio": {"format": "WAV"}}
    made, warnings = bench.make(clips.path(TALK), mask("Medium"), web, loud, plain)
    assert set(made) == {"web/90p.mp4", "loud/audio.mp3", "plain/audio.wav"}
    assert warnings == []
    clear = listen(clips.path(TALK))
    speech, babble = split(listen(made["web/90p.mp4"].path), clear)
    assert loudness_lufs(speech) - loudness_lufs(babble) == pytest.approx(5, abs=1)
    assert loudness_lufs(listen(made["loud/audio.mp3"].path)) == pytest.approx(-25, abs=1)
    untouched = listen(made["plain/audio.wav"].path)
    assert loudness_lufs(untouched) == pytest.approx(loudness_lufs(clear), abs=0.1)


def test_masked_sound_is_not_copied(clips: Clips, bench: Bench) -> None:
    copy = {"name": "copy", "from": "weak", "extractAudio": {"format": "Copy"}}
    with pytest.raises(NotDoable, match="is to copy sound that step 'weak' changed"):
        bench.plan(clips.path(SPEECH), mask("Weak"), copy)
