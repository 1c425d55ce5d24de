"""What is lost of a film and what only looks so: odd good films pass, damaged ones are rejected."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from assets import AAC, PLAIN, X264, Clip, Clips, picture, tone
from media_bench import AUDIO, COPY, HLS, MP4, POSTER, Bench

from videojob_worker import ffmpeg as ffmpeg_module
from videojob_worker import passes
from videojob_worker.boxes import read_movie
from videojob_worker.errors import Rejected
from videojob_worker.ffmpeg import Tools
from videojob_worker.scratch import Scratch
from videojob_worker.whitelists import CODECS

pytestmark = pytest.mark.ffmpeg

BOTH = f"{picture()} {tone()} {X264} {AAC}"
LONG_SOUND = f"{picture(seconds=1)} {tone(4)} {X264} {AAC}"
TITLES = "1\n00:00:00,500 --> 00:00:09,000\nHello\n"
GOOD = {
    "timecode.mov": f"{BOTH} -timecode 01:00:00:00",
    "ntsc.mp4": f"{picture()} -r 30000/1001 {X264}",
    "film.mkv": f"{picture()} -r 24000/1001 {X264}",
    "offset.ts": f"{BOTH} -muxdelay 0 -output_ts_offset 3600",
    "late.mp4": f"-itsoffset 2 {picture(seconds=2)} {tone(4)} {X264} {AAC}",
    "fragments.mp4": f"{BOTH} -g 25 -movflags +frag_keyframe+empty_moov",
    "xvid.avi": f"{picture()} {tone()} -c:v mpeg4 -bf 2 -c:a libmp3lame",
    "phone.3gp": f"{picture('176x144')} {tone()} -c:v h263 {AAC}",
    "dvd.ts": f"{BOTH.replace(X264, '-c:v mpeg2video -bf 2').replace(AAC, '-c:a mp2')}",
    "tiny.mp4": f"{picture(seconds=0.2)} {X264}",
    "long-sound.mp4": LONG_SOUND,
    "long-sound.flv": LONG_SOUND,
    "long-sound.mkv": LONG_SOUND,
    "long-sound.wmv": f"{picture(seconds=1)} {tone(4)} -c:v wmv2 -c:a wmav2",
    "short-sound.mp4": f"{picture(seconds=4)} {tone(1)} {X264} {AAC}",
    "late-sound.mkv": f"{picture(seconds=4)} -itsoffset 2 {tone(2)} {X264} {AAC}",
    "altrefs.webm": f"{picture()} -c:v libvpx -auto-alt-ref 1 -lag-in-frames 16 -b:v 200k",
    "windows.wav": f"{tone()} -c:a adpcm_ms",
    "g722.wav": f"{tone()} -ar 16000 -c:a g722",
    "plain.aac": f"{tone()} {AAC}",
}


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


@pytest.mark.parametrize("name", GOOD)
def test_odd_but_good_films_pass(name: str, clips: Clips, bench: Bench) -> None:
    path = clips.path(Clip(name, GOOD[name]))
    pictures = "-c:v" in GOOD[name]
    sound = [AUDIO] if "sine" in GOOD[name] else []
    made, _ = bench.make(path, *([MP4, POSTER, HLS] if pictures else []), *sound)
    assert ("web/90p.mp4" in made) is pictures
    assert ("audio/audio.m4a" in made) is bool(sound)


@pytest.mark.parametrize("steps", [[POSTER], [MP4, POSTER, AUDIO, HLS]], ids=len)
def test_what_an_edit_list_hides_is_no_loss(
    steps: list[dict[str, Any]], clips: Clips, bench: Bench
) -> None:
    """Trimmed without encoding: the frames from the key frame to the cut are in the file."""
    whole = clips.path(Clip("one-gop.mp4", f"{BOTH} -g 250"))
    path = clips.path(Clip("trimmed.mp4", f"-ss 1.5 -i {whole} -c copy"))
    made, _ = bench.make(path, *steps)
    assert "poster/0001.jpg" in made


def test_titles_longer_than_the_film(clips: Clips, bench: Bench) -> None:
    titles = clips.write("titles.srt", TITLES.encode())
    path = clips.path(Clip("titled.mkv", f"{picture()} -i {titles} {X264} -c:s srt"))
    assert "web/90p.mp4" in bench.make(path, MP4, POSTER)[0]


def test_stale_statistics_are_not_believed(clips: Clips, bench: Bench) -> None:
    command = f"{picture()} {X264} -g 250 -metadata:s:v NUMBER_OF_FRAMES=9000"
    assert "poster/0001.jpg" in bench.make(clips.path(Clip("stale.mkv", command)), POSTER)[0]


def damaged(path: Path, clips: Clips, name: str) -> Path:
    """A film with a hole in the middle of what it holds; its index and its end stay."""
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 8 if b"mdat" in data else 0
    end = data.rindex(b"moov") if data.rfind(b"moov") > begin else len(data)
    quarter = (end - begin) // 4
    data[begin + quarter : end - quarter] = bytes(end - begin - 2 * quarter)
    return clips.write(name, bytes(data))


@pytest.mark.parametrize("steps", [[MP4, POSTER], [AUDIO]], ids=["pictures", "sound"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv", "ts"])
def test_holes_are_rejected_though_the_timestamps_go_on(
    suffix: str, steps: list[dict[str, Any]], clips: Clips, bench: Bench
) -> None:
    film = PLAIN if suffix == "mp4" else Clip(f"plain.{suffix}", PLAIN.command)
    path = damaged(clips.path(film), clips, f"holes.{suffix}")
    with pytest.raises(Rejected) as caught:
        bench.make(path, *steps)
    assert caught.value.reason == "Damaged"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("whole.avi", f"{BOTH.replace(AAC, '-c:a libmp3lame')}"),
        ("whole.flv", BOTH),
        ("whole.wav", tone()),
    ],
)
@pytest.mark.parametrize("step", [POSTER, AUDIO, COPY], ids=lambda step: step["name"])
def test_files_whose_end_is_missing_are_rejected(
    name: str, command: str, step: dict[str, Any], clips: Clips, bench: Bench
) -> None:
    if name.endswith("wav") and step is POSTER:
        step = AUDIO
    with pytest.raises(Rejected) as caught:
        bench.make(clips.cut(Clip(name, command), 0.6), step)
    assert caught.value.reason == "Truncated"


def test_all_of_a_sound_file_is_heard_whatever_its_first_bitrate(
    clips: Clips, bench: Bench
) -> None:
    """Loud and dense at first, then silence; no header says how long it is."""
    noise = "-f lavfi -i anoisesrc=d=1:r=48000 -f lavfi -i anullsrc=r=48000:d=120"
    command = f"{noise} -filter_complex concat=n=2:v=0:a=1 -t 121 -c:a libmp3lame -q:a 0"
    path = clips.path(Clip("guessed.mp3", f"{command} -write_xing 0 -id3v2_version 0"))
    media, _ = bench.plan(path, AUDIO)
    assert float(media.duration) == pytest.approx(121, abs=0.2)
    made, _ = bench.make(path, AUDIO)
    assert made["audio/audio.m4a"].duration_seconds == pytest.approx(121, abs=0.2)


def test_streams_that_no_step_needs_may_be_of_any_codec(clips: Clips, bench: Bench) -> None:
    two = f"{picture()} {tone()} {tone()} -map 0 -map 1 -map 2 {X264} {AAC} -c:a:1 real_144"
    command = f"{two} -ar:a:1 8000 -ac:a:1 1"
    path = clips.path(Clip("barred.mkv", command))
    media, plan = bench.plan(path, MP4, AUDIO)
    assert [track.codec for track in media.audio] == ["aac"]
    assert [warning.reason for warning in plan.warnings] == ["StreamLeftOut"]
    made, warnings = bench.make(path, MP4, AUDIO)
    assert "audio/audio.m4a" in made
    assert warnings == []


def test_pictures_of_any_codec_are_no_hindrance_to_sound(clips: Clips, bench: Bench) -> None:
    path = clips.path(Clip("screen.mkv", f"{picture()} {tone()} -c:v zmbv {AAC}"))
    assert "audio/audio.m4a" in bench.make(path, AUDIO)[0]
    with pytest.raises(Rejected, match="zmbv"):
        bench.make(path, MP4)


def test_every_name_on_the_whitelist_is_a_decoders() -> None:
    listed = subprocess.run(["ffmpeg", "-v", "error", "-decoders"], capture_output=True, text=True)
    words = [line.split() for line in listed.stdout.splitlines()]
    known = {line[1] for line in words if len(line) > 2}
    assert set(CODECS) - known <= {"libdav1d", "av1", "libaom-av1"}


def test_made_even_is_told(clips: Clips, bench: Bench) -> None:
    command = f"{picture()} -vf \"select='mod(n,3)'\" -fps_mode vfr -enc_time_base 1/90000 {X264}"
    _, warnings = bench.make(clips.path(Clip("uneven-silent.mp4", command)), HLS)
    assert [warning.reason for warning in warnings] == ["FramesResampled"]


def test_the_account_is_found_behind_a_log_that_is_full(
    clips: Clips, scratch: Scratch, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With so many outputs the account alone is larger than what a message quotes."""
    for module in (ffmpeg_module, passes):
        monkeypatch.setattr(module, "MAX_LOG_BYTES", 100)
    transcode = {"preset": "ultrafast", "packaging": "HLS"}
    many: list[dict[str, Any]] = [MP4]
    for number in range(20):
        sizes = [{"height": 90, "crf": 20 + number}]
        many.append({"name": f"hls{number}", "transcode": {**transcode, "renditions": sizes}})
    made, _ = Bench(scratch, tools).make(
        clips.path(Clip("short.mp4", f"{picture(seconds=0.2)} {X264}")), *many
    )
    assert "hls19/90p.mp4" in made


def test_sound_after_the_pictures_is_cut_into_segments(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(Clip("long-sound.mp4", LONG_SOUND)), HLS)
    playlist = made["hls/audio.m3u8"].path.read_text()
    assert playlist.count("#EXTINF") == 4
    named = [file.path for name, file in made.items() if name.endswith(".m3u8")]
    stated = {
        line
        for path in named
        for line in path.read_text().splitlines()
        if line.startswith("#EXT-X-TARGETDURATION")
    }
    assert len(stated) == 1
    assert read_movie(made["hls/audio.mp4"].path).duration > 3.9
