"""What ffprobe says of a file, and what its packets show, as facts.

Called by ``probe``. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from .media import (
    NO_CODEC,
    AudioStream,
    LeftOut,
    Mastering,
    MediaInfo,
    Size,
    SubtitleStream,
    VideoStream,
)
from .packets import PacketMeter

_EXACT = frozenset({"mov", "matroska", "avi", "asf", "flv", "wav", "w64", "flac", "ogg", "aiff"})
"""Containers that say how long they are; of others, ffmpeg estimates it."""
_LANGUAGE = re.compile(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
_CLOCK = re.compile(r"^(\d+):(\d\d):(\d\d(?:\.\d+)?)$")
_MKVMERGE_TAG = "_statistics_"
_MAX_RATE = 250
_ENDING = frozenset({"mov", "matroska", "asf"})
"""Containers that say when they end; of a part of something longer, that is not its length."""
_MAX_START_SECONDS = Fraction(1, 4)

Document = Mapping[str, Any]


def parse_probe(document: Document, size_bytes: int, meter: PacketMeter) -> MediaInfo:
    """Turn ffprobe's JSON, and what its packets showed, into facts."""
    form, streams = document["format"], document["streams"]
    video = choose_video(streams)
    left_out = _left_out(streams, video)
    said = said_duration(form)
    start = _fraction(form.get("start_time")) or Fraction(0)
    measured = meter.end - max(start, Fraction(0))
    duration = said if said is not None and meter.count else measured
    names = str(form.get("format_name", "")).split(",")
    return MediaInfo(
        format_name=",".join(names),
        brand=_tags(form).get("major_brand"),
        size_bytes=size_bytes,
        start=start,
        duration=max(Fraction(0), duration if meter.count else Fraction(0)),
        video=_parse_video(video, meter, document.get("first_frame", ()))
        if video and not left_out.get(video["index"])
        else None,
        audio=tuple(
            _parse_audio(s)
            for s in streams
            if s.get("codec_type") == "audio" and _has_sound(s) and s["index"] not in left_out
        ),
        subtitles=tuple(
            _parse_subtitles(s)
            for s in streams
            if s.get("codec_type") == "subtitle" and "barred" not in s
        ),
        left_out=tuple(left_out.values()),
        barred=tuple(document.get("barred", {}).items()),
        stream_count=len(streams),
        encrypted=meter.encrypted,
    )


def choose_video(streams: Sequence[Document]) -> Document | None:
    """The stream of moving pictures that a player would show; cover pictures are none."""
    found = [
        stream
        for stream in streams
        if stream.get("codec_type") == "video"
        and not stream.get("disposition", {}).get("attached_pic")
        and not stream.get("disposition", {}).get("still_image")
    ]
    default = [stream for stream in found if stream.get("disposition", {}).get("default")]
    return next(iter(default or found), None)


def said_duration(form: Document) -> Fraction | None:
    """What the container says of its length; None where that is no more than a guess."""
    said, start = _fraction(form.get("duration")), _fraction(form.get("start_time"))
    demuxers = set(str(form.get("format_name", "")).split(","))
    if said is not None and start is not None and start > _MAX_START_SECONDS and _ENDING & demuxers:
        said -= start
    is_exact = bool(_EXACT & demuxers)
    return said if said is not None and said > 0 and is_exact else None


def _left_out(streams: Sequence[Document], video: Document | None) -> dict[int, LeftOut]:
    """Streams that nothing can be made of: by their index, pictures only if they are the film's."""
    found = {}
    for stream in streams:
        codec = stream.get("codec_name", "unknown")
        kind = stream.get("codec_type")
        counts = kind == "audio" or stream is video
        if counts and (codec in NO_CODEC or "barred" in stream):
            name = str(stream.get("barred") or stream.get("codec_tag_string") or "unknown")
            found[int(stream["index"])] = LeftOut(is_video=kind == "video", codec=name)
    return found


def _parse_video(
    stream: Document, meter: PacketMeter, first_frame: Sequence[Document]
) -> VideoStream:
    rate = _frame_rate(stream, meter)
    pixel_format = str(stream.get("pix_fmt", ""))
    typical = meter.typical_distance
    drifts = bool(typical) and abs((typical or 1) * rate - 1) > Fraction(2, 100)
    interlaced = stream.get("field_order", "progressive") in ("tt", "bb", "tb", "bt")
    return VideoStream(
        index=int(stream["index"]),
        codec=str(stream.get("codec_name", "unknown")),
        coded=Size(int(stream.get("width", 0)), int(stream.get("height", 0))),
        rotation=_rotation(stream),
        pixel_aspect=_pixel_aspect(stream),
        pixel_format=pixel_format,
        frame_rate=rate,
        start=_fraction(stream.get("start_time")) or Fraction(0),
        duration=_duration(stream),
        frames=_frames(stream),
        variable=meter.is_uneven() or (drifts and not interlaced),
        interlaced=interlaced,
        full_range=stream.get("color_range") == "pc" or pixel_format.startswith("yuvj"),
        transfer=stream.get("color_transfer"),
        keyframe_seconds=meter.keyframe_seconds,
        primaries=_said(stream, "color_primaries"),
        matrix=_said(stream, "color_space"),
        mastering=_mastering([*first_frame, *stream.get("side_data_list", ())]),
        only_dolby_vision=_is_only_dolby_vision(stream),
        bit_rate=int(stream["bit_rate"]) if str(stream.get("bit_rate")).isdecimal() else None,
    )


