"""Filters in ffmpeg's words, and how they are wired.

Called by ``commands`` alone. Pure. A node that several others need is split, so that nothing is
decoded or filtered twice.
"""

from __future__ import annotations

from collections import Counter
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

import ffmpeg

from ..graph import (
    Encoding,
    Graph,
    Pictures,
    Readings,
    VideoCopy,
)
from ..nodes import (
    Compare,
    Conform,
    Decoded,
    Deinterlace,
    Filter,
    Filtered,
    Gain,
    Limit,
    Looped,
    Meter,
    Metric,
    Mix,
    Mixdown,
    Node,
    OnGrid,
    Pick,
    PickAt,
    Resample,
    Scale,
    Steady,
    ToRgb,
    WriteChanges,
    meter_name,
)
from ..sounds import AudioEncoding
from ..tally import UNCOUNTED
from ..whitelists import input_url

Stream = Any  # ffmpeg-python has no types
_DEBUG = 48
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_FINE_HZ = 192_000


class Wiring:
    """Streams for everything in a graph; each node is made once, and split if need be."""

    def __init__(self, film: Stream, files: dict[Path, Stream], graph: Graph, threads: int) -> None:
        """Prepare.

        Args:
            film: the input.
            files: other inputs.
            graph: what is made of them.
            threads: for filters that have their own.
        """
        self._film = film
        self._files = files
        self._threads = threads
        self._graph = graph
        self._uses: Counter[Node] = Counter()
        self._ready: dict[Node, list[Stream]] = {}
        for node in graph.ends:
            self._count(node)

    def stream(self, end: Encoding | Pictures | Readings) -> Stream:
        """What goes into an encoder; to be asked for once."""
        if isinstance(end, VideoCopy):
            return self._film[str(end.stream.index)]
        if isinstance(end, AudioEncoding) and end.is_copy:
            return self._film[str(end.track.index)]
        return self._take(self._graph.node_of(end))

    def meter(self, node: Node) -> Stream:
        """What is only listened to; to be asked for once."""
        return self._take(node)

    def _take(self, node: Node) -> Stream:
        """The node's stream, for one use."""
        if node not in self._ready:
            self._ready[node] = self._branch(node, self._make(node))
        return self._ready[node].pop(0)

    def _count(self, node: Node) -> None:
        self._uses[node] += 1
        if self._uses[node] == 1 and isinstance(node, Filtered):
            for parent in node.parents:
                self._count(parent)

    def _make(self, node: Node) -> Stream:
        if isinstance(node, Decoded):
            return (self._files[node.file] if node.file else self._film)[str(node.index)]
        if isinstance(node, Looped):
            return ffmpeg.input(input_url(node.path), f="wav", stream_loop=-1)
        if isinstance(node.filter, Meter):
            return self._meter(node)
        return self._apply(node.filter, *(self._take(parent) for parent in node.parents))

    def _meter(self, node: Filtered) -> Stream:
        # Its account of each moment would fill the log: it says that only to who debugs it.
        name = f"ebur128@{meter_name(node)}"
        return self._take(node.parents[0]).filter(name, peak="true", framelog=_DEBUG)

    def _branch(self, node: Node, stream: Stream) -> list[Stream]:
        count = self._uses[node]
        if count == 1:
            return [stream]
        split = stream.filter_multi_output("asplit" if node.is_audio else "split", count)
        return [split[number] for number in range(count)]

    @singledispatchmethod
    def _apply(self, wanted: Filter, *streams: Stream) -> Stream:
        raise TypeError(f"no words for the filter {wanted!r}")

    @_apply.register
    def _(self, wanted: Deinterlace, stream: Stream) -> Stream:
        if (
            self._graph.keyframes_only
        ):  # neighbours in time are seconds away: take one field of each
            return stream.filter("field", type="top")
        return stream.filter("bwdif", mode="send_frame", deint="interlaced")

    @_apply.register
    def _(self, wanted: Conform, stream: Stream) -> Stream:
        if not wanted.converts:
            return stream.filter("setsar", 1)
        width, height = wanted.size.width, wanted.size.height
        scaled = stream.filter("scale", width, height, flags="bicubic", out_range="tv")
        return scaled.filter("format", "yuv420p").filter("setsar", 1)

    @_apply.register
    def _(self, wanted: Scale, stream: Stream) -> Stream:
        return stream.filter("scale", wanted.size.width, wanted.size.height, flags="bicubic")

    @_apply.register
    def _(self, wanted: Resample, stream: Stream) -> Stream:
        return stream.filter("fps", fps=str(wanted.frame_rate), start_time=0)

    @_apply.register
    def _(self, wanted: Pick, stream: Stream) -> Stream:
        rate = f"{float(wanted.rate):.9f}"
        if wanted.centred and not self._graph.keyframes_only:
            place = f"floor(t*{rate}+0.5)"
            before = f"floor(prev_selected_t*{rate}+0.5)"
            expression = f"gte({place},1)*(isnan(prev_selected_t)+gt({place},{before}))"
        else:
            expression = f"isnan(prev_selected_t)+gt(floor(t*{rate}),floor(prev_selected_t*{rate}))"
        return stream.filter("select", expression)

    @_apply.register
    def _(self, wanted: PickAt, stream: Stream) -> Stream:
        # A place on the grid for each millisecond holds the frame that is shown then; nothing is
        # copied on the way. Frame n of the grid is that of millisecond n.
        grid = stream.filter(f"fps@{UNCOUNTED}", fps=1000, round="up", start_time=0)
        # The last frame is shown until the film ends, however long its sound goes on.
        grid = grid.filter("tpad", stop=wanted.milliseconds[-1] + 1, stop_mode="clone")
        chosen = "+".join(f"eq(n,{millisecond})" for millisecond in wanted.milliseconds)
        return grid.filter("select", chosen)

    @_apply.register
    def _(self, wanted: ToRgb, stream: Stream) -> Stream:
        width, height = wanted.size.width, wanted.size.height
        return stream.filter("scale", width, height, flags="bicubic").filter("format", "rgb24")

    @_apply.register
    def _(self, wanted: Steady, stream: Stream) -> Stream:
        return stream.filter("aresample", **{"async": 1, "first_pts": 0})

    @_apply.register
    def _(self, wanted: WriteChanges, stream: Stream) -> Stream:
        small = stream.filter("scale", 96, -2, flags="fast_bilinear").filter("format", "gray")
        bright = _print(small.filter("signalstats"), "signalstats.YAVG", wanted.brightness)
        # The median of a span comes out with the time of its first frame, and needs a whole span.
        radius = wanted.steadiness
        padded = bright.filter("tpad", stop=2 * radius, stop_mode="clone")
        scored = padded.filter("tmedian", radius=radius).filter("scdet", threshold=100)
        return _print(scored, "scd.score", wanted.changes)

    @_apply.register
    def _(self, wanted: OnGrid, stream: Stream) -> Stream:
        step = f"{wanted.step.numerator}/{wanted.step.denominator}"
        return stream.filter("settb", step).filter("setpts", "PTS-STARTPTS")

    @_apply.register
    def _(self, wanted: Compare, stream: Stream, reference: Stream) -> Stream:
        words: dict[Metric, tuple[str, dict[str, Any]]] = {
            Metric.PSNR: ("psnr", {"stats_file": str(wanted.log)}),
            Metric.SSIM: ("ssim", {"stats_file": str(wanted.log)}),
            Metric.VMAF: (
                "libvmaf",
                {"log_path": str(wanted.log), "log_fmt": "json", "n_threads": self._threads},
            ),
        }
        name, options = words[wanted.metric]
        return ffmpeg.filter([stream, reference], name, shortest=1, **options)

    @_apply.register
    def _(self, wanted: Mixdown, stream: Stream) -> Stream:
        return stream.filter("aformat", channel_layouts=_LAYOUTS[wanted.channels])

    @_apply.register
    def _(self, wanted: Mix, stream: Stream, other: Stream) -> Stream:
        other = other.filter("aresample", wanted.sample_rate)
        other = other.filter("volume", f"{wanted.other_db}dB")
        if wanted.channels > 1:
            other = other.filter("channelmap", map="0-FL|0-FR")  # a layout alone would soften it
        mixed = ffmpeg.filter([stream, other], "amix", 2, duration="first", normalize=0)
        return mixed.filter("volume", f"{-wanted.headroom_db}dB") if wanted.headroom_db else mixed

    @_apply.register
    def _(self, wanted: Gain, stream: Stream) -> Stream:
        return stream.filter("volume", f"{wanted.db}dB")

    @_apply.register
    def _(self, wanted: Limit, stream: Stream) -> Stream:
        # Peaks lie between samples: it has to see the wave, by more of them.
        limit = f"{10 ** (wanted.peak_db / 20):.6f}"
        fine = stream.filter("aresample", max(_FINE_HZ, wanted.sample_rate))
        limited = fine.filter("alimiter", limit=limit, level=0, latency=1)
        return limited.filter("aresample", wanted.sample_rate)


def _print(stream: Stream, key: str, path: Path) -> Stream:
    """Have a number of each frame written to a file."""
    return stream.filter("metadata", mode="print", key=f"lavfi.{key}", file=str(path))
