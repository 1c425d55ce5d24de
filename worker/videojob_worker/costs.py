"""Estimates of what a pass costs: CPU seconds, memory, bytes.

Called by ``plan.py``. Pure, and rough on purpose: the numbers are for progress, time limits and
for refusing what can't fit, not for billing. They were measured with x264 on one x86-64 core.
"""

from __future__ import annotations

from fractions import Fraction

from .budget import Budget
from .errors import NotDoable
from .graph import AudioEncoding, Graph
from .ladder import rate_cap_kbps

_DECODE_NS_PER_PIXEL = 2.7
_ENCODE_NS_PER_PIXEL = {
    "ultrafast": 5.0,
    "superfast": 7.0,
    "veryfast": 10.0,
    "faster": 14.0,
    "fast": 18.0,
    "medium": 23.0,
    "slow": 38.0,
}
_AUDIO_CPU_PER_SECOND = 0.03
_KEYFRAME_SHARE = 0.05

_BASE_BYTES = 60 << 20
_BYTES_PER_PIXEL = 1.5
_DECODER_FRAMES = 8
_ENCODER_FRAMES = 20
_FRAMES_PER_THREAD = 2


def estimate_cpu_seconds(graph: Graph) -> float:
    """CPU time of the whole pass."""
    media = graph.media
    total = float(media.duration) * _AUDIO_CPU_PER_SECOND
    if media.video is not None and graph.needs_video:
        frames = float(media.duration * media.video.frame_rate)
        share = _KEYFRAME_SHARE if graph.keyframes_only else 1.0
        total += frames * media.video.coded.pixels * _DECODE_NS_PER_PIXEL * 1e-9 * share
        for encoding in graph.video_encodings:
            cost = _ENCODE_NS_PER_PIXEL.get(encoding.preset, 40.0)
            total += frames * encoding.size.pixels * cost * 1e-9
    return max(0.1, total)


def estimate_bytes(graph: Graph) -> int:
    """Size of all files together: half of what the caps allow, for films seldom reach them."""
    total = Fraction(0)
    seconds = graph.media.duration
    rate = graph.media.video.frame_rate if graph.media.video else Fraction(25)
    for file in graph.files:
        for encoding in file.encodings:
            if isinstance(encoding, AudioEncoding):
                kbps = Fraction(encoding.bitrate_kbps or 192)
            else:
                kbps = Fraction(rate_cap_kbps(encoding.size, rate), 2)
            total += kbps * 125 * seconds
    total += sum(pictures.limit * pictures.size.pixels * 2 for pictures in graph.pictures)
    return int(total)


def estimate_memory(graph: Graph, threads: int) -> int:
    """Resident bytes of the process at its peak, on the low side."""
    frames: float = 0
    if graph.media.video is not None and graph.needs_video:
        frames += graph.media.video.coded.pixels * (_DECODER_FRAMES + _FRAMES_PER_THREAD * threads)
        for encoding in graph.video_encodings:
            frames += encoding.size.pixels * (_ENCODER_FRAMES + _FRAMES_PER_THREAD * threads)
    return int(_BASE_BYTES + frames * _BYTES_PER_PIXEL)


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
