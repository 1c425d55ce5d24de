"""The step ``scenes``: where one shot ends and the next begins.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import StepModel


class Scenes(StepModel):
    """Cuts and fades through black, as scenes.json and as chapters."""

    threshold: Annotated[float, Field(ge=1, le=100)] = Field(
        default=10,
        description="How much the picture must change from one frame to the next to count as a cut, "
        "in percent of full brightness; lower finds more. 8 to 14 suits most films.",
    )
    min_scene_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=1,
        description="Shortest scene; of cuts that are closer together, the stronger one stays.",
    )
