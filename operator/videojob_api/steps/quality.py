"""The step ``quality``: how near the renditions of a transcode are to what they were made of.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from .base import StepModel


class Metric(StrEnum):
    """A measure of likeness, frame by frame."""

    PSNR = "PSNR"
    SSIM = "SSIM"
    VMAF = "VMAF"


class Quality(StepModel):
    """PSNR, SSIM and VMAF of each rendition, measured in a pass of its own after the encoding."""

    measures: ClassVar[bool] = True

    metrics: Annotated[list[Metric], Field(min_length=1, max_length=3)] = Field(
        default=[Metric.PSNR, Metric.SSIM, Metric.VMAF],
        description="What is measured. The project's images have what VMAF needs; where a worker "
        "has not, the result says so.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    per_frame: bool = Field(
        default=False,
        description="Also publish the numbers of every frame, a <rendition>-frames.csv for each.",
    )

    @field_validator("metrics")
    @classmethod
    def _metrics_differ(cls, metrics: list[Metric]) -> list[Metric]:
        if len(set(metrics)) != len(metrics):
            raise ValueError("a metric is named twice; name each once")
        return metrics
