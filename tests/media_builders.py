"""Films for the pure tests of the media half, written like a description of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from videojob_api.steps import Step
from videojob_worker.budget import Budget
from videojob_worker.media import AudioStream, MediaInfo, Size, VideoStream
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
