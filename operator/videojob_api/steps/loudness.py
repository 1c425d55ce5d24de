"""How loud sound shall be: what the kinds of step that encode sound have in common.

Pure. The worker's ``loudness.py`` does it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..base import Model


class Loudness(Model):
    """Bring the sound to one loudness, as EBU R128 measures it."""

    target_lufs: Annotated[float, Field(ge=-40, le=-5)] = Field(
        default=-16,
        description="Integrated loudness: -16 is usual for podcasts, -14 on the web, -23 for "
        "broadcasting (EBU R128), -24 in ATSC A/85.",
    )
    true_peak_db: Annotated[float, Field(ge=-9, le=0)] = Field(
        default=-1.5,
        description="Peaks between samples stay below it: a limiter takes those that would not.",
    )
