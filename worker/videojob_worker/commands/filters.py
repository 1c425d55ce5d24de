"""Filters in ffmpeg's words, and how they are wired.

Called by ``commands`` alone. Pure. A node that several others need is split, so that nothing is
decoded or filtered twice.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

import ffmpeg

from ..graph import Encoding, Graph, Pictures, RawFrames, Readings, SubtitleEncoding
from ..nodes import (
    Compare,
    Conform,
    Cut,
    CutSound,
    Decoded,
    Deinterlace,
    Denoise,
    Double,
    Filter,
    Filtered,
    Flatten,
    Gain,
    Limit,
    Looped,
    Meter,
    Metric,
    Mix,
    Mixdown,
    Node,
    Noise,
    OnGrid,
    Overlay,
    PadSound,
    Perturb,
    Pick,
    PickAt,
    Resample,
    Scale,
    Steady,
    TakeTurns,
    ToneMap,
    ToRgb,
    WriteChanges,
    meter_name,
)
from ..sounds import AudioEncoding
from ..tally import UNCOUNTED
from ..video import VideoCopy
from ..whitelists import input_url
from . import colours, stretches

Stream = Any  # ffmpeg-python has no types
_DEBUG = 48
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_FINE_HZ = 192_000
_NEVER_A_FRAME = Fraction(2, 1000)


class Wiring:
    """Streams for everything in a graph; each node is made once, and split if need be."""

    def __init__(
        self,
        film: Stream,
        files: dict[Path, Stream],
        graph: Graph,
        threads: int,
        film_form: str | None = None,
    ) -> None:
        """Prepare.

        Args:
            film: the input.
            files: other inputs.
            graph: what is made of them.
            threads: for filters that have their own.
            film_form: the film's pixel format, where its decoder gives another.
        """
        self._film = film
        self._files = files
        self._threads = threads
        self._film_form = film_form
        self._graph = graph
        self._video = graph.media.video
        self._uses: Counter[Node] = Counter()
        self._ready: dict[Node, list[Stream]] = {}
        for node in graph.ends:
            self._count(node)

    def stream(self, end: Encoding | Pictures | Readings | RawFrames) -> Stream:
        """What goes into an encoder; to be asked for once."""
        if isinstance(end, VideoCopy):
            return self._film[str(end.stream.index)]
        if isinstance(end, SubtitleEncoding) or (isinstance(end, AudioEncoding) and end.is_copy):
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
            return self._decoded(node)
        if isinstance(node, Looped):
            return ffmpeg.input(input_url(node.path), f="wav", stream_loop=-1)
        if isinstance(node, Noise):
            return _noise(node)
        if isinstance(node.filter, Meter):
            return self._meter(node)
        if isinstance(node.filter, PadSound):
            sound = self._take(node.parents[0])
            return stretches.pad_sound(sound, node.filter, meter_name(node))
        return self._apply(node.filter, *(self._take(parent) for parent in node.parents))

    def _decoded(self, node: Decoded) -> Stream:
        stream = (self._files[node.file] if node.file else self._film)[str(node.index)]
        if node.file or node.is_audio or self._video is None:
            return stream
        if self._film_form is not None:
            stream = stream.filter("format", self._film_form)
        return colours.say_matrix(stream, self._video)

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
        if wanted.converts:
            size = wanted.size.width, wanted.size.height
            matrix = {"out_color_matrix": "bt709"} if wanted.from_rgb else {}
            stream = stream.filter("scale", *size, flags="bicubic", out_range="tv", **matrix)
            stream = stream.filter("format", wanted.form.pixel_format)
        stream = stream.filter("setsar", 1)
        return colours.say_all(stream, self._video, wanted.form, from_rgb=wanted.from_rgb)

    @_apply.register
    def _(self, wanted: Flatten, stream: Stream) -> Stream:
        if self._video is not None and self._video.is_rgb:
            stream = stream.filter("format", "gbrap")
        return stream.filter("premultiply", inplace=1)

    @_apply.register
    def _(self, wanted: ToneMap, stream: Stream) -> Stream:
        mapped = colours.tone_map(stream, self._video, wanted.peak_nits)
        return mapped.filter("format", wanted.form.pixel_format)

    @_apply.register
    def _(self, wanted: Overlay, stream: Stream, image: Stream) -> Stream:
        # An image is RGB; it is brought to the colours of the pictures before it is blended.
        matrix = colours.scalers_matrix(self._video, wanted.form)
        image = image.filter("format", "rgba").filter("colorchannelmixer", aa=wanted.opacity)
        options = {"flags": "bicubic", "out_color_matrix": matrix, "out_range": "tv"}
        image = image.filter("scale", wanted.width, -1, **options)
        image = image.filter("format", wanted.form.pixel_format.replace("yuv", "yuva"))
        left, middle, right = str(wanted.margin), "(W-w)/2", f"W-w-{wanted.margin}"
        top, centre, bottom = str(wanted.margin), "(H-h)/2", f"H-h-{wanted.margin}"
        x, y = {
            "TopLeft": (left, top),
            "TopRight": (right, top),
            "BottomLeft": (left, bottom),
            "BottomRight": (right, bottom),
            "Center": (middle, centre),
        }[wanted.position]
        form = "yuv420" if wanted.form.bit_depth == 8 else "yuv420p10"
        return ffmpeg.filter([stream, image], "overlay", x, y, format=form)

    @_apply.register
    def _(self, wanted: Cut, stream: Stream) -> Stream:
        return stretches.cut_pictures(stream, wanted)

    @_apply.register
    def _(self, wanted: CutSound, stream: Stream) -> Stream:
        return stretches.cut_sound(stream, wanted)

    @_apply.register
    def _(self, wanted: Scale, stream: Stream) -> Stream:
        return stream.filter("scale", wanted.size.width, wanted.size.height, flags="bicubic")

    @_apply.register
    def _(self, wanted: Perturb, stream: Stream, noise: Stream) -> Stream:
        # Adds the noise and takes its middle away; colours (planes 1 and 2) pass as they are.
        # Noise has no end; where it stops though, the film shall not go on without it.
        noise = colours.say_same(noise, self._video, wanted.form)
        modes = {"c0_mode": "grainmerge", "c1_mode": "normal", "c2_mode": "normal"}
        return ffmpeg.filter([stream, noise], "blend", shortest=1, **modes)

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
        scaled = stream.filter("scale", width, height, flags="bicubic")
        if wanted.hdr_peak_nits is not None:
            scaled = colours.tone_map(scaled, self._video, wanted.hdr_peak_nits)
        return scaled.filter("format", "rgb24")

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
    def _(self, wanted: Denoise, stream: Stream) -> Stream:
        return stream.filter("hqdn3d")

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
    def _(self, wanted: TakeTurns, stream: Stream, reference: Stream) -> Stream:
        # Each frame finds its reference, as it does where filters compare; one above the other, none
        # gets out of step.
        pictures = stream.filter_multi_output("split", 2)
        nothing_of_it = {"all_mode": "normal", "all_opacity": 0, "shortest": 1}
        found = ffmpeg.filter([pictures[0], reference], "blend", **nothing_of_it)
        both = ffmpeg.filter([found, pictures[1]], "vstack", shortest=1)
        # Both have the same time then; ffmpeg 7 complains of each that is not later than the last.
        return both.filter("untile", "1x2").filter("setpts", "N")

    @_apply.register
    def _(self, wanted: Mixdown, stream: Stream) -> Stream:
        # Not aformat: what it wants would be asked of the branches beside it too.
        # By itself it makes the sum of all channels fit for whole numbers only: a codec that wants
        # floats would get other sound, louder than what there is room for.
        options = {"out_chlayout": _LAYOUTS[wanted.channels], "rematrix_maxval": 1}
        return stream.filter("aresample", **options)

    @_apply.register
    def _(self, wanted: Double, stream: Stream) -> Stream:
        return _doubled(stream)

    @_apply.register
    def _(self, wanted: Mix, stream: Stream, other: Stream) -> Stream:
        other = other.filter("aresample", wanted.sample_rate)
        other = other.filter("volume", f"{wanted.other_db}dB")
        if wanted.channels > 1:
            other = _doubled(other)
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


def _doubled(mono: Stream) -> Stream:
    """On both sides. By a layout alone, each would be 3 dB softer."""
    return mono.filter("channelmap", map="0-FL|0-FR")


def _print(stream: Stream, key: str, path: Path) -> Stream:
    """Have a number of each frame written to a file."""
    return stream.filter("metadata", mode="print", key=f"lavfi.{key}", file=str(path))


def _noise(noise: Noise) -> Stream:
    """Pictures from a second before the film on, and never at the time of a frame.

    So no frame is without noise, and none gets the next one for a rounding error.
    """
    early = noise.early / noise.frame_rate + _NEVER_A_FRAME
    return ffmpeg.input(
        input_url(noise.path),
        f="rawvideo",
        pixel_format="yuv420p" if noise.bit_depth == 8 else f"yuv420p{noise.bit_depth}le",
        video_size=(noise.size.width, noise.size.height),
        framerate=str(noise.frame_rate),
        itsoffset=f"{-float(early):.6f}",
    )
