"""Decides whether a film's video can be taken over as it is.

Called by the transcode step where the user allows it. Pure: facts in, a reason or nothing out.
"""

from __future__ import annotations

from fractions import Fraction

from videojob_api.steps import Settled, VideoCodec

from .media import MediaInfo, VideoStream
from .nodes import Decoded
from .video import VideoEncoding

_NAMES = {"h264": VideoCodec.H264, "hevc": VideoCodec.HEVC, "av1": VideoCodec.AV1}


def find_hindrance(wanted: VideoEncoding, media: MediaInfo) -> str | None:
    """Why the film's own video is not what is wanted; None if it is."""
    video, settings = media.video, wanted.settings
    if video is None:
        return "the film has no video"
    if not isinstance(wanted.picture.node, Decoded):
        return "its pictures are changed on the way (trimmed, marked, cloaked, deinterlaced or flattened)"
    if _NAMES.get(video.codec) is not settings.codec:
        return f"the film's codec is {video.codec}"
    if video.coded != wanted.size or video.rotation or video.pixel_aspect != 1:
        return f"the film's frames are {video.coded}, turned or with pixels that are not square"
    if video.pixel_format != wanted.form.pixel_format or video.full_range:
        return f"the film's pixels are {video.pixel_format}"
    if video.is_hdr and not wanted.form.hdr:
        return "the film has high dynamic range"
    return _too_much(video, settings, media, wanted.cap_kbps(video))


def _too_much(video: VideoStream, settings: Settled, media: MediaInfo, cap_kbps: int) -> str | None:
    seconds = video.duration or media.duration
    most = settings.bitrate_kbps or cap_kbps
    # Where the container does not say it, all of the file counts.
    bits = video.bit_rate or int(Fraction(media.size_bytes * 8) / seconds)
    if bits > most * 1000:
        return f"the film has {bits // 1000} kbit/s, and {most} were asked for at most"
    return None
