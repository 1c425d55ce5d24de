"""The step ``audioMask``: babble over the speech, so that machines understand less of it.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from .base import StepModel


class MaskLevel(StrEnum):
    """How loud the babble is against the speech."""

    NONE = "None"
    WEAK = "Weak"
    MEDIUM = "Medium"
    STRONG = "Strong"


class AudioMask(StepModel):
    """Synthetic babble over every sound track, at a measured distance from its loudness."""

    yields: ClassVar[bool] = True

    level: MaskLevel = Field(
        default=MaskLevel.MEDIUM,
        description="Speech is louder than the babble by 10 dB (Weak), 5 dB (Medium) or 0 dB "
        "(Strong); None leaves it as it is.",
    )
