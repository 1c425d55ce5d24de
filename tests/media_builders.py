"""Films for the pure tests of the media half, written like a description of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from videojob_api.steps import Step
from videojob_worker.boxes import Fragment, Movie, Track
from videojob_worker.budget import Budget
from videojob_worker.media import AudioStream, MediaInfo, Size, VideoStream
from videojob_worker.nodes import Level
from videojob_worker.packaging.package import Rendition, Sound, Subtitles
from videojob_worker.packaging.segments import build_audio_segments, build_video_segments
from videojob_worker.plan import Pass, Plan, build_plan
from videojob_worker.scratch import Scratch

SCRATCH = Scratch(Path("/s"))
BUDGET = Budget(threads=2, memory_bytes=None, scratch_bytes=None)

VIDEO = VideoStream(
    index=0,
    codec="h264",
    coded=Size(1920, 1080),
    rotation=0,
    pixel_aspect=Fraction(1),
    pixel_format="yuv420p",
    frame_rate=Fraction(25),
    start=Fraction(0),
    duration=Fraction(60),
    frames=1500,
    variable=False,
    interlaced=False,
    full_range=False,
    transfer=None,
    keyframe_seconds=Fraction(10),
    matrix="bt709",
)
AUDIO = AudioStream(
    index=1,
    codec="aac",
    channels=2,
    sample_rate=48000,
    language=None,
    title=None,
    is_default=True,
    duration=Fraction(60),
)


def a_video(**changes: Any) -> VideoStream:
    """1080p25 H.264 of one minute, changed."""
    return replace(VIDEO, **changes)


def an_audio(**changes: Any) -> AudioStream:
    """Stereo AAC, changed."""
    return replace(AUDIO, **changes)


def a_film(**changes: Any) -> MediaInfo:
    """An MP4 of the two, changed."""
    film = MediaInfo(
        format_name="mov,mp4,m4a,3gp,3g2,mj2",
        brand="isom",
        size_bytes=1000,
        start=Fraction(0),
        duration=Fraction(60),
        video=VIDEO,
        audio=(AUDIO,),
        stream_count=2,
        encrypted=False,
    )
    return replace(film, **changes)


def a_step(name: str, **spec: Any) -> Step:
    """A step as a manifest has it."""
    return Step.model_validate({"name": name, **spec})


def mp4(name: str, *heights: int, **spec: Any) -> Step:
    """A transcode to MP4."""
    return a_step(name, transcode={"renditions": [{"height": h} for h in heights], **spec})


def hls(name: str, *heights: int) -> Step:
    """A transcode to HLS."""
    return mp4(name, *heights, packaging="HLS")


def planned(*steps: Step, film: MediaInfo | None = None, budget: Budget = BUDGET) -> Plan:
    """The plan of some steps for a film."""
    return build_plan(steps, film or a_film(), SCRATCH, budget)


def the_pass(*steps: Step, film: MediaInfo | None = None) -> Pass:
    """The one pass of such a plan."""
    (stage,) = planned(*steps, film=film).passes
    return stage


def option(argv: tuple[str, ...], name: str) -> list[str]:
    """Every value that an option has in a command."""
    return [value for key, value in pairwise(argv) if key == name]


VIDEO_TRACK = Track(1, "vide", 1000, "avc1.64001f", 1280, 720, 200, Fraction(8))
SOUND_TRACK = Track(1, "soun", 1000, "mp4a.40.2", 0, 0, 375, Fraction(8), sample_rate=48000)


def a_movie(track: Track, *durations: int, key: bool = True, size: int = 1000) -> Movie:
    """A file of fragments of so many milliseconds."""
    fragments, time, offset = [], 0, 800
    for duration in durations:
        fragments.append(Fragment(offset, size, 1, time, duration, 1, key, 300))
        time, offset = time + duration, offset + size
    return Movie((track,), tuple(fragments), 800, Fraction(0))


def a_rendition(name: str, *durations: int, size: int = 1000, indexed: bool = False) -> Rendition:
    """720p25 H.264, cut where its fragments begin."""
    segments = build_video_segments(a_movie(VIDEO_TRACK, *durations, size=size), 4)
    return Rendition(name, VIDEO_TRACK, 800, (800, 900) if indexed else None, segments)


def a_sound(
    name: str,
    *durations: int,
    language: str | None = None,
    title: str | None = None,
    channels: int = 2,
    indexed: bool = False,
) -> Sound:
    """AAC in segments of four seconds; the default one if it is called audio."""
    segments = build_audio_segments(a_movie(SOUND_TRACK, *durations), [Fraction(0)], 4)
    media = (name, SOUND_TRACK, 800, (800, 900) if indexed else None, segments)
    return Sound(*media, language, title, channels, is_default=name == "audio")


def subtitles(language: str) -> Subtitles:
    """A hundred bytes of text in a language."""
    return Subtitles(f"subtitles-{language}.vtt", language, size=100)


def heard(plan: Plan, *levels: Level) -> Plan:
    """The plan once each time that it listened, it heard the next of these at every meter."""
    for level in levels:
        if plan.measure is not None:
            plan = plan.measure.again({meter.parents[0]: level for meter in plan.measure.meters})
    return plan
