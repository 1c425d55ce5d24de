"""Turns a graph into the arguments of one ffmpeg process; the only place that knows its syntax.

Called by ``plan.py``. Pure: it builds lists with ffmpeg-python and runs nothing. What it writes
must work with ffmpeg 5.1 as well as with 7.

The film is decoded once. Pictures are picked before anything is scaled; each size is scaled from
the next larger one; what several files share is encoded once and handed to all of them by the tee
muxer.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import ffmpeg

from .encoders import VideoEncoder
from .graph import (
    AudioEncoding,
    Container,
    Encoding,
    File,
    Graph,
    Pictures,
    VideoEncoding,
)
from .media import Size, VideoStream
from .whitelists import input_options, input_url

Stream = Any  # ffmpeg-python has no types
Options = dict[str, str | int]

RATE_CAPS_KBPS = (
    #  short side, bits: what the capped constant quality may take for up to 30 frames a second
    (240, 500),
    (360, 1000),
    (480, 2000),
    (576, 2500),
    (720, 4000),
    (1080, 8000),
    (1440, 16000),
    (2160, 32000),
    (4320, 96000),
)
_FINE_TICKS = 90_000
_TICKS_PER_FRAME = 8
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MUXERS: dict[Container, Options] = {
    Container.FASTSTART_MP4: {"f": "mp4", "movflags": "+faststart"},
    Container.FRAGMENTED_MP4: {
        "f": "mp4",
        "movflags": "+frag_keyframe+delay_moov+default_base_moof",
    },
    Container.MP3: {"f": "mp3"},
    Container.OGG: {"f": "ogg"},
    Container.FLAC: {"f": "flac"},
    Container.WAV: {"f": "wav"},
    Container.MATROSKA: {"f": "matroska"},
    Container.ASF: {"f": "asf"},
    Container.AC3: {"f": "ac3"},
    Container.EAC3: {"f": "eac3"},
    Container.AMR: {"f": "amr"},
}
_SOUND_FRAGMENTS: Options = {
    "movflags": "+delay_moov+default_base_moof",
    "frag_duration": 1_000_000,
}


def build_command(
    graph: Graph,
    source: Path,
    *,
    threads: int,
    max_seconds: int,
    max_pixels: int,
    encoder: VideoEncoder = VideoEncoder.X264,
) -> tuple[str, ...]:
    """The arguments that make everything in a graph.

    Args:
        graph: what to make.
        source: the untrusted input.
        threads: for decoder, filters and each encoder.
        max_seconds: stop reading there, whatever the timestamps say.
        max_pixels: largest frame that may be decoded.
        encoder: of H.264.
    """
    options: Options = {"threads": threads, "t": max_seconds, **input_options(max_pixels)}
    if graph.keyframes_only:
        options["skip_frame"] = "nokey"
    film = ffmpeg.input(input_url(source), **options)
    streams, pictures = _build_video(graph, film)
    streams |= _build_audio(graph, film)
    outputs = [_build_output(group, graph, streams, threads, encoder) for group in graph.groups]
    outputs += [
        _build_picture_output(pictures[number], picked, threads)
        for number, picked in enumerate(graph.pictures)
    ]
    return (
        *("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "level+verbose"),
        *("-progress", "pipe:1", "-nostats", "-max_error_rate", "1"),
        *("-filter_threads", str(threads), "-filter_complex_threads", str(threads)),
        *ffmpeg.merge_outputs(*outputs).get_args(),
    )


def rate_cap_kbps(size: Size, frame_rate: Fraction) -> int:
    """Most bits a second for a size; half as much again above 30 frames a second."""
    tabulated = next((cap for short, cap in RATE_CAPS_KBPS if size.short <= short), None)
    cap = tabulated or RATE_CAPS_KBPS[-1][1]
    return cap * 3 // 2 if frame_rate > 31 else cap


def _build_video(graph: Graph, film: Stream) -> tuple[dict[Encoding, Stream], list[Stream]]:
    """A stream for every video encoding, and one for every lot of pictures."""
    video = graph.media.video
    if video is None or not graph.needs_video:
        return {}, []
    root = _deinterlace(film[str(video.index)], video, graph.keyframes_only)
    sizes = graph.sizes
    branches = _branch(root, len(graph.pictures) + (1 if sizes else 0))
    pictures = [_pick(branches.pop(), picked, graph) for picked in graph.pictures]
    streams: dict[Encoding, Stream] = {}
    current = branches.pop() if sizes else None
    for number, size in enumerate(sizes):
        here = [encoding for encoding in graph.video_encodings if encoding.size == size]
        last = number == len(sizes) - 1
        scaled = _scale(current, size, video, is_first=number == 0)
        parts = _branch(scaled, len(here) + (0 if last else 1))
        for encoding in here:
            streams[encoding] = _resample(parts.pop(0), encoding)
        current = None if last else parts.pop()
    return streams, pictures


def _branch(stream: Stream, count: int, splitter: str = "split") -> list[Stream]:
    """The stream, as often as it is needed."""
    if count == 1:
        return [stream]
    split = stream.filter_multi_output(splitter, count)
    return [split[number] for number in range(count)]


def _deinterlace(stream: Stream, video: VideoStream, keyframes_only: bool) -> Stream:
    if not video.interlaced:
        return stream
    if keyframes_only:  # neighbours in time are seconds away: take one field of each frame
        return stream.filter("field", type="top")
    return stream.filter("bwdif", mode="send_frame", deint="interlaced")


def _scale(stream: Stream, size: Size, video: VideoStream, *, is_first: bool) -> Stream:
    """Scale; the first one also makes pixels square and 8 bit, with limited range."""
    if not is_first:
        return stream.filter("scale", size.width, size.height, flags="bicubic")
    is_plain = video.pixel_format == "yuv420p" and not video.full_range
    if video.coded == size and video.rotation == 0 and is_plain:
        return stream.filter("setsar", 1)
    return (
        stream.filter("scale", size.width, size.height, flags="bicubic", out_range="tv")
        .filter("format", "yuv420p")
        .filter("setsar", 1)
    )


def _resample(stream: Stream, encoding: VideoEncoding) -> Stream:
    if not encoding.resampled:
        return stream
    return stream.filter("fps", fps=str(encoding.frame_rate), start_time=0)


def _pick(stream: Stream, picked: Pictures, graph: Graph) -> Stream:
    """Let the first frame of each interval through; scale only those."""
    rate = f"{float(picked.per_slot / picked.slot_seconds):.9f}"
    if picked.centred and not graph.keyframes_only:
        place = f"floor(t*{rate}+0.5)"
        before = f"floor(prev_selected_t*{rate}+0.5)"
        expression = f"gte({place},1)*(isnan(prev_selected_t)+gt({place},{before}))"
    else:
        expression = f"isnan(prev_selected_t)+gt(floor(t*{rate}),floor(prev_selected_t*{rate}))"
    return (
        stream.filter("select", expression)
        .filter("scale", picked.size.width, picked.size.height, flags="bicubic")
        .filter("format", "rgb24")
    )


def _build_audio(graph: Graph, film: Stream) -> dict[Encoding, Stream]:
    """A stream for every sound encoding: as it is for copies, else without gaps from 0 on."""
    wanted: list[AudioEncoding] = [e for e in graph.encodings if isinstance(e, AudioEncoding)]
    streams: dict[Encoding, Stream] = {}
    for index in dict.fromkeys(encoding.track.index for encoding in wanted):
        own = [encoding for encoding in wanted if encoding.track.index == index]
        encoded = [encoding for encoding in own if encoding.bitrate_kbps is not None]
        streams |= {e: film[str(index)] for e in own if e.bitrate_kbps is None}
        if encoded:
            whole = film[str(index)].filter("aresample", **{"async": 1, "first_pts": 0})
            parts = _branch(whole, len(encoded), "asplit")
            streams.update(zip(encoded, parts, strict=True))
    return streams


def _build_output(
    group: Sequence[File],
    graph: Graph,
    streams: dict[Encoding, Stream],
    threads: int,
    encoder: VideoEncoder,
) -> Stream:
    """One ffmpeg output: a file, or a tee to several that share encodings."""
    encodings = list(dict.fromkeys(e for file in group for e in file.encodings))
    video = [e for e in encodings if isinstance(e, VideoEncoding)]
    audio = [e for e in encodings if isinstance(e, AudioEncoding)]
    is_tee = len(group) > 1
    options: Options = {"threads": threads, **_plain_options(is_tee)}
    for number, picture in enumerate(video):
        options |= _video_options(picture, number, graph, encoder)
    for number, sound in enumerate(audio):
        options |= _audio_options(sound, number)
    ordered = [*(streams[e] for e in video), *(streams[e] for e in audio)]
    if not is_tee:
        options |= {**_muxer(group[0]), "fflags": "+bitexact"}
        return ffmpeg.output(*ordered, str(group[0].path), **options)
    slaves = "|".join(_slave(file, video, audio) for file in group)
    return ffmpeg.output(*ordered, slaves, f="tee", **options)


def _plain_options(is_tee: bool) -> Options:
    """Nothing of the source's metadata; the same bytes every time.

    The tee muxer does not tell encoders that MP4 wants their headers apart, so this does.
    """
    headers = "+global_header" if is_tee else ""
    return {
        "map_metadata": -1,
        "map_chapters": -1,
        "flags:v": f"+bitexact+cgop{headers}",
        "flags:a": f"+bitexact{headers}",
    }


def _muxer(file: File) -> Options:
    has_video = any(isinstance(encoding, VideoEncoding) for encoding in file.encodings)
    if file.container is Container.FRAGMENTED_MP4 and not has_video:
        return {**_MUXERS[file.container], **_SOUND_FRAGMENTS}
    return _MUXERS[file.container]


def _slave(file: File, video: list[VideoEncoding], audio: list[AudioEncoding]) -> str:
    """A file in the tee muxer's own notation."""
    chosen = [
        f"v:{video.index(e)}" if isinstance(e, VideoEncoding) else f"a:{audio.index(e)}"
        for e in file.encodings
    ]
    options = {**_muxer(file), "fflags": "+bitexact"}
    written = ":".join(f"{key}={value}" for key, value in options.items())
    return f"[select=\\'{','.join(chosen)}\\':{written}]{_tee_path(file.path)}"


