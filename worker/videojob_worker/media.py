"""What a film is: typed facts about a container and its streams.

Built by ``described.parse_probe``; read by validation, planning and checking. Pure values: it opens
nothing, and times are fractions of seconds, never floats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from videojob_api.status import MediaFacts

STANDARD_RATES = tuple(
    Fraction(*rate)
    for rate in (
        (12, 1),
        (15, 1),
        (24000, 1001),
        (24, 1),
        (25, 1),
        (30000, 1001),
        (30, 1),
        (48, 1),
        (50, 1),
        (60000, 1001),
        (60, 1),
        (120, 1),
    )
)
_SLOWEST_RATE = Fraction(1, 1000)
NO_CODEC = frozenset({"none", "unknown"})
"""What ffprobe calls a codec that it does not know."""
PQ = "smpte2084"
HLG = "arib-std-b67"
SDR_WHITE_NITS = 203
"""What white paper has in high dynamic range (ITU-R BT.2408)."""
HDR_TRANSFERS = frozenset({PQ, HLG})
_MOST_LINES_OF_SD = 576
_ALPHA_FORMATS = ("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16")
_RGB_FORMATS = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr")
_DEEP_FORMAT = re.compile(r"(?:p|gray|p0)(9|10|12|14|16)(?:le|be)$")
_TEXT_SUBTITLES = frozenset({"subrip", "mov_text", "ass", "ssa", "webvtt", "text"})
_WEBM_CODECS = frozenset({"vp8", "vp9", "av1", "vorbis", "opus"})


@dataclass(frozen=True, order=True)
class Size:
    """Width and height of a picture in square pixels."""

    width: int
    height: int

    @property
    def short(self) -> int:
        """The short side: what 720p counts, portrait or not."""
        return min(self.width, self.height)

    @property
    def pixels(self) -> int:
        """Pixels in one picture."""
        return self.width * self.height

    def scaled_to_short(self, short: int) -> Size:
        """The size of the same shape with a shorter short side; both even, neither longer."""
        scale = Fraction(_even(short), self.short)
        if self.width <= self.height:
            return Size(_even(short), _even(self.height * scale, at_most=self.height))
        return Size(_even(self.width * scale, at_most=self.width), _even(short))

    def scaled_to_width(self, width: int) -> Size:
        """The size of the same shape with another width; both sides even."""
        return Size(_even(width), _even(self.height * Fraction(_even(width), self.width)))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def _even(number: int | Fraction, at_most: int | None = None) -> int:
    even = round(Fraction(number) / 2) * 2
    return max(2, even if at_most is None else min(even, at_most - at_most % 2))


@dataclass(frozen=True)
class Mastering:
    """The screen that a film was graded on, and how bright it gets."""

    primaries: tuple[Fraction, ...] = ()
    """x and y of green, blue, red and white; empty where it isn't said."""
    luminance: tuple[Fraction, Fraction] | None = None
    """Brightest and darkest, in nits."""
    light: tuple[int, int] | None = None
    """Brightest pixel, and brightest average of a frame (MaxCLL, MaxFALL), in nits."""


@dataclass(frozen=True)
class VideoStream:
    """The stream of moving pictures that is worked on."""

    index: int
    """Place in the container, attached pictures and all counted."""
    codec: str
    coded: Size
    """As stored: before rotation, with pixels of any shape."""
    rotation: int
    """Degrees, as the container asks for."""
    pixel_aspect: Fraction
    pixel_format: str
    frame_rate: Fraction
    """Average."""
    start: Fraction
    duration: Fraction | None
    frames: int | None
    """As many as the container's index has; None where it has none."""
    variable: bool
    """Whether the distances of frames differ."""
    interlaced: bool
    full_range: bool
    transfer: str | None
    keyframe_seconds: Fraction | None
    """Longest distance of key frames seen at the beginning."""
    primaries: str | None = None
    matrix: str | None = None
    mastering: Mastering | None = None
    only_dolby_vision: bool = False
    """Whether its colours are of a kind that no decoder but Dolby's shows."""
    bit_rate: int | None = None
    """Bits a second, where the container says it."""

    @property
    def shown(self) -> Size:
        """As a viewer sees it, in square pixels: rotated, stretched to the wide side."""
        width, height = Fraction(self.coded.width), Fraction(self.coded.height)
        if self.pixel_aspect >= 1:
            width *= self.pixel_aspect
        else:
            height /= self.pixel_aspect
        if self.rotation % 180 == 90:
            width, height = height, width
        return Size(round(width), round(height))

    @property
    def is_hd(self) -> bool:
        """Whether it has more lines than any PAL or NTSC: what doesn't say is BT.709 then."""
        return self.shown.short > _MOST_LINES_OF_SD

    @property
    def is_rgb(self) -> bool:
        """Whether its pixels are red, green and blue."""
        return self.pixel_format.startswith(_RGB_FORMATS)

    @property
    def has_alpha(self) -> bool:
        """Whether its pixels may be transparent."""
        return self.pixel_format.startswith(_ALPHA_FORMATS)

    @property
    def bit_depth(self) -> int:
        """Bits of each sample, by the pixel format's name."""
        match = _DEEP_FORMAT.search(self.pixel_format)
        return int(match[1]) if match else 8

    @property
    def is_hdr(self) -> bool:
        """Whether its brightness curve is one of the high dynamic range ones."""
        return self.transfer in HDR_TRANSFERS

    @property
    def even_rate(self) -> Fraction:
        """The standard rate it stands for, or its average: what constant-rate output gets."""
        nearest = min(STANDARD_RATES, key=lambda rate: abs(rate - self.frame_rate))
        tolerance = Fraction(2, 100) if self.variable else Fraction(1, 1000)
        if abs(nearest - self.frame_rate) <= nearest * tolerance:
            return nearest
        return max(self.frame_rate.limit_denominator(1001), _SLOWEST_RATE)


