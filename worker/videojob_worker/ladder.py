"""What a rendition of some size may take at most: the rate caps of capped constant quality.

Read by ``commands`` and by ``costs``. Pure.
"""

from __future__ import annotations

from fractions import Fraction

from videojob_api.steps import VideoCodec

from .media import Size

RATE_CAPS_KBPS = (
    #  short side, bits: for up to 30 frames a second
    (240, 500),
    (360, 1000),
    (480, 2000),
    (576, 2500),
    (720, 4000),
    (1080, 8000),
    (1440, 16000),
    (2160, 32000),
    (4320, 96000),
)


_OF_H264 = {
    VideoCodec.H264: Fraction(1),
    VideoCodec.HEVC: Fraction(7, 10),
    VideoCodec.AV1: Fraction(6, 10),
}
"""What a codec needs for the same picture."""


def rate_cap_kbps(size: Size, frame_rate: Fraction, codec: VideoCodec = VideoCodec.H264) -> int:
    """Most bits a second for a size; half as much again above 30 frames a second."""
    tabulated = next((cap for short, cap in RATE_CAPS_KBPS if size.short <= short), None)
    cap = tabulated or RATE_CAPS_KBPS[-1][1]
    return int(cap * _OF_H264[codec] * (Fraction(3, 2) if frame_rate > 31 else 1))
