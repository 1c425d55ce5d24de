"""The encoders there are, and the choice among them and among decoders as a value.

Chosen by ``device.py``, obeyed by ``commands``. Pure: it proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from videojob_api.steps import VideoCodec


class VideoEncoder(Enum):
    """Encoders, by ffmpeg's names."""

    X264 = "libx264"
    X265 = "libx265"
    SVT_AV1 = "libsvtav1"
    H264_NVENC = "h264_nvenc"
    HEVC_NVENC = "hevc_nvenc"
    AV1_NVENC = "av1_nvenc"


SOFTWARE = {
    VideoCodec.H264: VideoEncoder.X264,
    VideoCodec.HEVC: VideoEncoder.X265,
    VideoCodec.AV1: VideoEncoder.SVT_AV1,
}
NVENC = {
    VideoCodec.H264: VideoEncoder.H264_NVENC,
    VideoCodec.HEVC: VideoEncoder.HEVC_NVENC,
    VideoCodec.AV1: VideoEncoder.AV1_NVENC,
}


@dataclass(frozen=True)
class Device:
    """What encodes and decodes, and why."""

    hardware: frozenset[VideoEncoder] = frozenset()
    """Of a GPU, proven to work."""
    reason: str | None = None
    """A word for why the CPU encodes though a GPU was given; None otherwise."""
    decodes: bool = False
    """Whether the first frame of this film came out of the GPU's decoder."""
    undecoded: str | None = None
    """Why the CPU decodes it though a GPU was given, as a sentence; None otherwise."""

    def encoder(self, codec: VideoCodec, bit_depth: int = 8) -> VideoEncoder:
        """The GPU's if it has one for this, else the CPU's. No GPU encodes 10 bit H.264."""
        fitting = NVENC[codec]
        if fitting in self.hardware and not (codec is VideoCodec.H264 and bit_depth != 8):
            return fitting
        return SOFTWARE[codec]


CPU = Device()
"""The choice without a GPU."""
