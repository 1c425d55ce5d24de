"""Decides whether a film is acceptable for what is to be made of it.

Called by ``run.py`` right after probing. Pure: facts in, nothing or a Rejected out.
"""

from __future__ import annotations

from collections.abc import Sequence

from videojob_api.base import parse_quantity
from videojob_api.reasons import RejectReason
from videojob_api.steps import Step
from videojob_api.videojob import Limits

from .errors import Rejected
from .media import MediaInfo
from .steps import kind_of

MAX_STREAMS = 64


def validate(media: MediaInfo, limits: Limits, steps: Sequence[Step]) -> None:
    """Accept a film for some steps, or say why not.

    Raises:
        Rejected: with what was got, what is wanted and what to do.
    """
    _check_whole(media, limits)
    _check_streams(media, steps)
    _check_extent(media, limits)


def _check_whole(media: MediaInfo, limits: Limits) -> None:
    largest = int(parse_quantity(limits.max_bytes))
    if media.size_bytes > largest:
        raise Rejected(
            RejectReason.TOO_LARGE,
            f"The file has {media.size_bytes} bytes; at most {limits.max_bytes} are accepted. "
            "Upload a smaller one, or raise limits.maxBytes.",
        )
    if media.stream_count > MAX_STREAMS:
        raise too_many_streams(str(media.stream_count))
    if media.encrypted:
        raise Rejected(
            RejectReason.ENCRYPTED,
            "The film is encrypted (DRM); only films without protection can be worked on. Upload "
            "it unprotected.",
        )


def _check_streams(media: MediaInfo, steps: Sequence[Step]) -> None:
    must = [step for step in steps if not step.may_fail]
    needs_video = next((s.name for s in must if kind_of(s).needs_video), None)
    needs_audio = next((s.name for s in must if kind_of(s).needs_audio), None)
    if media.video is None and needs_video:
        _refuse_left_out(media, needs_video, is_video=True)
        raise Rejected(
            RejectReason.NO_VIDEO_STREAM,
            f"The file has no video, which step {needs_video!r} needs (a cover picture is not "
            "video). Upload a film, or leave the step out.",
        )
    if not media.audio and needs_audio:
        _refuse_left_out(media, needs_audio, is_video=False)
        raise Rejected(
            RejectReason.NO_AUDIO_STREAM,
            f"The film has no sound, which step {needs_audio!r} needs. Upload one with sound, or "
            "leave the step out.",
        )
    if media.video is not None and media.video.only_dolby_vision and needs_video:
        raise Rejected(
            RejectReason.UNSUPPORTED_CODEC,
            "The film is Dolby Vision without a picture that others can show (as in profile 5): its "
            "colours would be false. Export it as HDR10, HLG or Dolby Vision profile 8.",
        )
    if media.video is not None and not media.video.coded.pixels:
        raise Rejected(
            RejectReason.DAMAGED,
            "The file says that it has video, and no picture could be found in it. Export it "
            "again, and upload that.",
        )


def _refuse_left_out(media: MediaInfo, step: str, *, is_video: bool) -> None:
    """Refuse if there is what a step needs, only of a codec that is not known or accepted."""
    codec = next((s.codec for s in media.left_out if s.is_video is is_video), None)
    if codec is not None:
        what = "video" if is_video else "sound"
        raise Rejected(
            RejectReason.UNSUPPORTED_CODEC,
            f"The only {what} of the file, which step {step!r} needs, is of a codec that is not "
            f"accepted ({codec}). Export it as H.264 with AAC.",
        )


def _check_extent(media: MediaInfo, limits: Limits) -> None:
    if media.duration <= 0:
        raise Rejected(
            RejectReason.ZERO_DURATION,
            "The film lasts 0 seconds: there is nothing in it. Check how it was made, and upload "
            "it again.",
        )
    if media.duration > limits.max_duration_seconds:
        raise Rejected(
            RejectReason.TOO_LONG,
            f"The film lasts {float(media.duration):.0f} s; at most {limits.max_duration_seconds} "
            "are accepted. Upload a shorter one, or raise limits.maxDurationSeconds.",
        )
    if media.video is not None and media.video.coded.pixels > limits.max_pixels:
        raise too_many_pixels(str(media.video.coded), limits)


def too_many_pixels(size: str, limits: Limits) -> Rejected:
    """The refusal of frames that are too large, wherever it is found out."""
    return Rejected(
        RejectReason.TOO_MANY_PIXELS,
        f"Its frames are {size}; at most {limits.max_pixels} pixels in a frame are accepted. "
        "Upload a smaller film, or raise limits.maxPixels.",
    )


def too_many_streams(count: str) -> Rejected:
    """The refusal of a file with more streams than anybody needs, wherever it is found out."""
    return Rejected(
        RejectReason.TOO_MANY_STREAMS,
        f"The file has {count} streams; at most {MAX_STREAMS} are accepted. Export it with only the "
        "streams that are needed.",
    )
