"""Encoders' options in ffmpeg's words.

Called by ``commands`` alone. Pure.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from videojob_api.steps import VideoCodec
from videojob_api.steps.encoding import Tune

from ..encoders import VideoEncoder
from ..graph import Graph, SubtitleEncoding
from ..media import Mastering, VideoStream
from ..sounds import AudioCodec, AudioEncoding
from ..spans import Span, span_of
from ..video import VideoCopy, VideoEncoding
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
_ISO_LEVELS = 10_000
"""Of the darkest brightness, in one nit (HEVC's own unit)."""
_ISO_PLACES = 50_000
_X264_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")
_NVENC_PRESETS = dict(zip((*_X264_PRESETS, "veryslow"), "122344567", strict=True))

_MP4_TAGS = {"h264": "avc1", "hevc": "hvc1", "av1": "av01", "aac": "mp4a"}
"""What MP4 calls codecs, by ffmpeg's names of them."""


def video_options(
    encoding: VideoEncoding, number: int, graph: Graph, encoder: VideoEncoder, threads: int
) -> Options:
    """Of the video stream with this number in its output."""
    video = graph.media.video
    rate = encoding.frame_rate or (video.even_rate if video else Fraction(25))
    tick = encoding.tick_seconds
    gop_frames = ceil(rate * encoding.gop_seconds)
    options: Options = {
        "c": encoder.value,
        "pix_fmt": encoding.form.pixel_format,
        "g": gop_frames,
        "force_key_frames": f"expr:not(mod(n,{gop_frames}))"
        if encoding.counted
        else f"expr:gte(t,n_forced*{encoding.gop_seconds})",
        "fps_mode": "vfr",
        "enc_time_base": f"{tick.numerator}/{tick.denominator}",
    }
    cap = encoding.cap_kbps(video)
    if encoder is VideoEncoder.X264:
        options |= _x264(encoding, cap, video)
    elif encoder is VideoEncoder.X265:
        options |= _x265(encoding, cap, video, threads)
    elif encoder is VideoEncoder.SVT_AV1:
        options |= _svt_av1(encoding, cap, video)
    else:
        options |= _nvenc(encoding, cap)
    return {f"{key}:v:{number}": value for key, value in options.items()}


def copy_options(encoding: VideoCopy, number: int, *, in_tee: bool) -> Options:
    """Of a video stream that is taken over as it is; a tee takes over the source's tag too."""
    codec = encoding.stream.codec
    options: Options = {f"c:v:{number}": "copy"}
    if codec in _MP4_TAGS and (in_tee or codec == "hevc"):
        options[f"tag:v:{number}"] = _MP4_TAGS[codec]
    if encoding.without_sei and codec in _SEI_UNITS:
        options[f"bsf:v:{number}"] = f"filter_units=remove_types={_SEI_UNITS[codec]}"
    return options


def _x264(encoding: VideoEncoding, cap_kbps: int, video: VideoStream | None) -> Options:
    settings = encoding.settings
    rate = _lost_rate(encoding, video)
    return {
        "preset": settings.preset.value,
        "profile": settings.profile.value,
        "sc_threshold": 0,
        # 0 would mean lossless, which is no High profile and plays nowhere.
        **_rate(encoding, cap_kbps, least_crf=1),
        **({"tune": settings.tune.value} if settings.tune else {}),
        **({"x264-params": f"fps={rate}"} if rate else {}),
    }


def _x265(
    encoding: VideoEncoding, cap_kbps: int, video: VideoStream | None, threads: int
) -> Options:
    """Threads are pinned, for their number changes the bytes; so does what it says of itself."""
    settings = encoding.settings
    frame_threads = max(1, min(threads, 4) // 2 + 1) if threads > 1 else 1
    parameters = [
        *("log-level=error", "info=0", "open-gop=0", "scenecut=0"),
        *(f"pools={threads}", f"frame-threads={frame_threads}"),
    ]
    rate = _lost_rate(encoding, video)
    parameters += [f"fps={rate}"] if rate else []
    if encoding.form.hdr:
        parameters += ["hdr10=1", "hdr10-opt=1"] if _is_pq(video) else []
        parameters += _x265_mastering(video.mastering if video else None)
    return {
        "preset": settings.preset.value,
        "profile": settings.profile.value,
        "tag": "hvc1",
        "forced-idr": 1,
        "x265-params": ":".join(parameters),
        **_rate(encoding, cap_kbps),
        **({"tune": settings.tune.value} if settings.tune else {}),
    }


def _svt_av1(encoding: VideoEncoding, cap_kbps: int, video: VideoStream | None) -> Options:
    """It caps a constant rate factor, but no average bitrate.

    Whatever the threads, only one level of parallelism gives the same bytes each time under a cap.
    """
    settings = encoding.settings
    parameters = ["lp=1", "scd=0"]
    if settings.tune:
        parameters.append(f"tune={0 if settings.tune is Tune.VQ else 1}")
    lost = _lost_rate(encoding, video)
    if lost:
        parameters += [f"fps-num={lost.numerator}", f"fps-denom={lost.denominator}"]
    if encoding.form.hdr:
        parameters += _svt_mastering(video.mastering if video else None)
    options: Options = {"preset": settings.preset.value, "svtav1-params": ":".join(parameters)}
    rate = _rate(encoding, cap_kbps, least_crf=1)  # 0 would mean that none was given
    if settings.bitrate_kbps is not None:
        rate = {"b": f"{settings.bitrate_kbps}k"}
    return options | rate


def _nvenc(encoding: VideoEncoding, cap_kbps: int) -> Options:
    settings = encoding.settings
    options: Options = {
        "preset": f"p{_NVENC_PRESETS.get(settings.preset.value, '4')}",
        "rc": "vbr",
        "no-scenecut": 1,
        "forced-idr": 1,
        "strict_gop": 1,
    }
    if settings.codec is not VideoCodec.AV1:
        options["profile"] = settings.profile.value
    if settings.codec is VideoCodec.HEVC:
        options["tag"] = "hvc1"
    if encoding.form.bit_depth == 10:
        options["pix_fmt"] = "p010le"
    rate = _rate(encoding, cap_kbps, least_crf=1)
    if settings.crf is not None:
        rate["cq"] = rate.pop("crf")
    return options | rate


def _lost_rate(encoding: VideoEncoding, video: VideoStream | None) -> Fraction | None:
    """The average rate of an uneven film that was cut: the filter that shifts times forgets it.

    Encoders would take the tick for a frame's length, and state a level far too high.
    """
    if encoding.frame_rate is None and span_of(encoding.picture.node) != Span():
        return video.even_rate if video else None
    return None


def _rate(encoding: VideoEncoding, cap_kbps: int, *, least_crf: int = 0) -> Options:
    """A constant rate factor or an average, and what it may be at most."""
    capped: Options = {"maxrate": f"{cap_kbps}k", "bufsize": f"{cap_kbps * 2}k"}
    if encoding.settings.crf is None:
        return {"b": f"{encoding.settings.bitrate_kbps}k", **capped}
    return {"crf": max(least_crf, encoding.settings.crf), **capped}


def _is_pq(video: VideoStream | None) -> bool:
    return video is not None and video.transfer == "smpte2084"


def _x265_mastering(said: Mastering | None) -> list[str]:
    found = []
    if said is not None and said.primaries and said.luminance is not None:
        places = [round(place * _ISO_PLACES) for place in said.primaries]
        pairs = zip("GBR", zip(places[0::2], places[1::2], strict=True), strict=False)
        display = "".join(f"{name}({x},{y})" for name, (x, y) in pairs)
        most, least = (round(nits * _ISO_LEVELS) for nits in said.luminance)
        found.append(f"master-display={display}WP({places[6]},{places[7]})L({most},{least})")
    if said is not None and said.light is not None:
        found.append(f"max-cll={said.light[0]},{said.light[1]}")
    return found


def _svt_mastering(said: Mastering | None) -> list[str]:
    found = []
    if said is not None and said.primaries and said.luminance is not None:
        p = [f"{float(place):.5f}" for place in said.primaries]
        most, least = (f"{float(nits):.4f}" for nits in said.luminance)
        display = f"G({p[0]},{p[1]})B({p[2]},{p[3]})R({p[4]},{p[5]})WP({p[6]},{p[7]})"
        found.append(f"mastering-display={display}L({most},{least})")
    if said is not None and said.light is not None:
        found.append(f"content-light={said.light[0]},{said.light[1]}")
    return found


def audio_options(encoding: AudioEncoding, number: int, *, in_tee: bool) -> Options:
    """Of the sound track with this number in its output."""
    options: Options = {"c": "copy"}
    if encoding.is_copy and in_tee and encoding.track.codec in _MP4_TAGS:
        options["tag"] = _MP4_TAGS[encoding.track.codec]
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


def subtitle_options(encoding: SubtitleEncoding, number: int) -> Options:
    """Of the track of subtitles with this number in its output."""
    options: Options = {f"c:s:{number}": "mov_text" if encoding.in_movie else "webvtt"}
    if encoding.track.language:
        options[f"metadata:s:s:{number}"] = f"language={encoding.track.language}"
    return options
