"""The step ``transcode``: the video in one or more sizes, for players.

Pure. The worker's file of the same name does it. How each rendition is encoded is in ``encoding``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, field_validator, model_validator

from ..base import Model, Name, ObjectKey, check_inside
from .base import StepModel
from .encoding import (
    Settled,
    VideoCodec,
    VideoSettings,
    build_rules,
    build_settled_rules,
    settle,
)
from .loudness import Loudness


class Packaging(StrEnum):
    """What a transcode publishes."""

    MP4 = "MP4"
    CMAF = "CMAF"
    HLS = "HLS"
    DASH = "DASH"


class Rendition(VideoSettings):
    """One size of the video in the ladder."""

    height: Annotated[int, Field(ge=64, le=4320)] = Field(
        description="Short side in pixels (so that 720 means 720p in portrait too). Never upscaled: "
        "a rendition larger than the source is left out, and if none is left one is made at the "
        "source's size."
    )


class Tracks(StrEnum):
    """Which sound tracks a transcode takes."""

    DEFAULT = "Default"
    ALL = "All"
    NONE = "None"


_CHANNELS = (1, 2, 6, 8)
_CHANNELS_MESSAGE = "audio.channels is 1, 2, 6 (5.1) or 8 (7.1)"


class Audio(Model):
    """The sound of a transcode."""

    bitrate_kbps: Annotated[int, Field(ge=32, le=1024)] = Field(
        default=128, description="Bitrate of the AAC audio, for each track."
    )
    channels: Annotated[int, Field(ge=1, le=8)] = Field(
        default=2,
        description="Most channels: 1, 2, 6 (5.1) or 8 (7.1). A track with more is mixed down; none "
        "are added.",
    )
    tracks: Tracks | None = Field(
        default=None,
        description="All tracks with their languages, the Default one, or None. By default all for "
        "segments (CMAF, HLS, DASH), where a player chooses, and the default one in an MP4.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": f"self.channels in {list(_CHANNELS)}", "message": _CHANNELS_MESSAGE}
            ]
        }
    )

    @field_validator("channels")
    @classmethod
    def _is_a_layout(cls, channels: int) -> int:
        if channels not in _CHANNELS:
            raise ValueError(f"{_CHANNELS_MESSAGE}, and not {channels}")
        return channels


class Trim(Model):
    """A stretch of the film, to the frame."""

    start_seconds: Annotated[float, Field(ge=0, le=604_800)] = Field(
        default=0, description="Where it begins: the first frame at or after this time."
    )
    end_seconds: Annotated[float, Field(ge=0.001, le=604_800)] | None = Field(
        default=None,
        description="Where it ends: before the first frame at or after this time; by default with "
        "the film.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.endSeconds) || self.endSeconds > self.startSeconds",
                    "message": "trim.endSeconds must be greater than trim.startSeconds",
                }
            ]
        }
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Trim:
        if self.end_seconds is not None and self.end_seconds <= self.start_seconds:
            raise ValueError(
                f"trim ends at {self.end_seconds:g} s and begins at {self.start_seconds:g} s; it "
                "must end later"
            )
        return self


class Position(StrEnum):
    """Where a watermark is."""

    TOP_LEFT = "TopLeft"
    TOP_RIGHT = "TopRight"
    BOTTOM_LEFT = "BottomLeft"
    BOTTOM_RIGHT = "BottomRight"
    CENTER = "Center"


class Watermark(Model):
    """A picture laid over the video."""

    key: ObjectKey = Field(
        description="Key of a PNG, JPEG or WebP image in the store that the inputs are in."
    )
    position: Position = Field(
        default=Position.BOTTOM_RIGHT, description="Which corner, or Center."
    )
    width_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=15, description="Its width, of the video's; the height follows its shape."
    )
    margin_percent: Annotated[int, Field(ge=0, le=49)] = Field(
        default=3, description="Its distance from the edges, of the video's short side."
    )
    opacity: Annotated[float, Field(ge=0.01, le=1)] = Field(
        default=1, description="1 is as opaque as the image itself is."
    )

    @field_validator("key")
    @classmethod
    def _stays_inside(cls, key: str) -> str:
        return check_inside(key)

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!self.key.contains('../')",
                    "message": "watermark.key can't leave the store's prefix: write it without ../",
                }
            ]
        }
    )


class Subtitles(StrEnum):
    """What becomes of the subtitles that a film has."""

    DROP = "Drop"
    KEEP = "Keep"


class Remux(StrEnum):
    """Whether video may be taken over without encoding it."""

    NEVER = "Never"
    WHEN_POSSIBLE = "WhenPossible"


_OWN_CODEC = "(has(s.codec) ? s.codec : self.codec)"


class Transcode(VideoSettings, StepModel):
    """Encode the video to H.264, HEVC or AV1 and the audio to AAC, in one or more sizes."""

    yields: ClassVar[bool] = True
    renders: ClassVar[bool] = True

    codec: VideoCodec = Field(
        default=VideoCodec.H264,
        description="H264 plays everywhere; HEVC and AV1 are smaller and take longer. A rendition "
        "may have another; it then takes that codec's defaults instead of this step's settings.",
    )
    packaging: Packaging = Field(
        default=Packaging.MP4,
        description="MP4: one faststart file for each rendition, with the audio in it. CMAF, HLS, "
        "DASH: one fragmented MP4 for each rendition and one for each audio track, for streaming; "
        "HLS with master.m3u8, DASH with manifest.mpd, CMAF with both over the same bytes.",
    )
    renditions: Annotated[list[Rendition], Field(min_length=1, max_length=8)] = Field(
        description="The sizes to make; each height once for each codec.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    segment_seconds: Annotated[int, Field(ge=1, le=30)] = Field(
        default=4,
        description="Length of a segment (CMAF, HLS, DASH), and of a group of pictures at most.",
    )
    gop_seconds: Annotated[int, Field(ge=1, le=30)] | None = Field(
        default=None,
        description="Length of a group of pictures, which begins with a key frame; by default that "
        "of a segment, of which it must be a whole fraction.",
    )
    audio: Audio = Field(default=Audio(), description="The sound, as AAC.")
    trim: Trim | None = Field(default=None, description="Take a stretch of the film only.")
    watermark: Watermark | None = Field(
        default=None, description="Lay an image over the video, in every rendition."
    )
    subtitles: Subtitles = Field(
        default=Subtitles.DROP,
        description="Keep the film's text subtitles, as tracks of an MP4; for segments, as WebVTT "
        "files that their manifests name. Subtitles that are pictures are left out with a warning.",
    )
    remux: Remux = Field(
        default=Remux.NEVER,
        description="WhenPossible: where a rendition of an MP4 is to have the codec, size, bit depth "
        "and no more than the bitrate that the film has, its video is taken over as it is. Key "
        "frames and quality are then the film's.",
    )

    loudness: Loudness | None = Field(
        default=None,
        description="Bring every sound track to a loudness (EBU R128); costs a pass over the sound.",
    )

    subtitles_from: Annotated[Name, Field(max_length=32)] | None = Field(
        default=None,
        description="Name of an earlier transcribe step, with VTT among its formats, whose words become "
        "the subtitles; of a trimmed film, those that are said in the stretch.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.renditions.all(s, self.renditions.exists_one(t, "
                    "t.height == s.height && (has(t.codec) ? t.codec : self.codec) == "
                    f"{_OWN_CODEC}))",
                    "message": "two renditions have the same height and codec; name each once",
                    "fieldPath": ".renditions",
                },
                {
                    "rule": "!has(self.gopSeconds) || self.segmentSeconds % self.gopSeconds == 0",
                    "message": "segmentSeconds must be a multiple of gopSeconds, so that every "
                    "segment begins with a key frame",
                },
                *build_rules("[self].all(s, %s)", "s.codec"),
                *build_rules("self.renditions.all(s, %s)", _OWN_CODEC),
                *build_settled_rules("self.renditions.all(s, %s)", _OWN_CODEC),
            ]
        }
    )

    @property
    def gains_from_gpu(self) -> bool:
        """Most GPUs encode."""
        return True

    @property
    def subtitles_of(self) -> str | None:
        """The transcribe step."""
        return self.subtitles_from

    @property
    def assets(self) -> tuple[str, ...]:
        """The watermark's image."""
        return (self.watermark.key,) if self.watermark else ()

    def settled(self, rendition: Rendition) -> Settled:
        """How a rendition is encoded."""
        return settle(self, rendition)

    @model_validator(mode="after")
    def _fits_together(self) -> Transcode:
        made = [(rendition.height, self.settled(rendition).codec) for rendition in self.renditions]
        if len(set(made)) != len(made):
            raise ValueError("two renditions have the same height and codec; name each once")
        if self.gop_seconds is not None and self.segment_seconds % self.gop_seconds:
            raise ValueError(
                f"segmentSeconds ({self.segment_seconds}) must be a multiple of gopSeconds "
                f"({self.gop_seconds}), so that every segment begins with a key frame"
            )
        return self
