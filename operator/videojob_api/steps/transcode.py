"""The step ``transcode``: the video in one or more sizes, for players.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from ..base import Model, Name
from .base import StepModel
from .loudness import Loudness


class Packaging(StrEnum):
    """What a transcode publishes."""

    MP4 = "MP4"
    CMAF = "CMAF"
    HLS = "HLS"
    DASH = "DASH"


class X264Preset(StrEnum):
    """Speed against size; x264's own names."""

    ULTRAFAST = "ultrafast"
    SUPERFAST = "superfast"
    VERYFAST = "veryfast"
    FASTER = "faster"
    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"


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


class Transcode(StepModel):
    """Encode the video to H.264 and the audio to AAC, in one or more sizes."""

    yields: ClassVar[bool] = True
    renders: ClassVar[bool] = True

    packaging: Packaging = Field(
        default=Packaging.MP4,
        description="MP4: one faststart file for each rendition, with the audio in it. CMAF, HLS, "
        "DASH: one fragmented MP4 for each rendition and one for each audio track, for streaming; "
        "HLS with master.m3u8, DASH with manifest.mpd, CMAF with both over the same bytes.",
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
        default=4,
        description="Length of a segment (CMAF, HLS, DASH), and of a group of pictures at most.",
    )
    audio_bitrate_kbps: Annotated[int, Field(ge=32, le=512)] = Field(
        default=128, description="Bitrate of the AAC audio."
    )

    loudness: Loudness | None = Field(
        default=None,
        description="Bring every sound track to a loudness (EBU R128); costs a pass over the sound.",
    )

    subtitles_from: Annotated[Name, Field(max_length=32)] | None = Field(
        default=None,
        description="Name of an earlier transcribe step, with VTT among its formats, whose words become "
        "the subtitles.",
    )

    @property
    def subtitles_of(self) -> str | None:
        """The transcribe step."""
        return self.subtitles_from

    @field_validator("renditions")
    @classmethod
    def _heights_differ(cls, renditions: list[Rendition]) -> list[Rendition]:
        heights = [rendition.height for rendition in renditions]
        if len(set(heights)) != len(heights):
            raise ValueError("two renditions have the same height; name each height once")
        return renditions
