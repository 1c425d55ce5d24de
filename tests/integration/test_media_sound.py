"""Sound as files of its own: every format for real, its length proven, cut files noticed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from assets import LANGUAGES, PLAIN, SURROUND, X264, Clip, Clips, picture
from hearing import listen
from media_bench import Bench

from videojob_worker.check import check
from videojob_worker.errors import NotDoable, Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

FORMATS = {
    "AAC": ("m4a", "aac", "audio/mp4"),
    "MP3": ("mp3", "mp3", "audio/mpeg"),
    "OPUS": ("opus", "opus", "audio/ogg"),
    "FLAC": ("flac", "flac", "audio/flac"),
    "WAV": ("wav", "pcm_s16le", "audio/wav"),
}
BRAND = ("major_brand", "minor_version", "compatible_brands")
STUDIO = Clip("studio.wav", "-f lavfi -i sine=r=96000:d=2 -c:a pcm_s24le", seconds=2, channels=(1,))


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def extract(name: str = "audio", **spec: Any) -> dict[str, Any]:
    return {"name": name, "extractAudio": spec}


def look(path: Path) -> dict[str, Any]:
    """The one stream of a file, with all tags there are."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    (stream,) = found["streams"]
    return {**stream, "tags": found["format"].get("tags", {}) | stream.get("tags", {})}


