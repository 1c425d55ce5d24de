"""What a rendition of some size may take at most: the rate caps of capped constant quality.

Read by ``commands`` and by ``costs``. Pure.
"""

from __future__ import annotations

from fractions import Fraction

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


def rate_cap_kbps(size: Size, frame_rate: Fraction) -> int:
    """Most bits a second for a size; half as much again above 30 frames a second."""
    tabulated = next((cap for short, cap in RATE_CAPS_KBPS if size.short <= short), None)
    cap = tabulated or RATE_CAPS_KBPS[-1][1]
    return cap * 3 // 2 if frame_rate > 31 else cap
