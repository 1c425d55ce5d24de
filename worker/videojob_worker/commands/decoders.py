"""A film's decoder in ffmpeg's words, and the command that proves a GPU's.

Called by ``commands`` and by ``device``. Pure.

A GPU's frames are fetched into memory, where all filters are, and laid out as the CPU's decoder would:
behind that, nothing in a graph knows who decoded.
"""

from __future__ import annotations

from pathlib import Path

from ..encoders import Device
from ..graph import Graph
from ..media import VideoStream
from ..whitelists import input_options, input_url
from .muxers import Options

_CODECS = frozenset({"h264", "hevc", "vp9", "av1"})
_FETCHED = {"yuv420p": "nv12", "yuv420p10le": "p010le"}
"""As a GPU lays out what the CPU's decoder has in planes."""


def may_gain(graph: Graph, device: Device) -> bool:
    """Whether a GPU decodes for a graph: where all is decoded, setting it up costs less than it saves."""
    return device.decodes and graph.decodes_all_frames


def is_readable(video: VideoStream) -> bool:
    """Whether a GPU may be able to decode it at all."""
    return video.codec in _CODECS and video.pixel_format in _FETCHED


def gpu_options(video: VideoStream) -> Options:
    """What stands before an input that a GPU decodes; one thread, for each more wants surfaces."""
    options: Options = {"hwaccel": "cuda", "threads": 1}
    if video.codec == "av1":  # the usual one, libdav1d, knows no GPU
        options[f"c:{video.index}"] = "av1"
    return options


def build_decoder_probe(video: VideoStream, source: Path, max_pixels: int) -> tuple[str, ...]:
    """The command that has a GPU decode the film's first frame, and fails if the CPU did.

    Asked for by itself, a GPU that can't is replaced by the CPU without a word; a filter that takes
    a GPU's frames alone is not content with that. Turning a picture would be a filter before it.
    """
    asked = {**input_options(max_pixels), **gpu_options(video), "hwaccel_output_format": "cuda"}
    options = [part for name, value in asked.items() for part in (f"-{name}", str(value))]
    fetch = f"hwdownload,format={_FETCHED[video.pixel_format]}"
    return (
        *("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", *options, "-noautorotate"),
        *("-i", input_url(source), "-map", f"0:{video.index}", "-frames:v", "1"),
        *("-vf", fetch, "-f", "null", "-"),
    )