def decoded_samples(path: Path) -> int:
    """How many mono samples come out of a file."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-f", "s16le", "-"]
    return len(subprocess.run(command, capture_output=True, check=True).stdout) // 2


def test_every_format_holds_the_whole_track_and_nothing_of_the_source(
    clips: Clips, bench: Bench
) -> None:
    titled = Clip("titled.mp4", f"{PLAIN.command} -metadata title=secret -metadata artist=me")
    made, warnings = bench.make(
        clips.path(titled), *(extract(form.lower(), format=form) for form in FORMATS)
    )
    assert warnings == []
    for form, (suffix, codec, mime_type) in FORMATS.items():
        file = made[f"{form.lower()}/audio.{suffix}"]
        stream = look(file.path)
        assert (stream["codec_name"], file.mime_type) == (codec, mime_type)
        assert file.duration_seconds == pytest.approx(6, abs=0.1), form
        assert decoded_samples(file.path) == pytest.approx(6 * 48000, abs=4800), form
        tags = {key.lower() for key in stream["tags"]}
        assert tags <= {"language", "handler_name", "vendor_id", "encoder", *BRAND}, form


def test_what_one_step_mixes_down_stays_as_it_is_for_the_others(clips: Clips, bench: Bench) -> None:
    """One branch that asks ffmpeg for mono at its end would make it mono for all of them."""
    left = "-f lavfi -i aevalsrc='0.3*sin(880*PI*t)|0':s=48000:d=2"
    path = clips.path(Clip("left.mkv", f"{picture(seconds=2)} {left} {X264} -c:a pcm_s16le"))
    mono = {"renditions": [{"height": 90}], "packaging": "HLS", "audio": {"channels": 1}}
    loud = extract("both", format="WAV", loudness={"targetLufs": -20})
    made, _ = bench.make(path, {"name": "web", "transcode": mono}, loud)
    heard = listen(made["both/audio.wav"].path, channels=2)
    assert abs(heard[:, 0]).max() > 0.1
    assert abs(heard[:, 1]).max() < 0.001, "what is on the left alone came out on the right"
    assert look(made["web/audio.mp4"].path)["channels"] == 1


@pytest.mark.parametrize(("layout", "channels"), [("stereo", 1), ("5.1", 1), ("5.1", 2)])
def test_what_is_mixed_down_fits(layout: str, channels: int, clips: Clips, bench: Bench) -> None:
    """As loud as each of its equal channels was, in whole numbers and in floats."""
    count = {"stereo": 2, "5.1": 6}[layout]
    waves = "|".join(["0.9*sin(880*PI*t)"] * count)
    film = f"{picture()} -f lavfi -i aevalsrc='{waves}':s=48000:d=1:c={layout}"
    path = clips.path(Clip(f"loud-{layout}.mkv", f"{film} {X264} -c:a pcm_f32le"))
    made, _ = bench.make(
        path,
        extract("whole", format="WAV", channels=channels),
        extract("floats", format="AAC", channels=channels),
    )
    for name in ("whole/audio.wav", "floats/audio.m4a"):
        heard = listen(made[name].path, channels=channels)[4800:-4800]
        assert abs(heard).max() == pytest.approx(0.9, abs=0.03), name


def test_mono_is_doubled_for_two_channels(clips: Clips, bench: Bench) -> None:
    """On each side as loud as it was, with a loudness that is asked for as without."""
    mono = "-f lavfi -i aevalsrc='0.5*sin(880*PI*t)':s=48000:d=4"
    path = clips.path(Clip("mono.mkv", f"{picture(seconds=4)} {mono} {X264} -c:a pcm_s16le"))
    made, warnings = bench.make(
        path,
        extract("two", format="WAV", channels=2),
        extract("level", format="WAV", channels=2, loudness={"targetLufs": -16}),
    )
    assert warnings == []
    heard = listen(made["two/audio.wav"].path, channels=2)[4800:-4800]
    assert (heard[:, 0] == heard[:, 1]).all()
    assert abs(heard).max() == pytest.approx(0.5, abs=0.01)
    level = listen(made["level/audio.wav"].path, channels=2)[4800:-4800]
    assert (level[:, 0] == level[:, 1]).all()


def test_bitrate_rate_and_channels_are_as_asked(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(
        clips.path(SURROUND),
        extract("mono", format="MP3", bitrateKbps=64, sampleRateHz=22050, channels=1),
        extract("film", format="OPUS", channels=6),
        extract("wave", format="WAV", sampleRateHz=16000, channels=1),
        extract("two", format="FLAC", channels=2),
    )
    mono = look(made["mono/audio.mp3"].path)
    assert (mono["sample_rate"], mono["channels"], mono["bit_rate"]) == ("22050", 1, "64000")
    assert look(made["film/audio.opus"].path)["channels"] == 6
    assert look(made["wave/audio.wav"].path)["sample_rate"] == "16000"
    assert decoded_samples(made["wave/audio.wav"].path) == pytest.approx(3 * 16000, abs=800)
    assert look(made["two/audio.flac"].path)["channels"] == 2


def test_nothing_is_lost_of_a_studios_sound(clips: Clips, bench: Bench) -> None:
    made, warnings = bench.make(
        clips.path(STUDIO),
        extract("flac", format="FLAC"),
        extract("wav", format="WAV", channels=6),
        extract("aac"),
    )
    flac, wav = look(made["flac/audio.flac"].path), look(made["wav/audio.wav"].path)
    assert (flac["sample_rate"], flac["bits_per_raw_sample"]) == ("96000", "24")
    assert (wav["sample_rate"], wav["codec_name"], wav["channels"]) == ("96000", "pcm_s24le", 1)
    assert look(made["aac/audio.m4a"].path)["sample_rate"] == "48000"
    assert [warning.reason for warning in warnings] == []


def test_a_track_is_chosen_by_number_or_language(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(
        clips.path(LANGUAGES),
        extract("first", track=0),
        extract("german", language="de", format="OPUS"),
        extract("english", language="en", format="Copy"),
        extract("default"),
    )
    languages = {
        name.partition("/")[0]: look(file.path)["tags"]["language"] for name, file in made.items()
    }
    assert languages == {"first": "eng", "german": "deu", "english": "eng", "default": "deu"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"track": 2}, "wants track 2; its source has 2, counted from 0"),
        ({"language": "fr"}, "wants sound in fr; its source has: eng, deu"),
    ],
)
def test_a_track_that_is_not_there_is_told(
    spec: dict[str, Any], words: str, clips: Clips, bench: Bench
) -> None:
    with pytest.raises(NotDoable, match=words):
        bench.plan(clips.path(LANGUAGES), extract(**spec))


@pytest.mark.parametrize("form", [*FORMATS, "Copy"])
def test_a_cut_file_is_noticed(form: str, clips: Clips, bench: Bench) -> None:
    film = Clip("long.mkv", f"{PLAIN.command.replace('-c:a aac', '-c:a ac3')}")
    media, stage, result = bench.run(clips.path(film), extract(format=form))
    (output,) = stage.outputs
    check(stage, result, media, bench.tools)
    output.path.write_bytes(output.path.read_bytes()[: output.path.stat().st_size // 2])
    with pytest.raises(Unverified, match=r"audio/audio\.\w+"):
        check(stage, result, media, bench.tools)
