"""Encoders' options in ffmpeg's words.

Called by ``commands`` alone. Pure.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from ..encoders import VideoEncoder
from ..graph import AudioEncoding, Graph, VideoEncoding
from ..ladder import rate_cap_kbps
from .muxers import Options

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


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


def audio_options(encoding: AudioEncoding, number: int) -> Options:
    """Of the sound track with this number in its output."""
    options: Options = {"c": "copy"}
    if encoding.bitrate_kbps is not None:
        options = {"c": "aac", "b": f"{encoding.bitrate_kbps}k", "ac": encoding.channels}
        rate = encoding.track.sample_rate
        options["ar"] = min((r for r in _AAC_RATES if r >= rate), default=_AAC_RATES[-1])
    result = {f"{key}:a:{number}": value for key, value in options.items()}
    if encoding.track.language:
        result[f"metadata:s:a:{number}"] = f"language={encoding.track.language}"
    return result
