"""The structure of an MP4 file: its tracks and fragments, read without its media data.

Called through the package. Media data is skipped by seeking, so that a film of any length costs
little memory. It is not meant for untrusted files, and decodes nothing.

Format: ISO/IEC 14496-12.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from .atoms import NotMp4, children, leaves, read, top_level
from .codecs import Color
from .entries import Entry, parse_entry
from .fragments import Defaults, Fragment, parse_defaults, parse_moof, with_data


@dataclass(frozen=True)
class Track:
    """One stream of the file."""

    track_id: int
    handler: str
    """``vide`` or ``soun``."""
    timescale: int
    """Ticks in a second."""
    codec: str
    """As in RFC 6381, such as avc1.64001f."""
    width: int
    height: int
    samples: int
    duration: Fraction
    """Seconds; of all samples, fragments too."""
    sample_rate: int = 0
    color: Color | None = None
    skipped: int = 0
    """Ticks at the beginning that an edit list hides: an encoder's run-up, frames out of order."""


@dataclass(frozen=True)
class Movie:
    """All that the boxes say."""

    tracks: tuple[Track, ...]
    fragments: tuple[Fragment, ...]
    init_size: int
    """Bytes up to the end of the moov."""
    presented: Fraction
    """Seconds as the moov says, without what edit lists hide; 0 in fragmented files."""
    index: tuple[int, int] | None = None
    """First byte of the index of segments (sidx), and the first after it."""

    @property
    def duration(self) -> Fraction:
        """Seconds that a player shows; of the longest track where the index doesn't say."""
        return self.presented or max((t.duration for t in self.tracks), default=Fraction(0))

    def track(self, handler: str) -> Track | None:
        """The first track of a kind."""
        return next((track for track in self.tracks if track.handler == handler), None)


@dataclass
class _Head:
    """A track as its trak box has it."""

    track_id: int = 0
    handler: str = ""
    timescale: int = 1
    entry: Entry = field(default_factory=lambda: Entry(""))
    samples: int = 0
    ticks: int = 0
    skipped: int = 0


def read_movie(path: Path) -> Movie:
    """Read the structure of an MP4 file, fragmented or not.

    Raises:
        NotMp4: if it has no moov, or a box reaches beyond the end of the file.
    """
    size = path.stat().st_size
    heads: list[_Head] = []
    defaults: dict[int, Defaults] = {}
    fragments: list[Fragment] = []
    init_size, presented = 0, Fraction(0)
    index: tuple[int, int] | None = None
    with path.open("rb") as file:
        open_fragment: list[Fragment] = []
        for kind, start, end in top_level(file, size):
            if kind == b"moov":
                body = read(file, start, end)
                heads = [_parse_trak(trak) for name, trak in children(body) if name == b"trak"]
                defaults = parse_defaults(body)
                init_size, presented = end, _parse_mvhd(body)
            elif kind == b"sidx":
                index = (start - 8, end)
            elif kind == b"moof":
                body = read(file, start, end)
                open_fragment = [parse_moof(body, start - 8, defaults)]
            elif kind == b"mdat" and open_fragment:
                fragment = open_fragment.pop()
                fragments.append(with_data(fragment, end))
    if not heads:
        raise NotMp4(f"{path.name} has no index (moov box)")
    tracks = tuple(_finish_track(head, fragments) for head in heads)
    return Movie(tracks, tuple(fragments), init_size, presented, index)


def _parse_mvhd(moov: memoryview) -> Fraction:
    for kind, content in children(moov):
        if kind == b"mvhd":
            form, offset = (">IQ", 20) if content[0] == 1 else (">II", 12)
            timescale, duration = struct.unpack_from(form, content, offset)
            return Fraction(duration, timescale or 1)
    return Fraction(0)


def _parse_trak(body: memoryview) -> _Head:
    head = _Head()
    for kind, content in leaves(body):
        wide = content[0] == 1
        if kind == b"tkhd":
            head.track_id = struct.unpack_from(">I", content, 20 if wide else 12)[0]
        elif kind == b"mdhd":
            head.timescale = struct.unpack_from(">I", content, 20 if wide else 12)[0]
        elif kind == b"hdlr":
            head.handler = bytes(content[8:12]).decode("latin-1")
        elif kind == b"stts":
            for count, delta in struct.iter_unpack(">II", content[8:]):
                head.samples += count
                head.ticks += count * delta
        elif kind == b"stsd":
            head.entry = parse_entry(content[8:], head.handler)
        elif kind == b"elst":
            head.skipped = _parse_elst(content, wide)
    return head


def _parse_elst(content: memoryview, wide: bool) -> int:
    """Where in the media its first stretch begins; empty stretches hide nothing."""
    count = struct.unpack_from(">I", content, 4)[0]
    form = ">Qqi" if wide else ">Iii"
    rows = [struct.unpack_from(form, content, 8 + n * struct.calcsize(form)) for n in range(count)]
    return next((int(media_time) for _, media_time, _ in rows if media_time >= 0), 0)


def _finish_track(head: _Head, fragments: list[Fragment]) -> Track:
    own = [fragment for fragment in fragments if fragment.track_id == head.track_id]
    ticks = head.ticks + sum(fragment.duration for fragment in own)
    return Track(
        track_id=head.track_id,
        handler=head.handler,
        timescale=head.timescale,
        codec=head.entry.codec,
        width=head.entry.width,
        height=head.entry.height,
        samples=head.samples + sum(fragment.samples for fragment in own),
        duration=Fraction(ticks, head.timescale),
        sample_rate=head.entry.sample_rate,
        color=head.entry.color,
        skipped=head.skipped,
    )
