"""Moving pictures at a point of the way, and how they are encoded; free of ffmpeg's syntax.

Parts of what ``graph`` holds. Pure values.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from videojob_api.steps import Settled

from .ladder import rate_cap_kbps
from .media import SDR_WHITE_NITS, Size, VideoStream
from .nodes import PLAIN, Form, Node

_FINE_TICK = Fraction(1, 90_000)
_TICKS_PER_FRAME = 8
_USUAL_PEAK_NITS = 1000


@dataclass(frozen=True)
class Picture:
    """Moving pictures at one point of the way."""

    node: Node
    size: Size
    """As a viewer sees it, in square pixels; what lies at the node may be turned or stretched."""
    conformed: bool = False
    """Whether it has that size and a form of ours indeed, and not the film's own."""
    form: Form = PLAIN
    """The form it has, or comes nearest to."""


@dataclass(frozen=True)
class VideoEncoding:
    """One size in one codec, with closed groups of pictures that begin at multiples of a time."""

    picture: Picture
    size: Size
    settings: Settled
    form: Form
    gop_seconds: int
    frame_rate: Fraction | None
    """The grid that frames' times are on; None keeps the distances of the source as they are."""
    resampled: bool = False
    """Drop and repeat frames so that there is one at every place of the grid, from time 0 on."""
    counted: bool = False
    """Groups of pictures begin at multiples of a number of frames instead."""

    def cap_kbps(self, video: VideoStream | None) -> int:
        """The bitrate that it may have at most."""
        rate = self.frame_rate or (video.even_rate if video else Fraction(25))
        usual = rate_cap_kbps(self.size, rate, self.settings.codec)
        average = self.settings.bitrate_kbps
        return self.settings.max_bitrate_kbps or (average * 3 // 2 if average else usual)

    @property
    def tick_seconds(self) -> Fraction:
        """The unit of its times."""
        if self.frame_rate is None:
            return _FINE_TICK
        # Takes out the jitter of times in milliseconds, and moves no frame noticeably.
        return 1 / self.frame_rate / (1 if self.resampled else _TICKS_PER_FRAME)


@dataclass(frozen=True)
class VideoCopy:
    """The film's pictures as they are, neither decoded nor encoded."""

    stream: VideoStream
    without_sei: bool = False
    """Leave out what is written between the pictures."""

    @property
    def size(self) -> Size:
        """As a viewer sees it."""
        return self.stream.shown


def peak_nits(video: VideoStream) -> int:
    """The brightest that a film of high dynamic range is said to get."""
    said = video.mastering
    if said is not None and said.light is not None:
        return max(SDR_WHITE_NITS, said.light[0])
    if said is not None and said.luminance is not None:
        return max(SDR_WHITE_NITS, int(said.luminance[0]))
    return _USUAL_PEAK_NITS
