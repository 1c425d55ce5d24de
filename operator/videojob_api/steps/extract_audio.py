"""The step ``extractAudio``: a sound track as a file.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from .base import StepModel
from .loudness import Loudness


class AudioFormat(StrEnum):
    """What extractAudio publishes."""

    AAC = "AAC"
    MP3 = "MP3"
    OPUS = "OPUS"
    FLAC = "FLAC"
    WAV = "WAV"
    COPY = "Copy"


_LOW_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_BITRATES_KBPS = {
    AudioFormat.AAC: (32, 512),
    AudioFormat.MP3: (32, 320),
    AudioFormat.OPUS: (6, 512),
}
"""The least and the most of each format that has a bitrate."""
_SAMPLE_RATES_HZ = {
    AudioFormat.AAC: (*_LOW_RATES, 96000),
    AudioFormat.MP3: _LOW_RATES,
    AudioFormat.OPUS: (8000, 12000, 16000, 24000, 48000),
    AudioFormat.FLAC: (*_LOW_RATES, 96000, 192000),
    AudioFormat.WAV: (*_LOW_RATES, 96000, 192000),
}
_SURROUND = (1, 2, 6, 8)
_CHANNELS = {
    AudioFormat.AAC: _SURROUND,
    AudioFormat.MP3: (1, 2),
    AudioFormat.OPUS: _SURROUND,
    AudioFormat.FLAC: _SURROUND,
    AudioFormat.WAV: _SURROUND,
}
_BITRATE_MESSAGE = (
    "bitrateKbps is "
    + ", ".join(f"{low} to {high} for {form}" for form, (low, high) in _BITRATES_KBPS.items())
    + "; FLAC, WAV and Copy have none: leave it out"
)
_SAMPLE_RATE_MESSAGE = (
    "sampleRateHz is 8000, 12000, 16000, 24000 or 48000; not for OPUS 11025, 22050, 32000, 44100; "
    "for AAC, FLAC, WAV 96000; for FLAC, WAV 192000; Copy keeps the track's own: leave it out"
)
_CHANNELS_MESSAGE = (
    "channels is 1, 2, 6 (5.1) or 8 (7.1), at most 2 for MP3; Copy keeps the track's own"
)
_LOUDNESS_MESSAGE = "a copy is as loud as it is; choose another format to set its loudness"
_CHOICE_MESSAGE = "name a track by its number (track) or by its language, not by both"


def _one_of(field: str, choices: dict[AudioFormat, tuple[int, ...]]) -> str:
    cases = (f"(self.format == '{f}' && self.{field} in {list(c)})" for f, c in choices.items())
    return f"!has(self.{field}) || " + " || ".join(cases)


_BITRATE_RULE = "!has(self.bitrateKbps) || " + " || ".join(
    f"(self.format == '{form}' && self.bitrateKbps >= {low} && self.bitrateKbps <= {high})"
    for form, (low, high) in _BITRATES_KBPS.items()
)


class ExtractAudio(StepModel):
    """A sound track as a file of its own, without metadata."""

    format: AudioFormat = Field(
        default=AudioFormat.AAC,
        description="AAC (.m4a), MP3, OPUS, FLAC and WAV encode, the last two without loss; Copy "
        "keeps the stream as it is, in a container for it.",
    )
    bitrate_kbps: Annotated[int, Field(ge=6, le=512)] | None = Field(
        default=None,
        description="Of AAC (32 to 512, 128 if left out), MP3 (32 to 320, 192) and OPUS (6 to 512, "
        "96); three times as much for 5.1 and 7.1 if left out.",
    )
    sample_rate_hz: Annotated[int, Field(ge=8000, le=192000)] | None = Field(
        default=None,
        description="If left out, the track's own, or the next one that the format knows; at most "
        "48000 where that loses nothing that is heard (AAC, MP3, OPUS).",
    )
    channels: Annotated[int, Field(ge=1, le=8)] | None = Field(
        default=None,
        description="1, 2, 6 (5.1) or 8 (7.1). More are mixed down; mono is doubled for 2, and none "
        "are added otherwise. If left out, the track's own, mixed down to 2.",
    )
    track: Annotated[int, Field(ge=0, le=63)] | None = Field(
        default=None,
        description="Which sound track, counted from 0. Without it and without language, the one "
        "that a player would play.",
    )
    language: (
        Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None
    ) = Field(default=None, description="The first track in this language, such as en or deu.")

    loudness: Loudness | None = Field(
        default=None, description="Bring it to a loudness (EBU R128); costs a pass over the sound."
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": _BITRATE_RULE, "message": _BITRATE_MESSAGE},
                {
                    "rule": _one_of("sampleRateHz", _SAMPLE_RATES_HZ),
                    "message": _SAMPLE_RATE_MESSAGE,
                },
                {"rule": _one_of("channels", _CHANNELS), "message": _CHANNELS_MESSAGE},
                {
                    "rule": "!has(self.loudness) || self.format != 'Copy'",
                    "message": _LOUDNESS_MESSAGE,
                },
                {"rule": "!has(self.track) || !has(self.language)", "message": _CHOICE_MESSAGE},
            ]
        }
    )

    @model_validator(mode="after")
    def _fits_its_format(self) -> ExtractAudio:
        low, high = _BITRATES_KBPS.get(self.format, (0, -1))
        if self.bitrate_kbps is not None and not low <= self.bitrate_kbps <= high:
            raise ValueError(_BITRATE_MESSAGE)
        rates = (None, *_SAMPLE_RATES_HZ.get(self.format, ()))
        if self.sample_rate_hz not in rates:
            raise ValueError(_SAMPLE_RATE_MESSAGE)
        if self.channels not in (None, *_CHANNELS.get(self.format, ())):
            raise ValueError(_CHANNELS_MESSAGE)
        if self.loudness is not None and self.format is AudioFormat.COPY:
            raise ValueError(_LOUDNESS_MESSAGE)
        if self.track is not None and self.language is not None:
            raise ValueError(_CHOICE_MESSAGE)
        return self
