"""clean: the film without anything that is said about it, as exiftool sees it; nothing lost."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from assets import AAC, X264, Clip, Clips, picture, tone
from media_bench import Bench

from videojob_worker.check import check
from videojob_worker.errors import NotDoable, Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

BOTH = f"{picture(seconds=2)} {tone(2)}"
PLACE = "-metadata location=+48.8577+002.2950/ -metadata location-eng=+48.8577+002.2950/"
CAMERA = (
    "-metadata make=Canon -metadata model=R5 -metadata artist=Someone -metadata comment=private"
)
APPLE = (
    "-movflags +use_metadata_tags -metadata com.apple.quicktime.location.ISO6709=+48.8577+002.2950/ "
    "-metadata com.apple.quicktime.make=Apple -metadata com.apple.quicktime.model=iPhone"
)
WHEN = "-metadata creation_time=2024-05-06T07:08:09Z -metadata:s:v handler_name=SomeonesCamera"
FILMS = {
    "phone.mp4": (f"{BOTH} {X264} {AAC} {PLACE} {CAMERA} {WHEN}", "film.mp4"),
    "apple.mov": (f"{BOTH} {X264} {AAC} {APPLE} {WHEN} -timecode 01:00:00:00", "film.mp4"),
    "studio.mov": (f"{BOTH} -c:v mjpeg -c:a pcm_s16le {PLACE} -timecode 01:00:00:00", "film.mov"),
    "hevc.mkv": (
        f"{BOTH} -c:v libx265 -preset ultrafast -x265-params log-level=none -c:a dca -strict -2 "
        f"{CAMERA}",
        "film.mkv",
    ),
    "browser.webm": (f"{BOTH} -c:v libvpx -deadline realtime -c:a libopus {CAMERA}", "film.webm"),
    "old.avi": (f"{BOTH} -c:v mpeg4 -bf 2 -c:a libmp3lame {CAMERA}", "film.mp4"),
    "air.ts": (f"{BOTH} -c:v mpeg2video -c:a mp2 -metadata service_name=Backyard", "film.mkv"),
    "song.mp3": (f"{tone(2)} -c:a libmp3lame {CAMERA} -metadata title=Song", "audio.mp3"),
    "windows.wmv": (f"{BOTH} -c:v wmv2 -c:a wmav2 {CAMERA}", "film.mkv"),
}
CHAPTERS = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=Private\n"
LEAKS = ("48.8", "48 deg", "Canon", "iPhone", "Someone", "private", "2024", "Song", "Backyard")
CLEAN = {"name": "clean", "clean": {}}


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


def what_exiftool_sees(path: Path) -> dict[str, Any]:
    """Every tag, by its group and name; embedded ones too."""
    command = ["exiftool", "-json", "-G1", "-a", "-u", "-ee", str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def packets(path: Path, kind: str) -> str:
    """A checksum of what is in a track."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", f"0:{kind}:0", "-c", "copy"]
    done = subprocess.run([*command, "-f", "streamhash", "-"], capture_output=True, check=True)
    return done.stdout.decode().rpartition("=")[2].strip()


