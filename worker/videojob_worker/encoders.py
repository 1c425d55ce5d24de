"""The encoders there are, and the choice of one as a value.

Chosen by ``device.py``, obeyed by ``commands.py``. Pure: it proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class VideoEncoder(Enum):
    """Encoders of H.264, by ffmpeg's names."""

    X264 = "libx264"
    NVENC = "h264_nvenc"


@dataclass(frozen=True)
class Device:
    """The choice, and why."""

    encoder: VideoEncoder
    reason: str | None = None
    """A word for why the CPU encodes though a GPU was given; None otherwise."""


CPU = Device(VideoEncoder.X264)
