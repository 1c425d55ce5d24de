"""Encoders' options in ffmpeg's words.

Called by ``commands`` alone. Pure.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from ..encoders import VideoEncoder
from ..graph import Graph, VideoCopy, VideoEncoding
from ..ladder import rate_cap_kbps
from ..sounds import AudioCodec, AudioEncoding
from .muxers import Options

_LOW_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_RATES = {
    AudioCodec.AAC: _LOW_RATES,
    AudioCodec.MP3: _LOW_RATES,
    AudioCodec.OPUS: (8000, 12000, 16000, 24000, 48000),
}
"""What is chosen from where none is asked for; the others take any."""
_SEI_UNITS = {"h264": "6", "hevc": "39|40", "av1": "5", "mpeg2video": "178"}
"""Units of the bitstream that say something beside the pictures: SEI, metadata, user data."""
_ENCODERS = {AudioCodec.MP3: "libmp3lame", AudioCodec.OPUS: "libopus"}


def video_options(
    encoding: VideoEncoding, number: int, graph: Graph, encoder: VideoEncoder
) -> Options:
    """Of the video stream with this number in its output."""
    video = graph.media.video
    rate = encoding.frame_rate or (video.even_rate if video else Fraction(25))
    tick = encoding.tick_seconds
    cap = rate_cap_kbps(encoding.size, rate)
    options: Options = {
        "c": encoder.value,
        "profile": "high",
        "pix_fmt": "yuv420p",
        "maxrate": f"{cap}k",
        "bufsize": f"{cap * 2}k",
        "g": ceil(rate * encoding.gop_seconds),
        "force_key_frames": f"expr:gte(t,n_forced*{encoding.gop_seconds})",
        "fps_mode": "vfr",
        "enc_time_base": f"{tick.numerator}/{tick.denominator}",
    }
    if encoder is VideoEncoder.NVENC:
        options |= {"preset": "p4", "rc": "vbr", "cq": encoding.crf}
        options |= {"no-scenecut": 1, "forced-idr": 1, "strict_gop": 1}
    else:
        # 0 would mean lossless, which is no High profile and plays nowhere.
        options |= {"preset": encoding.preset, "crf": max(1, encoding.crf), "sc_threshold": 0}
    return {f"{key}:v:{number}": value for key, value in options.items()}


def copy_options(encoding: VideoCopy, number: int) -> Options:
    """Of a video stream that is taken over as it is."""
    codec = encoding.stream.codec
    options: Options = {f"c:v:{number}": "copy"}
    if codec == "hevc":
        options[f"tag:v:{number}"] = "hvc1"
    if encoding.without_sei and codec in _SEI_UNITS:
        options[f"bsf:v:{number}"] = f"filter_units=remove_types={_SEI_UNITS[codec]}"
    return options


def audio_options(encoding: AudioEncoding, number: int) -> Options:
    """Of the sound track with this number in its output."""
    options: Options = {"c": "copy"}
    if not encoding.is_copy:
        encoder = _ENCODERS.get(encoding.codec, encoding.codec_name)
        options = {"c": encoder, "ac": encoding.channels, "ar": _sample_rate(encoding)}
    if encoding.bitrate_kbps is not None:
        options["b"] = f"{encoding.bitrate_kbps}k"
    if encoding.codec is AudioCodec.FLAC:
        options["sample_fmt"] = "s32" if encoding.bits > 16 else "s16"
    result = {f"{key}:a:{number}": value for key, value in options.items()}
    if encoding.track.language:
        result[f"metadata:s:a:{number}"] = f"language={encoding.track.language}"
    return result


def _sample_rate(encoding: AudioEncoding) -> int:
    """As asked for, or the track's own or the next one that the codec knows."""
    if encoding.sample_rate is not None:
        return encoding.sample_rate
    own = encoding.track.sample_rate
    known = _RATES.get(encoding.codec, (own,))
    return min((rate for rate in known if rate >= own), default=known[-1])
