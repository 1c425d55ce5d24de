"""Writes HLS playlists over single-file fragmented MP4, from the boxes that were measured.

Called by the transcode step once ffmpeg has written the media. Pure: ``Movie`` values in, text
out; it opens no files. ffmpeg's own playlists know neither the true bandwidth of a film encoded
at constant quality nor its I-frames.

Format: RFC 8216 and its second edition (draft-pantos-hls-rfc8216bis).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from .boxes import Fragment, Movie, Track

AUDIO_GROUP = "audio"
_LANGUAGE_TAGS = {
    "eng": "en",
    "deu": "de",
    "ger": "de",
    "fra": "fr",
    "fre": "fr",
    "spa": "es",
    "ita": "it",
    "por": "pt",
    "rus": "ru",
    "jpn": "ja",
    "kor": "ko",
    "zho": "zh",
    "chi": "zh",
    "hin": "hi",
    "ara": "ar",
    "tur": "tr",
    "nld": "nl",
    "dut": "nl",
    "pol": "pl",
    "ukr": "uk",
    "ces": "cs",
    "cze": "cs",
    "swe": "sv",
    "dan": "da",
    "nor": "no",
    "fin": "fi",
    "ell": "el",
    "gre": "el",
    "heb": "he",
    "hun": "hu",
    "ron": "ro",
    "rum": "ro",
    "bul": "bg",
    "vie": "vi",
    "tha": "th",
}


@dataclass(frozen=True)
class Segment:
    """A stretch of one file that a player loads as one piece."""

    offset: int
    size: int
    start: Fraction
    duration: Fraction
    key_size: int
    """From its beginning to the end of its first frame."""


@dataclass(frozen=True)
class Rendition:
    """One size of the video, packaged."""

    name: str
    """Of its files, without suffix."""
    track: Track
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Sound:
    """One sound track, packaged."""

    name: str
    track: Track
    segments: tuple[Segment, ...]
    language: str | None
    title: str | None
    channels: int
    is_default: bool


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

    Sound that is longer than the pictures is cut on at the same length.
    """
    timed = _timed(movie)
    starts = [start for _, start in timed]
    cuts = {0} if starts else set()
    wanted = list(boundaries[1:])
    last = boundaries[-1] if boundaries else Fraction(0)
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


def build_media_playlist(
    file_name: str, init_size: int, segments: Sequence[Segment], target: int
) -> str:
    """The playlist of one file: its segments as byte ranges."""
    head = [*_media_head(file_name, init_size, target), "#EXT-X-INDEPENDENT-SEGMENTS"]
    return _text([*head, *_ranges(file_name, segments, [s.size for s in segments])])


def build_iframe_playlist(
    file_name: str, init_size: int, segments: Sequence[Segment], target: int
) -> str:
    """The playlist for fast seeking: the first frame of every segment, a key frame."""
    head = [*_media_head(file_name, init_size, target), "#EXT-X-I-FRAMES-ONLY"]
    return _text([*head, *_ranges(file_name, segments, [s.key_size for s in segments])])


def _ranges(file_name: str, segments: Sequence[Segment], sizes: Sequence[int]) -> list[str]:
    """From the first entry to the end: so many bytes from where each segment begins."""
    lines: list[str] = []
    for segment, size in zip(segments, sizes, strict=True):
        lines += [
            f"#EXTINF:{float(segment.duration):.6f},",
            f"#EXT-X-BYTERANGE:{size}@{segment.offset}",
            file_name,
        ]
    return [*lines, "#EXT-X-ENDLIST"]


def _media_head(file_name: str, init_size: int, target: int) -> list[str]:
    return [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        f'#EXT-X-MAP:URI="{file_name}",BYTERANGE="{init_size}@0"',
    ]