def _tee_path(path: Path) -> str:
    """A path as the tee muxer reads it: its special characters behind backslashes."""
    return "".join(f"\\{c}" if c in "\\'|[] " else c for c in str(path))


def _video_options(
    encoding: VideoEncoding, number: int, graph: Graph, encoder: VideoEncoder
) -> Options:
    video = graph.media.video
    rate = encoding.frame_rate or (video.even_rate if video else Fraction(25))
    tick = Fraction(1, _FINE_TICKS)
    if encoding.frame_rate is not None:
        # Takes out the jitter of times in milliseconds, and moves no frame noticeably.
        tick = 1 / encoding.frame_rate / (1 if encoding.resampled else _TICKS_PER_FRAME)
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


def _audio_options(encoding: AudioEncoding, number: int) -> Options:
    options: Options = {"c": "copy"}
    if encoding.bitrate_kbps is not None:
        options = {"c": "aac", "b": f"{encoding.bitrate_kbps}k", "ac": encoding.channels}
        rate = encoding.track.sample_rate
        options["ar"] = min((r for r in _AAC_RATES if r >= rate), default=_AAC_RATES[-1])
    result = {f"{key}:a:{number}": value for key, value in options.items()}
    if encoding.track.language:
        result[f"metadata:s:a:{number}"] = f"language={encoding.track.language}"
    return result


def _build_picture_output(stream: Stream, picked: Pictures, threads: int) -> Stream:
    """PNG files named by their time in milliseconds."""
    options: Options = {"f": "image2", "c:v": "png", "compression_level": 1, "threads": threads}
    options |= {"fps_mode": "vfr", "enc_time_base": "1/1000", "frame_pts": 1}
    options |= {"frames:v": picked.limit, "map_metadata": -1}
    return ffmpeg.output(stream, str(picked.folder / "%d.png"), **options)
