"""Measures packets: distances even or not, key frames, where each stream and the whole film ends.

Fed by ``probe`` with ffprobe's lines. Pure; it keeps a bounded number of times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from statistics import median

ENTRIES = (
    "packet=stream_index,pts_time,dts_time,duration_time,flags:packet_side_data=side_data_type"
)
_MAX_TIMES = 3000
_MAX_DISTINCT = 100_000
_UNEVEN_SHARE = 0.01
_JITTER_SECONDS = 0.0021
"""Times are rounded to milliseconds in some containers."""


@dataclass(frozen=True)
class Packet:
    """One line of ffprobe's."""

    index: int
    shown: Fraction | None
    decoded: Fraction | None
    duration: Fraction | None
    is_key: bool
    is_discarded: bool
    """Hidden by an edit list, or priming: read and decoded, never shown."""


def parse_packet(line: str) -> Packet | None:
    """Take ``packet,STREAM,PTS,DTS,DURATION,FLAGS[,…]``; None for any other line."""
    parts = line.strip().split(",")
    if len(parts) < 6 or parts[0] != "packet" or not parts[1].isdecimal():
        return None
    shown, decoded, duration = (_seconds(part) for part in parts[2:5])
    return Packet(int(parts[1]), shown, decoded, duration, "K" in parts[5], "D" in parts[5])


@dataclass
class PacketMeter:
    """Takes lines in the order of the file; answers at any time."""

    index: int = 0
    """Of the stream whose distances are measured."""
    count: int = 0
    """Packets of that stream."""
    encrypted: bool = False
    end: Fraction = Fraction(0)
    """Latest end of a packet of any stream."""
    seen: set[int] = field(default_factory=set)
    """Streams that have packets."""
    _own_end: Fraction = Fraction(0)
    _times: list[Fraction] = field(default_factory=list)
    _last_key: Fraction | None = None
    _key_distance: Fraction = Fraction(0)

    def feed(self, line: str) -> None:
        """Take a line of ffprobe's."""
        if "Encryption" in line:
            self.encrypted = True
        packet = parse_packet(line)
        if packet is None:
            return
        time = packet.shown
        end = Fraction(0) if time is None else time + (packet.duration or 0)
        self.end = max(self.end, end)
        self.seen.add(packet.index)
        if packet.index != self.index:
            return
        self.count += 1
        if time is None:
            return
        self._own_end = max(self._own_end, end)
        if len(self._times) < _MAX_TIMES:
            self._times.append(time)
        if packet.is_key:
            self._key_distance = max(self._key_distance, time - (self._last_key or time))
            self._last_key = time

    @property
    def keyframe_seconds(self) -> Fraction | None:
        """Longest distance of key frames, or to the end of what was seen."""
        if self._last_key is None:
            return None
        return max(self._key_distance, self._own_end - self._last_key)

    @property
    def typical_distance(self) -> Fraction | None:
        """The median distance of two frames in time."""
        distances = self._distances()
        return median(distances) if distances else None

    @property
    def mean_rate(self) -> Fraction | None:
        """Frames a second over what was seen."""
        times = sorted(self._times)
        span = times[-1] - times[0] if times else Fraction(0)
        return (len(times) - 1) / span if span > 0 else None

    def is_uneven(self) -> bool:
        """Whether more than the odd distance differs from the typical one."""
        distances = self._distances()
        if len(distances) < 2:
            return False
        typical = median(distances)
        allowed = max(typical / 4, Fraction(_JITTER_SECONDS))
        odd = sum(abs(distance - typical) > allowed for distance in distances)
        return odd > max(1, len(distances) * _UNEVEN_SHARE)

    def _distances(self) -> list[Fraction]:
        times = sorted(self._times)
        return [after - before for before, after in pairwise(times)]


@dataclass
class Extent:
    """What there is of one stream, by its packets."""

    begin: Fraction = Fraction(0)
    end: Fraction = Fraction(0)
    last: Fraction = Fraction(0)
    """When the last packet is shown."""
    packed: Fraction = Fraction(0)
    """Lengths of all packets together that are to be shown."""
    unmeasured: int = 0
    """Packets that don't say how long they last."""
    hidden: int = 0
    """Discarded packets, and those before the first key frame: no decoder shows them."""
    count: int = 0
    """All of its packets."""
    misplaced: int = 0
    """Packets with the time of another one, or that go back in time, of the first 100,000."""
    _latest_decoded: Fraction | None = None
    _times: set[Fraction] = field(default_factory=set)
    _shown: int = 0
    _first_key: Fraction | None = None
    _has_key: bool = False

    def add(self, packet: Packet) -> None:
        """Count a packet, in the order of the file."""
        self.count += 1
        time = packet.decoded if packet.shown is None else packet.shown
        if packet.is_key and not self._has_key:
            self._has_key, self._first_key = True, time
        first = self._first_key
        precedes = time is not None and first is not None and time < first
        if packet.is_discarded or not self._has_key or precedes:
            self.hidden += 1
            return
        self.packed += packet.duration or 0
        self.unmeasured += packet.duration is None
        self._shown += 1
        if time is not None:
            self.begin = time if self._shown == 1 else min(self.begin, time)
            self.last = max(self.last, time)
            self._place(packet, time)
            self.end = max(self.end, time + (packet.duration or 0))

    def _place(self, packet: Packet, time: Fraction) -> None:
        """Note whether it has a place of its own in time; packets are decoded ever later."""
        if self._shown > _MAX_DISTINCT:
            return
        latest = self._latest_decoded
        goes_back = None not in (latest, packet.decoded) and packet.decoded <= latest  # type: ignore[operator]
        self.misplaced += goes_back or time in self._times
        self._times.add(time)
        if packet.decoded is not None:
            self._latest_decoded = max(packet.decoded, latest or packet.decoded)


@dataclass
class Extents:
    """All streams of a file."""

    of: dict[int, Extent] = field(default_factory=dict)
    """By stream index."""

    def feed(self, line: str) -> None:
        """Take a line of ffprobe's."""
        packet = parse_packet(line)
        if packet is not None:
            self.of.setdefault(packet.index, Extent()).add(packet)

    @property
    def end(self) -> Fraction:
        """Where the film ends: the latest end of any packet."""
        return max((extent.end for extent in self.of.values()), default=Fraction(0))


def _seconds(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except ValueError:
        return None
