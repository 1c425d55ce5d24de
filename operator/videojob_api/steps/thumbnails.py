"""The step ``thumbnails``: still pictures of the film.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from .base import StepModel


class Thumbnails(StepModel):
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