@dataclass(frozen=True)
class AudioStream:
    """One sound track."""

    index: int
    codec: str
    channels: int
    sample_rate: int
    language: str | None
    """As the container says it; ISO 639-2 mostly."""
    title: str | None
    is_default: bool
    duration: Fraction | None
    bits: int = 16
    """Of a sample, as far as that is known."""


@dataclass(frozen=True)
class SubtitleStream:
    """One track of subtitles."""

    index: int
    codec: str
    language: str | None
    is_default: bool

    @property
    def is_text(self) -> bool:
        """Whether it is made of words, not of pictures."""
        return self.codec in _TEXT_SUBTITLES


@dataclass(frozen=True)
class LeftOut:
    """A stream that nothing can be made of."""

    is_video: bool
    codec: str


def choose_audio(tracks: Sequence[AudioStream]) -> AudioStream | None:
    """The track that a player would play first."""
    return next((track for track in tracks if track.is_default), tracks[0] if tracks else None)


@dataclass(frozen=True)
class MediaInfo:
    """A film as its container describes it."""

    format_name: str
    """ffmpeg's names of the demuxer, with commas."""
    brand: str | None
    """MP4's major brand."""
    size_bytes: int
    start: Fraction
    duration: Fraction
    """Seconds; 0 when there is nothing in it."""
    video: VideoStream | None
    audio: tuple[AudioStream, ...]
    stream_count: int
    encrypted: bool
    left_out: tuple[LeftOut, ...] = ()
    """Streams of a codec that is not known or not accepted."""
    barred: tuple[tuple[int, str], ...] = ()
    """Index and decoder of every stream, of whatever kind, that must not be decoded."""
    subtitles: tuple[SubtitleStream, ...] = ()

    @property
    def shown_from(self) -> Fraction:
        """When the first picture is shown, from the film's beginning."""
        return max(Fraction(0), self.video.start - self.start) if self.video else Fraction(0)

    @property
    def shown_until(self) -> Fraction | None:
        """When the last picture has been shown, by what the container says; None if it doesn't."""
        if self.video is None or self.video.duration is None:
            return None
        # Some containers count a track's length from its own beginning, and some from the film's.
        return min(self.duration, self.shown_from + self.video.duration)

    @property
    def is_mp4_family(self) -> bool:
        """MP4, MOV, 3GP and their kin."""
        return "mp4" in self.format_name.split(",")

    @property
    def mime_type(self) -> str:
        """By content, not by name."""
        kind = "video" if self.video else "audio"
        names = self.format_name.split(",")
        if self.is_mp4_family:
            if kind == "video" and (self.brand or "").startswith("qt"):
                return "video/quicktime"
            if (self.brand or "").startswith("3g"):
                return f"{kind}/3gpp"
            return f"{kind}/mp4"
        if "matroska" in names:
            codecs = {a.codec for a in self.audio} | ({self.video.codec} if self.video else set())
            return f"{kind}/webm" if codecs <= _WEBM_CODECS else f"{kind}/x-matroska"
        return {
            "mpegts": "video/mp2t",
            "avi": "video/x-msvideo",
            "flv": "video/x-flv",
            "asf": f"{kind}/x-ms-{'wmv' if self.video else 'wma'}",
            "mp3": "audio/mpeg",
        }.get(names[0], f"{kind}/{names[0]}")

    def facts(self) -> MediaFacts:
        """What the status and the manifest say of it."""
        audio = choose_audio(self.audio)
        return MediaFacts(
            duration_seconds=round(float(self.duration), 3),
            width=self.video.shown.width if self.video else None,
            height=self.video.shown.height if self.video else None,
            video_codec=self.video.codec if self.video else None,
            audio_codec=audio.codec if audio else None,
            mime_type=self.mime_type,
            bytes=self.size_bytes,
        )
