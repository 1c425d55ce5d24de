"""What the worker makes of files, good and bad, with a real sandboxed ffprobe."""

from __future__ import annotations

import resource
import shutil
import struct
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from assets import (
    BOMB,
    COVERED,
    DISGUISED,
    FILMS,
    GAP,
    INTERLACED,
    LANGUAGES,
    PLAIN,
    SILENT,
    SMALL,
    SOUND_MP3,
    SOUND_ONLY,
    STRANGE,
    STREAMED,
    Clip,
    Clips,
)

from videojob_api.steps import Step
from videojob_api.videojob import Limits
from videojob_worker.errors import Rejected
from videojob_worker.ffmpeg import Tools
from videojob_worker.media import MediaInfo, Size
from videojob_worker.probe import probe
from videojob_worker.scratch import Scratch
from videojob_worker.validate import validate

pytestmark = pytest.mark.ffmpeg

TRANSCODE = {"name": "web", "transcode": {"renditions": [{"height": 360}]}}
AUDIO = {"name": "audio", "extractAudio": {}}


def look(path: Path, scratch: Scratch, tools: Tools, limits: Limits | None = None) -> MediaInfo:
    shutil.copy(path, scratch.source)
    return probe(scratch.source, tools, limits or Limits())


def refusal(
    path: Path,
    scratch: Scratch,
    tools: Tools,
    *steps: dict[str, Any],
    limits: Limits | None = None,
) -> Rejected:
    wanted = [Step.model_validate(step) for step in steps or (TRANSCODE,)]

    def accept() -> None:
        validate(look(path, scratch, tools, limits), limits or Limits(), wanted)

    with pytest.raises(Rejected) as caught:
        accept()
    return caught.value


@pytest.mark.parametrize("clip", FILMS, ids=lambda clip: clip.name)
def test_films_are_described_as_they_were_made(
    clip: Clip, clips: Clips, scratch: Scratch, tools: Tools
) -> None:
    media = look(clips.path(clip), scratch, tools)
    assert media.video is not None
    assert media.video.shown == Size(clip.width or 0, clip.height or 0)
    assert float(media.duration) == pytest.approx(clip.seconds, abs=0.15)
    assert tuple(track.channels for track in media.audio) == clip.channels
    assert media.video.variable is clip.variable
    assert media.video.frames in (None, clip.frames)
    assert media.video.interlaced is (clip is INTERLACED)
    validate(media, Limits(), [Step.model_validate(TRANSCODE)])


def test_rotation_makes_it_portrait(clips: Clips, scratch: Scratch, tools: Tools) -> None:
    media = look(clips.portrait(), scratch, tools)
    assert media.video is not None
    assert media.video.shown == Size(180, 320)


def test_length_is_measured_where_the_header_is_silent(
    clips: Clips, scratch: Scratch, tools: Tools
) -> None:
    media = look(clips.path(STREAMED), scratch, tools)
    assert media.duration == pytest.approx(Fraction(2), abs=0.1)


def test_the_default_track_and_languages_are_known(
    clips: Clips, scratch: Scratch, tools: Tools
) -> None:
    media = look(clips.path(LANGUAGES), scratch, tools)
    assert [(t.language, t.is_default) for t in media.audio] == [("eng", False), ("deu", True)]


@pytest.mark.parametrize("clip", [SOUND_ONLY, SOUND_MP3, COVERED], ids=lambda clip: clip.name)
def test_sound_alone_is_fine_until_a_step_needs_video(
    clip: Clip, clips: Clips, scratch: Scratch, tools: Tools
) -> None:
    media = look(clips.path(clip), scratch, tools)
    validate(media, Limits(), [Step.model_validate(AUDIO)])
    assert media.video is None
    assert media.facts().audio_codec in ("aac", "mp3")
    refused = refusal(clips.path(clip), scratch, tools, AUDIO, TRANSCODE)
    assert refused.reason == "NoVideoStream"
    assert "'web'" in str(refused)


def test_no_sound_where_a_step_needs_it(clips: Clips, scratch: Scratch, tools: Tools) -> None:
    assert refusal(clips.path(SILENT), scratch, tools, AUDIO).reason == "NoAudioStream"