def _parse_audio(stream: Document) -> AudioStream:
    tags = _tags(stream)
    return AudioStream(
        index=int(stream["index"]),
        codec=str(stream.get("codec_name", "unknown")),
        channels=int(stream.get("channels", 0)),
        sample_rate=int(stream.get("sample_rate", 0)),
        language=_language(stream),
        title=tags.get("title"),
        is_default=bool(stream.get("disposition", {}).get("default")),
        duration=_duration(stream),
        bits=_bits(stream),
    )


def _bits(stream: Document) -> int:
    """Of a sample; codecs that lose something don't say, and 16 are enough for them."""
    said = (str(stream.get(key, 0)) for key in ("bits_per_raw_sample", "bits_per_sample"))
    return max((int(text) for text in said if text.isdecimal()), default=0) or 16


def _parse_subtitles(stream: Document) -> SubtitleStream:
    return SubtitleStream(
        index=int(stream["index"]),
        codec=str(stream.get("codec_name", "unknown")),
        language=_language(stream),
        is_default=bool(stream.get("disposition", {}).get("default")),
    )


def _language(stream: Document) -> str | None:
    said = _tags(stream).get("language", "")
    return said if _LANGUAGE.match(said) and said != "und" else None


def _has_sound(stream: Document) -> bool:
    """False for a track that is declared and has no data; often ffmpeg can't tell its sample rate."""
    if stream.get("empty"):
        return False
    unknown = stream.get("codec_name", "unknown") in NO_CODEC
    return unknown or (int(stream.get("sample_rate", 0)) > 0 and int(stream.get("channels", 0)) > 0)


def _frame_rate(stream: Document, meter: PacketMeter) -> Fraction:
    """The average, as far as it is believable."""
    said = [_fraction(stream.get(key)) for key in ("avg_frame_rate", "r_frame_rate")]
    for rate in (said[0], meter.mean_rate, said[1]):
        if rate is not None and 0 < rate <= _MAX_RATE:
            return rate
    return Fraction(25)


def _rotation(stream: Document) -> int:
    """As ffmpeg turns pictures itself: by the display matrix, whatever a tag says."""
    for side in stream.get("side_data_list", ()):
        if "rotation" in side:
            return round(float(side["rotation"])) % 360
    return 0


def _is_only_dolby_vision(stream: Document) -> bool:
    """Whether what lies below Dolby's additions is fit for nothing else (as in profile 5)."""
    sides = stream.get("side_data_list", ())
    return any(side.get("dv_bl_signal_compatibility_id") == 0 for side in sides)


def _mastering(said: Sequence[Document]) -> Mastering | None:
    """What the container or the first frame says of the screen it was graded on."""
    sides: dict[str, Any] = {}
    for side in said:
        sides |= side
    places = [
        f"{colour}_{axis}" for colour in ("green", "blue", "red", "white_point") for axis in "xy"
    ]
    primaries = [_fraction(sides.get(place)) for place in places]
    most, least = _fraction(sides.get("max_luminance")), _fraction(sides.get("min_luminance"))
    light = sides.get("max_content"), sides.get("max_average")
    found = Mastering(
        primaries=tuple(p for p in primaries if p is not None) if None not in primaries else (),
        luminance=(most, least) if most and least is not None else None,
        light=(int(light[0]), int(light[1] or 0)) if light[0] else None,
    )
    return None if found == Mastering() else found


def _said(stream: Document, key: str) -> str | None:
    value = stream.get(key)
    return None if value in (None, "unknown", "reserved") else str(value)


def _pixel_aspect(stream: Document) -> Fraction:
    aspect = _fraction(str(stream.get("sample_aspect_ratio", "1:1")).replace(":", "/"))
    return aspect if aspect is not None and Fraction(1, 16) <= aspect <= 16 else Fraction(1)


def _duration(stream: Document) -> Fraction | None:
    """Of the stream; Matroska has it in a tag, or when it ends if ffmpeg has written that."""
    said, tags = _fraction(stream.get("duration")), _tags(stream)
    if said is None and (match := _CLOCK.match(tags.get("duration", ""))):
        said = int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3])
        if not any(name.startswith(_MKVMERGE_TAG) for name in tags):
            said -= max(Fraction(0), _fraction(stream.get("start_time")) or Fraction(0))
    return said if said is not None and said > 0 else None


def _frames(stream: Document) -> int | None:
    text = str(stream.get("nb_frames") or "")
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _tags(part: Document) -> dict[str, str]:
    return {str(key).lower(): str(value) for key, value in part.get("tags", {}).items()}


def _fraction(value: object) -> Fraction | None:
    """``25/1``, ``1.5`` or nothing sensible."""
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        return None