def frames(path: Path, kind: str) -> str:
    """A checksum of what is seen or heard."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", f"0:{kind}:0"]
    done = subprocess.run([*command, "-f", "hash", "-"], capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.parametrize("name", FILMS)
def test_nothing_said_is_left_and_nothing_seen_is_lost(
    name: str, clips: Clips, bench: Bench
) -> None:
    command, expected = FILMS[name]
    path = clips.path(Clip(name, command))
    made, warnings = bench.make(path, CLEAN)
    assert warnings == []
    (film,) = made.values()
    assert film.name == expected
    if name in ("phone.mp4", "apple.mov"):
        assert "48 deg" in json.dumps(what_exiftool_sees(path))  # it does see places
    told = json.dumps(what_exiftool_sees(film.path))
    for word in LEAKS:
        assert word not in told, word
    assert "GPS" not in told
    for kind in ("v", "a") if film.width else ("a",):
        assert frames(film.path, kind) == frames(path, kind)
    assert film.duration_seconds == pytest.approx(2, abs=0.15)
    assert not film.width or (film.width, film.height) == (320, 180)


def test_chapters_attachments_data_and_covers_are_gone(clips: Clips, bench: Bench) -> None:
    """An MKV with a font, a chapter and a cover; exiftool and ffprobe see what is left."""
    notes = clips.write("chapters.txt", CHAPTERS.encode())
    font = clips.write("font.ttf", b"not really a font, and private" * 20)
    cover = clips.path(Clip("cover.png", "-f lavfi -i color=red:s=64x64:d=1 -frames:v 1"))
    path = clips.path(
        Clip(
            "full.mkv",
            f"{BOTH} -i {cover} -f ffmetadata -i {notes} -map 0 -map 1 -map 2 -map_metadata 3 "
            f"-map_chapters 3 {X264} {AAC} -c:v:1 copy -disposition:v:1 attached_pic -attach {font} "
            "-metadata:s:t mimetype=application/x-truetype-font -metadata title=secret",
        )
    )
    made, _ = bench.make(path, CLEAN)
    film = made["clean/film.mp4"].path
    shown = ["ffprobe", "-v", "error", "-show_streams", "-show_chapters", "-of", "json", str(film)]
    seen = json.loads(subprocess.run(shown, capture_output=True, check=True).stdout)
    assert [s["codec_type"] for s in seen["streams"]] == ["video", "audio"]
    assert seen["chapters"] == []
    data = film.read_bytes()
    assert b"private" not in data
    assert b"secret" not in data


def test_settings_of_the_encoder_go_where_asked(clips: Clips, bench: Bench) -> None:
    path = clips.path(Clip("phone.mp4", FILMS["phone.mp4"][0]))
    thorough = {"name": "thorough", "clean": {"removeSei": True}}
    made, _ = bench.make(path, CLEAN, thorough)
    kept, gone = made["clean/film.mp4"].path, made["thorough/film.mp4"].path
    assert b"x264 - core" in kept.read_bytes()
    assert b"x264" not in gone.read_bytes()
    assert frames(kept, "v") == frames(gone, "v")


def test_languages_and_rotation_stay(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.portrait(), CLEAN)
    film = made["clean/film.mp4"]
    assert (film.width, film.height) == (180, 320)
    assert any("Rotation" in key and value for key, value in what_exiftool_sees(film.path).items())


def test_nothing_is_published_when_others_take_it_on(clips: Clips, bench: Bench) -> None:
    path = clips.path(Clip("phone.mp4", FILMS["phone.mp4"][0]))
    sound = {"name": "sound", "from": "clean", "extractAudio": {"format": "Copy"}}
    made, _ = bench.make(path, CLEAN, sound)
    assert set(made) == {"sound/audio.m4a"}
    assert packets(made["sound/audio.m4a"].path, "a") == packets(path, "a")


def test_pictures_that_a_step_changed_are_not_published_as_the_films(
    clips: Clips, bench: Bench
) -> None:
    web = {"name": "web", "transcode": {"renditions": [{"height": 90}]}}
    path = clips.path(Clip("phone.mp4", FILMS["phone.mp4"][0]))
    with pytest.raises(NotDoable, match="publish by a transcode, `from` this step"):
        bench.plan(path, web, {**CLEAN, "from": "web"})


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        ("-metadata title=secret", r"should say nothing about the film, and has: title\."),
        ("-metadata location=+48.8577+002.2950/", "has: location"),
        ("-metadata:s:v handler_name=Mine", "has: handler_name"),
        ("-map_metadata 1 -map_chapters 1", "has: chapters"),
        ("-frames:v 30", "holds 30 of the film's 50 packets of video"),
        ("-frames:a 40", "s of sound, of|packets of video"),
    ],
)
def test_what_is_left_or_lost_is_noticed(
    spoiled: str, words: str, clips: Clips, bench: Bench
) -> None:
    notes = clips.write("chapters.txt", CHAPTERS.encode())
    path = clips.path(Clip("phone.mp4", FILMS["phone.mp4"][0]))
    media, stage, result = bench.run(path, CLEAN)
    check(stage, result, media, bench.tools)
    (output,) = stage.outputs
    copy = bench.scratch.work / "copy.mp4"
    shutil.move(output.path, copy)
    inputs = ["-i", str(copy), "-f", "ffmetadata", "-i", str(notes), "-map", "0", "-c", "copy"]
    options = ["-map_chapters", "-1", *spoiled.split(), "-fflags", "+bitexact", str(output.path)]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *options], check=True)
    with pytest.raises(Unverified, match=words):
        check(stage, result, media, bench.tools)
