"""The step ``clean``: the film itself, without anything that is said about it.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from .base import StepModel


class Clean(StepModel):
    """Video and sound as they are, without metadata, place, chapters, data and attachments."""

    yields: ClassVar[bool] = True

    remove_sei: bool = Field(
        default=False,
        description="Also remove what is written between the pictures of H.264, HEVC, AV1 and "
        "MPEG-2: encoder settings, timecodes, data of the camera, and closed captions with them.",
    )