@pytest.mark.parametrize("what", DISGUISED)
def test_what_is_no_film_is_refused_by_its_content(
    what: str, clips: Clips, scratch: Scratch, tools: Tools
) -> None:
    refused = refusal(clips.write(f"{what}.mp4", DISGUISED[what]), scratch, tools)
    assert refused.reason == "UnsupportedFormat"
    assert "MP4" in str(refused)
    if what != "noise":
        assert what.lower() in str(refused).lower()


def test_dolby_vision_that_nobody_else_can_show(
    clips: Clips, scratch: Scratch, tools: Tools
) -> None:
    """Profile 5 has colours of its own below; 8.1 is HDR10 for whoever does not know better."""
    film = clips.path(SMALL).read_bytes()
    alone = clips.write("alone.mp4", with_dolby_vision(film, profile=5, compatible_with=0))
    assert refusal(alone, scratch, tools).reason == "UnsupportedCodec"
    both = look(
        clips.write("both.mp4", with_dolby_vision(film, profile=8, compatible_with=1)),
        scratch,
        tools,
    )
    validate(both, Limits(), [Step.model_validate(TRANSCODE)])


def with_dolby_vision(film: bytes, profile: int, compatible_with: int) -> bytes:
    """An MP4 with its index at the end, whose first track says to be Dolby Vision."""
    level, layers = 3, 0b101
    said = struct.pack(">BBHB19x", 1, 0, profile << 9 | level << 3 | layers, compatible_with << 4)
    box = struct.pack(">I4s", 8 + len(said), b"dvcC" if profile < 8 else b"dvvC") + said
    wanted = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
    grown, place, headers = bytearray(film), 0, {b"stsd": 16}
    for name in wanted:
        while grown[place + 4 : place + 8] != name:
            place += int.from_bytes(grown[place : place + 4])
        size = int.from_bytes(grown[place : place + 4])
        grown[place : place + 4] = (size + len(box)).to_bytes(4)
        end, place = place + size, place + headers.get(name, 8)
    grown[end:end] = box
    return bytes(grown)


def test_an_empty_file(clips: Clips, scratch: Scratch, tools: Tools) -> None:
    assert refusal(clips.write("empty.mp4", b""), scratch, tools).reason == "Empty"


@pytest.mark.parametrize(("clip", "share"), [(SMALL, 0.6), (PLAIN, 0.5), (LANGUAGES, 0.5)])
def test_a_cut_file_is_found_by_its_sizes(
    clip: Clip, share: float, clips: Clips, scratch: Scratch, tools: Tools
) -> None:
    """SMALL has its index at the end (and so none), PLAIN in front; LANGUAGES is Matroska."""
    refused = refusal(clips.cut(clip, share), scratch, tools)
    assert refused.reason == "Truncated"
    assert "upload it again" in str(refused)


def test_a_film_without_samples(clips: Clips, scratch: Scratch, tools: Tools) -> None:
    assert refusal(clips.without_samples(), scratch, tools).reason == "ZeroDuration"


def test_an_encrypted_film(clips: Clips, scratch: Scratch, tools: Tools) -> None:
    assert refusal(clips.encrypted(), scratch, tools).reason == "Encrypted"


def test_a_film_longer_than_the_limit(clips: Clips, scratch: Scratch, tools: Tools) -> None:
    limits = Limits(max_duration_seconds=2)
    assert refusal(clips.path(SMALL), scratch, tools, limits=limits).reason == "TooLong"
    assert refusal(clips.path(GAP), scratch, tools).reason == "TooLong"


def test_a_codec_that_is_not_accepted(clips: Clips, scratch: Scratch, tools: Tools) -> None:
    assert refusal(clips.path(STRANGE), scratch, tools).reason == "UnsupportedCodec"


def test_a_bomb_is_refused_in_seconds_and_little_memory(
    clips: Clips, scratch: Scratch, tools: Tools
) -> None:
    path, used = clips.path(BOMB), []
    run = tools.run

    def watched(*args: Any, **keywords: Any) -> Any:
        completed = run(*args, **keywords)
        used.append(completed.max_rss_bytes)
        return completed

    tools.run = watched  # type: ignore[method-assign]
    began = time.monotonic()
    refused = refusal(path, scratch, tools)
    assert refused.reason == "TooManyPixels"
    assert "15360x15360" in str(refused)
    assert time.monotonic() - began < 5
    # A child's peak counts the moment between fork and exec too, in which it is as large as we are.
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert max(used) <= max(200 << 20, ours)
