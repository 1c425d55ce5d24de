"""Estimates of what a pass costs: CPU seconds, memory, bytes.

Called by ``plan.py``. Pure, and rough on purpose: the numbers are for progress, time limits and
for refusing what can't fit, not for billing. They were measured on one x86-64 core.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from videojob_api.steps import VideoCodec
from videojob_api.steps.encoding import TRAITS

from .budget import Budget
from .errors import NotDoable
from .graph import Graph, seconds_of
from .nodes import Compare, Filtered, Metric, Node, Noise, WriteChanges
from .sounds import AudioEncoding
from .video import VideoCopy, VideoEncoding

_DECODE_NS_PER_PIXEL = 2.7
_ENCODE_NS_PER_PIXEL = {
    VideoCodec.H264: (5.0, 7.0, 10.0, 14.0, 18.0, 23.0, 38.0, 70.0, 140.0),
    VideoCodec.HEVC: (11.0, 17.0, 22.0, 22.0, 22.0, 24.0, 68.0, 160.0, 320.0),
    VideoCodec.AV1: (300.0, 150.0, 74.0, 41.0, 33.0, 28.0, 19.0, 13.0, 8.0, 8.0, 8.0),
}
"""By preset, the fastest name first and the slowest number."""
_TEN_BIT_FACTOR = 1.15
_TONE_MAP_NS_PER_PIXEL = 20.0
_AUDIO_CPU_PER_SECOND = 0.03
_KEYFRAME_SHARE = 0.05
_READING_NS_PER_PIXEL = {"WriteChanges": 0.6, "PSNR": 1.5, "SSIM": 2.0, "VMAF": 25.0}
_READING_BYTES_PER_FRAME = {"WriteChanges": 140, "PSNR": 140, "SSIM": 90, "VMAF": 900}
_SCALE_NS_PER_PIXEL = 2.0
_GRADIENT_CPU_SECONDS = 0.45

_BASE_BYTES = 60 << 20
_BYTES_PER_PIXEL = 1.5
_DECODER_FRAMES = 8
_ENCODER_FRAMES = {VideoCodec.H264: 20, VideoCodec.HEVC: 80, VideoCodec.AV1: 150}
_FRAMES_PER_THREAD = 2
_GRADIENT_BYTES = 720 << 20
"""torch, the network and what it keeps on the way; in the worker's own process."""
_VMAF_BYTES_PER_PIXEL = 56
"""For each thread, and once more."""


def estimate_cpu_seconds(graph: Graph) -> float:
    """CPU time of the whole pass."""
    media = graph.media
    total = float(media.duration) * _AUDIO_CPU_PER_SECOND * max(1, len(graph.meters))
    if media.video is not None and graph.needs_video:
        frames = float(media.duration * media.video.frame_rate)
        share = _KEYFRAME_SHARE if graph.keyframes_only or graph.sought else 1.0
        total += frames * media.video.coded.pixels * _DECODE_NS_PER_PIXEL * 1e-9 * share
        for encoding in graph.video_encodings:
            settings = encoding.settings
            presets = TRAITS[settings.codec].presets
            cost = _ENCODE_NS_PER_PIXEL[settings.codec][presets.index(settings.preset)]
            if encoding.form.bit_depth > 8:
                cost *= _TEN_BIT_FACTOR
            made = frames * float(seconds_of(encoding.picture.node, media) / media.duration)
            total += made * encoding.size.pixels * cost * 1e-9
        total += frames * _tone_mapped_pixels(graph) * _TONE_MAP_NS_PER_PIXEL * 1e-9
        total += frames * _reading_ns(graph) * 1e-9
        for _ in _gradients(graph):
            total += frames * media.video.coded.pixels * _DECODE_NS_PER_PIXEL * 1e-9
        pictures = float(media.duration) * float(sum(n.frame_rate for n in _gradients(graph)))
        total += pictures * _GRADIENT_CPU_SECONDS
    return max(0.1, total)


def _gradients(graph: Graph) -> list[Noise]:
    """Noise that is computed by a network, from the film decoded once more."""
    return [noise for noise in graph.noises if noise.seen is not None]


def _tone_mapped_pixels(graph: Graph) -> int:
    """Of each frame, in the largest size of those that lose their high dynamic range."""
    flat = [e for e in graph.video_encodings if e.picture.form.hdr and not e.form.hdr]
    return max((encoding.size.pixels for encoding in flat), default=0)


