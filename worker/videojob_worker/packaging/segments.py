"""Cuts packaged files into segments, and measures these.

Called by ``packager`` and by the manifests beside it. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from ..boxes import Fragment, Movie

_STUB_SECONDS = Fraction(1, 10)
"""Sound is heard earlier than playlists say, by the run-up of its encoder, which edit lists hide. Of a
segment that is hardly longer, hls.js finds nothing where it looks, and waits for it."""


@dataclass(frozen=True)
class Segment:
    """A stretch of one file that a player loads as one piece."""

    offset: int
    size: int
    start: Fraction
    duration: Fraction
    key_size: int
    """From its beginning to the end of its first frame."""


def build_video_segments(movie: Movie, segment_seconds: int) -> tuple[Segment, ...]:
    """Cut a video file at the first key frame at or after each multiple of a length."""
    cuts: list[int] = []
    due = Fraction(0)
    for number, (fragment, start) in enumerate(_timed(movie)):
        if number == 0 or (fragment.starts_with_key and start >= due):
            cuts.append(number)
            due = Fraction((start // segment_seconds + 1) * segment_seconds)
    return _segments(movie, cuts)


def build_audio_segments(
    movie: Movie, boundaries: Sequence[Fraction], segment_seconds: int
) -> tuple[Segment, ...]:
    """Cut a sound file where its fragments come nearest to the boundaries of the video.

    Sound that is longer than the pictures is cut on at the same length. The last segment is no stub.
    """
    timed = _timed(movie)
    starts = [start for _, start in timed]
    cuts = {0} if starts else set()
    wanted = list(boundaries[1:])
    last, end = boundaries[-1] if boundaries else Fraction(0), Fraction(0)
    if timed:
        end = starts[-1] + Fraction(timed[-1][0].duration, movie.tracks[0].timescale)
        # Not for a rest that is hardly longer than the last stretch of pictures may be.
        while end - last >= segment_seconds + 1:
            last += segment_seconds
            wanted.append(last)
    for boundary in wanted:
        after = bisect_left(starts, boundary)
        if after == len(starts):
            break
        before = max(0, after - 1)
        cuts.add(after if starts[after] - boundary < boundary - starts[before] else before)
    run_up = Fraction(movie.tracks[0].skipped, movie.tracks[0].timescale)
    if len(cuts) > 1 and end - run_up - starts[max(cuts)] < _STUB_SECONDS:
        cuts.remove(max(cuts))
    return _segments(movie, sorted(cuts))


def _timed(movie: Movie) -> list[tuple[Fragment, Fraction]]:
    scale = movie.tracks[0].timescale
    return [(fragment, Fraction(fragment.decode_time, scale)) for fragment in movie.fragments]


def _segments(movie: Movie, cuts: Sequence[int]) -> tuple[Segment, ...]:
    scale = movie.tracks[0].timescale
    segments = []
    for first, after in zip(cuts, [*cuts[1:], len(movie.fragments)], strict=True):
        parts = movie.fragments[first:after]
        segments.append(
            Segment(
                offset=parts[0].offset,
                size=parts[-1].offset + parts[-1].size - parts[0].offset,
                start=Fraction(parts[0].decode_time, scale),
                duration=Fraction(sum(part.duration for part in parts), scale),
                key_size=parts[0].key_size,
            )
        )
    return tuple(segments)


def target_duration(packages: Iterable[Sequence[Segment]]) -> int:
    """What every playlist of a package must state: its longest segment, in whole seconds.

    Rounded to the nearest (RFC 8216, 4.3.3.1), and the same in all of them (6.2.4).
    """
    longest = max((s.duration for package in packages for s in package), default=Fraction(1))
    return max(1, floor(longest + Fraction(1, 2)))


def peak_bandwidth(segments: Sequence[Segment]) -> int:
    """Bits a second of the most expensive stretch.

    Stretches of whole segments count that last between a half and one and a half of the longest
    segment (RFC 8216, 4.3.4.2): a stub at the end counts with what is before it, not by itself.
    """
    longest = max((segment.duration for segment in segments), default=Fraction(0))
    peak = 0
    for first in range(len(segments)):
        size_bytes, seconds = 0, Fraction(0)
        for segment in segments[first:]:
            size_bytes, seconds = size_bytes + segment.size, seconds + segment.duration
            if seconds * 2 > longest * 3:
                break
            if seconds and seconds * 2 >= longest:
                peak = max(peak, ceil(size_bytes * 8 / seconds))
    return peak


def average_bandwidth(segments: Sequence[Segment]) -> int:
    """Bits a second over the whole file."""
    seconds = sum((segment.duration for segment in segments), Fraction(0))
    return ceil(sum(segment.size for segment in segments) * 8 / seconds) if seconds else 0
