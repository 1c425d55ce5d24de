"""How much may be missing without being missed.

Used by whoever compares what was made with what was read. Pure.
"""

from __future__ import annotations

from fractions import Fraction

MAX_LOSS_SHARE = Fraction(1, 100)
MAX_LOSS_SECONDS = Fraction(1)
_ALWAYS_ALLOWED_SECONDS = Fraction(1, 4)
"""Rounding at both ends of a film, and sound that ends a little before or after the pictures."""
_ALWAYS_ALLOWED_FRAMES = 2


def tolerated_frames(frames: int, rate: Fraction) -> int:
    """How many of so many frames may be missing."""
    share, second = int(frames * MAX_LOSS_SHARE), int(rate * MAX_LOSS_SECONDS)
    return max(_ALWAYS_ALLOWED_FRAMES, min(share, second))


def tolerated_seconds(seconds: Fraction) -> Fraction:
    """How much of so long a film may be missing."""
    return max(_ALWAYS_ALLOWED_SECONDS, min(seconds * MAX_LOSS_SHARE, MAX_LOSS_SECONDS))
