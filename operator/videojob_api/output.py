"""Where results go, and what becomes of those that are there.

Pure. A part of the VideoJob's spec.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator

from .base import Model, check_inside
from .ending import DeletionPolicy


class IfExists(StrEnum):
    """What becomes of results that are there already."""

    OVERWRITE = "Overwrite"
    SKIP = "Skip"
    FAIL = "Fail"


class Output(Model):
    """Where results go."""

    prefix: Annotated[
        str,
        Field(min_length=2, max_length=512, pattern=r"^[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*/$"),
    ] = Field(
        description="Key prefix with a slash at the end; results are at "
        "<prefix><input>/<step>/<file>, and <prefix><input>/manifest.json is written last."
    )
    if_exists: IfExists = Field(
        default=IfExists.OVERWRITE,
        description="What to do about results of another run at the same prefix. Overwrite: make "
        "all anew. Skip: keep the steps that were made just as they are asked for now, of the same "
        "input by the same version, and make the others. Fail: an input whose manifest.json is "
        "there Failed OutputExists, before any work. A retry always goes on where its own run was.",
    )
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.RETAIN,
        description="What deleting the VideoJob does to its outputs. Retain: nothing. Delete: what "
        "its manifests list is deleted first, within five minutes, after which the VideoJob goes "
        "in any case; an Event says what was done.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!self.prefix.contains('../')",
                    "message": "prefix can't leave the store's prefix: write it without ../",
                }
            ]
        }
    )

    @field_validator("prefix")
    @classmethod
    def _stays_inside(cls, prefix: str) -> str:
        return check_inside(prefix)
