"""The step ``extractAudio``: the sound track as a file.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .base import StepModel


class AudioFormat(StrEnum):
    """What extractAudio publishes."""

    AAC = "AAC"
    COPY = "Copy"


class ExtractAudio(StepModel):
    """The sound track as a file of its own."""

    format: AudioFormat = Field(
        default=AudioFormat.AAC,
        description="AAC encodes to an .m4a; Copy keeps the stream as it is, in a container for it.",
    )
    bitrate_kbps: Annotated[int, Field(ge=32, le=512)] = Field(
        default=128, description="Bitrate when encoding."
    )
