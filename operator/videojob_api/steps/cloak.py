"""The step ``cloak``: a perturbation of the pictures that machines answer to more than people.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from ..flavours import Flavour
from .base import StepModel


class CloakMethod(StrEnum):
    """What the perturbation looks like."""

    NOISE = "Noise"
    PERLIN = "Perlin"
    GABOR = "Gabor"
    GRADIENT = "Gradient"


class Cloak(StepModel):
    """A perturbation of the brightness of every frame, from a secret seed of the job's own."""

    yields: ClassVar[bool] = True

    method: CloakMethod = Field(
        default=CloakMethod.GABOR,
        description="Gabor (stripes by chance; confuses most and shows most), Perlin (clouds and "
        "rings), Noise (each pixel by itself; the encoder removes much of it) or Gradient (computed "
        "against a classifier from the film itself; needs the image's flavour gpu).",
    )
    epsilon: Annotated[float, Field(ge=0.04, le=0.2)] = Field(
        default=0.12,
        description="How far brightness may be off, in parts of its full range, before strength.",
    )
    strength: Annotated[float, Field(ge=1, le=2)] = Field(
        default=1.0, description="Multiplies epsilon."
    )
    every_n_frames: Annotated[int, Field(ge=1, le=30)] = Field(
        default=10,
        description="New noise after so many frames; below 5, files grow by many times.",
    )
    report: bool = Field(
        default=False,
        description="Measure after encoding, beside the same film encoded alike without it, what it "
        "costs (PSNR, SSIM, bitrate) and how often a classifier changes its label; takes about as "
        "long again, and the image's flavour gpu.",
    )

    @property
    def flavour(self) -> Flavour:
        """Classifiers, be they attacked or asked, are torch's."""
        needs_torch = self.report or self.method is CloakMethod.GRADIENT
        return Flavour.GPU if needs_torch else Flavour.BASE

    @property
    def gains_from_gpu(self) -> bool:
        """Gradients are what GPUs are for."""
        return self.method is CloakMethod.GRADIENT
