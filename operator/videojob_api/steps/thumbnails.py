"""The step ``thumbnails``: still pictures of the film.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from ..base import Model
from .base import StepModel


class PictureFormat(StrEnum):
    """How pictures are stored."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"


class Sprites(Model):
    """Pictures side by side on sheets, and a WebVTT track that tells players which is when."""

    columns: Annotated[int, Field(ge=1, le=20)] = Field(
        default=5, description="Pictures in a row of a sheet."
    )
    rows: Annotated[int, Field(ge=1, le=20)] = Field(
        default=5,
        description="Rows of a sheet at most; fewer where a sheet would become larger than 4096 "
        "pixels high. Further pictures go onto further sheets.",
    )


class Thumbnails(StepModel):
    """Still pictures: at even distances or at given times, with a contact sheet or a sprite track."""

    count: Annotated[int, Field(ge=1, le=500)] | None = Field(
        default=None, description="How many pictures, spread evenly over the film."
    )
    interval_seconds: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        default=None, description="One picture every so many seconds (at most 500)."
    )
    times: (
        Annotated[
            list[Annotated[float, Field(ge=0, le=604800)]], Field(min_length=1, max_length=100)
        ]
        | None
    ) = Field(
        default=None,
        description="Seconds from the beginning: exactly the frames that are shown then (to the "
        "millisecond), where count and intervalSeconds choose the best frame near by. In order of "
        "time, each once.",
    )
    width: Annotated[int, Field(ge=32, le=3840)] = Field(
        default=320, description="Width of a picture in pixels; the height follows the aspect."
    )
    format: PictureFormat = Field(
        default=PictureFormat.JPEG, description="Format of pictures and sheets."
    )
    quality: Annotated[int, Field(ge=1, le=100)] = Field(
        default=88, description="Quality of JPEG and WebP; PNG loses nothing at any."
    )
    separate: bool = Field(
        default=True,
        description="Publish each picture as a file, 0001.jpg and so on; false where the sheets are "
        "enough.",
    )
    contact_sheet: bool = Field(
        default=False,
        description="Also publish all pictures on one sheet, contact-sheet.jpg, with their times.",
    )
    sprites: Sprites | None = Field(
        default=None,
        description="Also publish sheets of the pictures, sprite-001.jpg and so on, with "
        "thumbnails.vtt: what players show above their time bar.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "[has(self.count), has(self.intervalSeconds), has(self.times)]"
                    ".filter(given, given).size() == 1",
                    "message": "thumbnails needs exactly one of count, intervalSeconds and times, "
                    "for example count: 6",
                },
                {
                    "rule": "self.separate || self.contactSheet || has(self.sprites)",
                    "message": "thumbnails with separate: false and neither contactSheet nor sprites "
                    "would publish nothing; ask for one of them",
                },
            ]
        }
    )

    # No set in the schema: the API server takes sets of 2 and 0.5 for changed on every status write.

    @model_validator(mode="after")
    def _one_way_to_count(self) -> Thumbnails:
        ways = (self.count, self.interval_seconds, self.times)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("thumbnails needs exactly one of count, intervalSeconds and times")
        if not (self.separate or self.contact_sheet or self.sprites):
            raise ValueError(
                "thumbnails with separate: false and neither contactSheet nor sprites would publish "
                "nothing; ask for one of them"
            )
        return self