def build_master_playlist(renditions: Sequence[Rendition], sounds: Sequence[Sound]) -> str:
    """The playlist that a player opens: every size, every sound track, measured."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [_sound_line(sound, sounds) for sound in sounds]
    peak_sound = max((peak_bandwidth(sound.segments) for sound in sounds), default=0)
    mean_sound = max((average_bandwidth(sound.segments) for sound in sounds), default=0)
    codecs_of_sound = sorted({sound.track.codec for sound in sounds})
    for rendition in renditions:
        attributes = [
            f"BANDWIDTH={peak_bandwidth(rendition.segments) + peak_sound}",
            f"AVERAGE-BANDWIDTH={average_bandwidth(rendition.segments) + mean_sound}",
            f'CODECS="{",".join([rendition.track.codec, *codecs_of_sound])}"',
            f"RESOLUTION={rendition.track.width}x{rendition.track.height}",
            f"FRAME-RATE={frame_rate(rendition.track):.3f}",
            "VIDEO-RANGE=SDR",
        ]
        if sounds:
            attributes.append(f'AUDIO="{AUDIO_GROUP}"')
        lines += [f"#EXT-X-STREAM-INF:{','.join(attributes)}", f"{rendition.name}.m3u8"]
    lines += [_iframe_line(rendition) for rendition in renditions]
    return _text(lines)


def _sound_line(sound: Sound, sounds: Sequence[Sound]) -> str:
    tag = language_tag(sound.language)
    name = sound.title or sound.language or f"Audio {sounds.index(sound) + 1}"
    attributes = ["TYPE=AUDIO", f'GROUP-ID="{AUDIO_GROUP}"']
    if tag:
        attributes.append(f'LANGUAGE="{tag}"')
    if [s.title or s.language for s in sounds].count(sound.title or sound.language) > 1:
        name = f"{name} {sounds.index(sound) + 1}"
    attributes += [
        f'NAME="{_quotable(name)}"',
        f"DEFAULT={'YES' if sound.is_default else 'NO'}",
        "AUTOSELECT=YES",
        f'CHANNELS="{sound.channels}"',
        f'URI="{sound.name}.m3u8"',
    ]
    return f"#EXT-X-MEDIA:{','.join(attributes)}"


def _iframe_line(rendition: Rendition) -> str:
    bits = max(ceil(s.key_size * 8 / s.duration) for s in rendition.segments if s.duration)
    return (
        f'#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={bits},CODECS="{rendition.track.codec}",'
        f"RESOLUTION={rendition.track.width}x{rendition.track.height},VIDEO-RANGE=SDR,"
        f'URI="{rendition.name}-iframes.m3u8"'
    )


def peak_bandwidth(segments: Sequence[Segment]) -> int:
    """Bits a second of the most expensive segment.

    A stub at the end says nothing about what a player must keep up with: segments shorter than
    half the longest are left out, as the format asks.
    """
    longest = max((segment.duration for segment in segments), default=Fraction(0))
    counted = [s for s in segments if s.duration and s.duration * 2 >= longest]
    return max((ceil(s.size * 8 / s.duration) for s in counted), default=0)


def average_bandwidth(segments: Sequence[Segment]) -> int:
    """Bits a second over the whole file."""
    seconds = sum((segment.duration for segment in segments), Fraction(0))
    return ceil(sum(segment.size for segment in segments) * 8 / seconds) if seconds else 0


def frame_rate(track: Track) -> float:
    """Frames a second over the whole track."""
    return float(track.samples / track.duration) if track.duration else 0.0


def language_tag(language: str | None) -> str | None:
    """The BCP 47 tag of a container's language; None when it says nothing."""
    if not language or language == "und":
        return None
    tag = _LANGUAGE_TAGS.get(language, language)
    return tag if tag.replace("-", "").isalnum() and tag.isascii() else None


def _quotable(text: str) -> str:
    """Fit for a quoted attribute: the text comes from the input, so it must not break out."""
    return "".join(c for c in text if c.isprintable() and c != '"')[:64] or "Audio"


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