def estimate_bytes(graph: Graph) -> int:
    """Size of all files together: half of what the caps allow, for films seldom reach them."""
    total = Fraction(0)
    seconds = graph.media.duration
    for file in graph.files:
        for encoding in file.encodings:
            if isinstance(encoding, AudioEncoding):
                kbps = Fraction(encoding.estimated_kbps)
            elif isinstance(encoding, VideoEncoding):
                kbps = Fraction(encoding.cap_kbps(graph.media.video), 2)
            elif isinstance(encoding, VideoCopy):
                total += graph.media.size_bytes
                continue
            else:
                kbps = Fraction(1)
            total += kbps * 125 * seconds
    total += sum(pictures.limit * pictures.size.pixels * 2 for pictures in graph.pictures)
    rate = graph.media.video.frame_rate if graph.media.video else Fraction(25)
    frames = ceil(seconds * rate)
    total += sum(frames * _READING_BYTES_PER_FRAME[name] for name, _ in _readings(graph))
    return int(total)


def _readings(graph: Graph) -> list[tuple[str, int]]:
    """Everything that is measured of each frame, and of how many pixels."""
    pixels = graph.media.video.coded.pixels if graph.media.video else 0
    found, waiting = dict[Node, tuple[str, int]](), [r.node for r in graph.readings]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Filtered):
            continue
        waiting += node.parents
        if isinstance(node.filter, WriteChanges):
            found[node] = ("WriteChanges", pixels)
        elif isinstance(node.filter, Compare):
            found[node] = (node.filter.metric.value, pixels)
    return [*found.values(), *((Metric.VMAF.value, pixels) for _ in graph.comparisons)]


def _reading_ns(graph: Graph) -> float:
    """Of each frame: the numbers, and the decoding and scaling of what is compared with it."""
    video = graph.media.video
    compared = len(graph.other_inputs) * (video.coded.pixels if video else 0)
    scaled = compared * (_DECODE_NS_PER_PIXEL + _SCALE_NS_PER_PIXEL)
    return scaled + sum(_READING_NS_PER_PIXEL[name] * p for name, p in _readings(graph))


def estimate_memory(graph: Graph, threads: int) -> int:
    """Resident bytes at the peak, of the process and of what is computed beside it; on the low side."""
    frames: float = 0
    if graph.media.video is not None and graph.needs_video:
        each = graph.media.video.coded.pixels * (_DECODER_FRAMES + _FRAMES_PER_THREAD * threads)
        frames += each * max(1, graph.sought)
        for encoding in graph.video_encodings:
            kept = _ENCODER_FRAMES[encoding.settings.codec] + _FRAMES_PER_THREAD * threads
            frames += encoding.size.pixels * kept * (1 if encoding.form.bit_depth == 8 else 2)
        compared = len(graph.other_inputs) * (_DECODER_FRAMES + _FRAMES_PER_THREAD * threads)
        frames += graph.media.video.coded.pixels * compared
        shown = len(_gradients(graph)) * (_DECODER_FRAMES + _FRAMES_PER_THREAD * threads)
        frames += graph.media.video.coded.pixels * shown
        beside = _VMAF_BYTES_PER_PIXEL * (1 + threads_beside(graph, threads)) / _BYTES_PER_PIXEL
        frames += sum(comparison.size.pixels for comparison in graph.comparisons) * beside
    torch_bytes = _GRADIENT_BYTES if _gradients(graph) else 0
    return int(_BASE_BYTES + torch_bytes + frames * _BYTES_PER_PIXEL)


def threads_beside(graph: Graph, threads: int) -> int:
    """For each program beside ffmpeg: all of them keep pace with the slowest."""
    return max(1, threads // max(1, len(graph.comparisons)))


def affordable_threads(graph: Graph, budget: Budget) -> int:
    """As many threads as the budget has, fewer if that many would not fit into its memory.

    Raises:
        NotDoable: if even one thread would not.
    """
    if budget.memory_bytes is None:
        return budget.threads
    for threads in range(budget.threads, 0, -1):
        if estimate_memory(graph, threads) <= budget.memory_bytes:
            return threads
    needed = estimate_memory(graph, 1)
    raise NotDoable(
        f"The steps need about {in_words(needed)} of memory and the worker may use "
        f"{in_words(budget.memory_bytes)}; raise resources.limits.memory, or ask for fewer or "
        "smaller renditions."
    )


def in_words(size_bytes: int) -> str:
    """``1.5 GiB`` and the like."""
    size = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
