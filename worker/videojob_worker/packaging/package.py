"""What is packaged: sizes of the video, sound tracks and subtitles, measured.

Made by ``packager``, described by ``hls`` and ``dash`` from the same values, so that both say the
same of the same bytes. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from ..boxes import Track
from .languages import language_tag
from .segments import Segment, average_bandwidth, peak_bandwidth

_PQ, _HLG = 16, 18


@dataclass(frozen=True)
class Media:
    """One fragmented MP4 file with one track."""

    name: str
    """Of its files, without suffix."""
    track: Track
    init_size: int
    """Bytes up to the end of the moov: what a player must read first."""
    index: tuple[int, int] | None
    """First byte of the index of segments, and the first after it; None without one."""
    segments: tuple[Segment, ...]

    @property
    def file_name(self) -> str:
        """The file."""
        return f"{self.name}.mp4"

    @property
    def run_up(self) -> Fraction:
        """Seconds at the beginning that are decoded and not shown: an edit list hides them."""
        return Fraction(0)

    @property
    def ends(self) -> Fraction:
        """When the last sample has been shown, in seconds."""
        last = self.segments[-1]
        return last.start + last.duration - self.run_up

    @property
    def peak_bandwidth(self) -> int:
        """Bits a second that a player must keep up with."""
        return peak_bandwidth(self.segments)

    @property
    def average_bandwidth(self) -> int:
        """Bits a second over the whole."""
        return average_bandwidth(self.segments)


@dataclass(frozen=True)
class Rendition(Media):
    """One size of the video."""

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second over the whole track."""
        rate = self.track.samples / self.track.duration if self.track.duration else Fraction(0)
        return Fraction(rate).limit_denominator(1001)

    @property
    def video_range(self) -> str:
        """SDR, PQ or HLG, as the file itself says."""
        transfer = self.track.color.transfer if self.track.color else 0
        return {_PQ: "PQ", _HLG: "HLG"}.get(transfer, "SDR")


@dataclass(frozen=True)
class Sound(Media):
    """One sound track."""

    language: str | None
    """As the source has it."""
    title: str | None
    channels: int
    is_default: bool

    @property
    def run_up(self) -> Fraction:
        """What the encoder needs before the first sample that was put in."""
        return Fraction(self.track.skipped, self.track.timescale)


@dataclass(frozen=True)
class Subtitles:
    """One WebVTT file for the whole film."""

    file_name: str
    language: str | None
    title: str | None = None
    is_default: bool = False
    size: int = 0
    """Bytes."""

    @property
    def name(self) -> str:
        """Of its files, without suffix."""
        return self.file_name.removesuffix(".vtt")


@dataclass(frozen=True)
class Package:
    """Everything that one player is offered of one film."""

    renditions: tuple[Rendition, ...]
    sounds: tuple[Sound, ...] = ()
    subtitles: tuple[Subtitles, ...] = ()

    @property
    def media(self) -> tuple[Media, ...]:
        """All files with segments."""
        return (*self.renditions, *self.sounds)

    @property
    def duration(self) -> Fraction:
        """Seconds until the last track ends."""
        return max((media.ends for media in self.media), default=Fraction(0))


_Spoken = TypeVar("_Spoken", Sound, Subtitles)


def labels(tracks: Sequence[_Spoken], otherwise: str) -> dict[_Spoken, str]:
    """A name for each, as a player's menu shows it; no two are the same.

    Titles come from the input, so nothing in them may break out of where they are put.
    """
    bare = {track: _bare(track.title) or language_tag(track.language) for track in tracks}
    count = Counter(bare.values())
    return {
        track: name if name and count[name] == 1 else f"{name or otherwise} {number}"
        for number, (track, name) in enumerate(bare.items(), start=1)
    }


def codecs(media: Iterable[Media]) -> list[str]:
    """Every codec once."""
    return sorted({each.track.codec for each in media})


def codec_family(media: Media) -> str:
    """Players switch freely within one, and not between two."""
    return media.track.codec.split(".")[0]


def _bare(text: str | None) -> str:
    return "".join(c for c in text or "" if c.isprintable() and c != '"').strip()[:64]
