"""Flavours of the worker's image: what is in it beyond ffmpeg.

Pure. Each kind of step says which one it needs; the operator takes the largest of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Flavour(StrEnum):
    """An image of the worker; each holds all that those before it do."""

    BASE = "base"
    """ffmpeg, and Python for pictures and storage."""
    SPEECH = "speech"
    """faster-whisper as well."""
    GPU = "gpu"
    """torch with CUDA as well."""


def largest(flavours: Iterable[Flavour]) -> Flavour:
    """The one that is enough for all of them."""
    order = list(Flavour)
    return max(flavours, key=order.index, default=Flavour.BASE)
