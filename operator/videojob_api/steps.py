"""The kinds of step: one model each, and the union that a VideoJob's ``steps`` are made of.

Pure. A new kind of step starts with a model here; the worker's file of the same name does it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator, model_validator

from .base import Model, Name


class Packaging(StrEnum):
    """What a transcode publishes."""

    MP4 = "MP4"
    HLS = "HLS"


class X264Preset(StrEnum):
    """Speed against size; x264's own names."""

    ULTRAFAST = "ultrafast"
    SUPERFAST = "superfast"
    VERYFAST = "veryfast"
    FASTER = "faster"
    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"


class AudioFormat(StrEnum):
    """What extractAudio publishes."""

    AAC = "AAC"
    COPY = "Copy"


class Rendition(Model):
    """One size of the video in the ladder."""

    height: Annotated[int, Field(ge=64, le=4320)] = Field(
        description="Short side in pixels (so that 720 means 720p in portrait too). Never upscaled: "
        "a rendition larger than the source is left out, and if none is left one is made at the "
        "source's size."
    )
    crf: Annotated[int, Field(ge=0, le=51)] = Field(
        default=23, description="Constant rate factor of x264: lower is better and larger."
    )


class Transcode(Model):
    """Encode the video to H.264 and the audio to AAC, in one or more sizes."""

    packaging: Packaging = Field(
        default=Packaging.MP4,
        description="MP4: one faststart file for each rendition. HLS: one fragmented MP4 for each "
        "rendition and one for the audio, with playlists over their byte ranges.",
    )
    renditions: Annotated[list[Rendition], Field(min_length=1, max_length=8)] = Field(
        description="The sizes to make; each height once.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["height"],
        },
    )
    preset: X264Preset = Field(default=X264Preset.VERYFAST, description="x264's speed preset.")
    segment_seconds: Annotated[int, Field(ge=1, le=30)] = Field(
        default=4, description="Length of a segment (HLS), and of a group of pictures at most."
    )
    audio_bitrate_kbps: Annotated[int, Field(ge=32, le=512)] = Field(
        default=128, description="Bitrate of the AAC audio."
    )

    @field_validator("renditions")
    @classmethod
    def _heights_differ(cls, renditions: list[Rendition]) -> list[Rendition]:
        heights = [rendition.height for rendition in renditions]
        if len(set(heights)) != len(heights):
            raise ValueError("two renditions have the same height; name each height once")
        return renditions


class Thumbnails(Model):
    """Still pictures at even distances, and a contact sheet of them."""

    count: Annotated[int, Field(ge=1, le=500)] | None = Field(
        default=None, description="How many pictures, spread evenly over the film."
    )
    interval_seconds: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        default=None, description="One picture every so many seconds (at most 500)."
    )
    width: Annotated[int, Field(ge=32, le=3840)] = Field(
        default=320, description="Width of a picture in pixels; the height follows the aspect."
    )
    contact_sheet: bool = Field(
        default=False, description="Also publish all pictures on one sheet, contact-sheet.jpg."
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.count) != has(self.intervalSeconds)",
                    "message": "thumbnails needs exactly one of count and intervalSeconds, "
                    "for example count: 6",
                }
            ]
        }
    )

    @model_validator(mode="after")
    def _one_way_to_count(self) -> Thumbnails:
        if (self.count is None) == (self.interval_seconds is None):
            raise ValueError("thumbnails needs exactly one of count and intervalSeconds")
        return self


class ExtractAudio(Model):
    """The sound track as a file of its own."""

    format: AudioFormat = Field(
        default=AudioFormat.AAC,
        description="AAC encodes to an .m4a; Copy keeps the stream as it is, in a container for it.",
    )
    bitrate_kbps: Annotated[int, Field(ge=32, le=512)] = Field(
        default=128, description="Bitrate when encoding."
    )


STEP_KINDS = ("transcode", "thumbnails", "extractAudio")
"""The keys of the union, as written in a manifest."""

VIDEO_YIELDING_KINDS = ("transcode",)
"""Kinds whose result another step can be ``from``."""

_ONE_KIND = "+".join(f"(has(self.{kind}) ? 1 : 0)" for kind in STEP_KINDS)


class Step(Model):
    """One thing to make of every input: a name and exactly one kind."""

    name: Annotated[Name, Field(max_length=32)] = Field(
        description="Unique in the job; the folder of its results."
    )
    from_: Annotated[Name, Field(max_length=32)] | None = Field(
        default=None,
        alias="from",
        description="Name of an earlier step whose video this one takes (a transcode passes on its "
        "largest rendition, before encoding); without it, the input itself.",
    )
    transcode: Transcode | None = None
    thumbnails: Thumbnails | None = None
    extract_audio: ExtractAudio | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"{_ONE_KIND} == 1",
                    "message": "a step has a name and exactly one kind: "
                    + ", ".join(STEP_KINDS[:-1])
                    + f" or {STEP_KINDS[-1]}; split two kinds into two steps",
                }
            ]
        }
    )

    @property
    def spec(self) -> Transcode | Thumbnails | ExtractAudio:
        """The one kind that is set."""
        kind = self.transcode or self.thumbnails or self.extract_audio
        if kind is None:
            raise ValueError(f"step {self.name!r} has no kind")
        return kind

    @property
    def yields_video(self) -> bool:
        """Whether another step can be ``from`` this one."""
        return self.transcode is not None

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Step:
        kinds = [k for k in (self.transcode, self.thumbnails, self.extract_audio) if k is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"step {self.name!r} has {len(kinds)} kinds; it needs exactly one of "
                + ", ".join(STEP_KINDS)
            )
        return self


def check_steps(steps: list[Step]) -> list[Step]:
    """The rules that cross steps, as the CRD's CEL states them, where no API server checks them.

    Raises:
        ValueError: for a repeated name, or a ``from`` that names no earlier video-yielding step.
    """
    earlier: dict[str, Step] = {}
    for step in steps:
        if step.name in earlier:
            raise ValueError(f"two steps are called {step.name!r}; give each its own name")
        if step.from_ is not None and (
            step.from_ not in earlier or not earlier[step.from_].yields_video
        ):
            raise ValueError(
                f"step {step.name!r} is from {step.from_!r}, which is no earlier step that yields "
                "video; name a transcode above it, or leave `from` out to use the input"
            )
        earlier[step.name] = step
    return steps
