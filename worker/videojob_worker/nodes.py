"""The points that pictures and sound pass through inside one ffmpeg process.

Steps build them, ``graph`` holds them, ``commands.filters`` says each filter in ffmpeg's words.
Pure values: equal nodes are one node, so whatever two steps have in common is done once.

A new filter is a dataclass here and its words there.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .media import Size


@dataclass(frozen=True)
class Deinterlace:
    """Whole frames from interlaced ones; frames that are not interlaced stay as they are."""


@dataclass(frozen=True)
class Conform:
    """A size, upright with square pixels, 8 bit 4:2:0, limited range: what encoders get."""

    size: Size
    converts: bool
    """False when only the pixels' shape has to be said."""


@dataclass(frozen=True)
class Scale:
    """Another size of what is conformed already."""

    size: Size


@dataclass(frozen=True)
class Resample:
    """One frame at each place of an even grid, from time 0 on."""

    frame_rate: Fraction


@dataclass(frozen=True)
class Pick:
    """The first frame of each interval."""

    rate: Fraction
    """Intervals a second."""
    centred: bool
    """The first past the middle of each instead."""


@dataclass(frozen=True)
class ToRgb:
    """A size in RGB, for pictures."""

    size: Size


@dataclass(frozen=True)
class Steady:
    """Sound without gaps, from time 0 on."""


Filter = Deinterlace | Conform | Scale | Resample | Pick | ToRgb | Steady


@dataclass(frozen=True)
class Decoded:
    """A stream of the film."""

    index: int
    """Its place in the container."""
    is_audio: bool = False


@dataclass(frozen=True)
class Filtered:
    """What comes out of a filter."""

    filter: Filter
    parents: tuple[Node, ...]

    @property
    def is_audio(self) -> bool:
        """Whether it is sound."""
        return self.parents[0].is_audio


Node = Decoded | Filtered
