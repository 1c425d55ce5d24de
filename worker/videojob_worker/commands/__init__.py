"""Turns a graph into the arguments of one ffmpeg process; the only place that knows its syntax.

Called by ``plan.py``. Pure: it builds lists with ffmpeg-python and runs nothing. What it writes
must work with ffmpeg 5.1 as well as with 7.

The film is decoded once, and what several files share is encoded once and handed to all of them by
the tee muxer. Beside this: ``filters`` for what happens in between, ``codecs``, ``muxers``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import ffmpeg

from ..encoders import CPU, Device
from ..graph import Container, Encoding, File, Graph, Pictures, RawFrames, Readings
from ..groups import group_files
from ..nodes import PickAt
from ..sounds import AudioEncoding
from ..video import VideoCopy, VideoEncoding
from ..whitelists import image_options, input_options, input_url
from . import decoders
from .codecs import audio_options, copy_options, subtitle_options, video_options
from .filters import Stream, Wiring
from .muxers import Options, build_slave, letter_of, muxer_options

_LINK = re.compile(r"\[(s\d+)\]")
"""Between two filters, as ffmpeg-python names it."""
_OTHER_INPUT = re.compile(r"\[[1-9]\d*(?::\d+)?\]")
_OTHERS = "other inputs"
_BEFORE_MS = 2000
"""So much before a time that is sought, the film is read from."""
_PICTURE_OPTIONS: Options = {
    "f": "image2",
    "c:v": "png",
    "compression_level": 1,
    "map_metadata": -1,
    "fps_mode": "vfr",
    "enc_time_base": "1/1000",
}


def build_command(
    graph: Graph,
    source: Path,
    *,
    threads: int,
    max_seconds: int,
    max_pixels: int,
    device: Device = CPU,
) -> tuple[str, ...]:
    """The arguments that make everything in a graph.

    Args:
        graph: what to make.
        source: the untrusted input.
        threads: for decoder, filters and each encoder.
        max_seconds: stop reading there, whatever the timestamps say.
        max_pixels: largest frame that may be decoded.
        device: chooses the encoders, and the decoder of the film.
    """
    trusted: Options = {"threads": threads, **input_options(max_pixels)}
    if graph.sought:
        return _finish(_build_sought(graph, source, trusted), threads)
    options: Options = {**trusted, "t": max_seconds}
    if graph.keyframes_only:
        options["skip_frame"] = "nokey"
    by_gpu = decoders.may_gain(graph, device) and graph.media.video
    if by_gpu:
        options |= decoders.gpu_options(by_gpu)
    film = ffmpeg.input(input_url(source), **options)
    files = {path: ffmpeg.input(input_url(path), **trusted) for path in graph.other_inputs}
    files |= {path: ffmpeg.input(input_url(path), **image_options()) for path in graph.images}
    wiring = Wiring(film, files, graph, threads, by_gpu.pixel_format if by_gpu else None)
    outputs = [
        _build_output(group, graph, wiring, threads, device) for group in group_files(graph.files)
    ]
    outputs += [_build_picture_output(picked, wiring, threads) for picked in graph.pictures]
    outputs += [_build_empty_output(readings, wiring) for readings in graph.readings]
    outputs += [_build_raw_output(frames, wiring) for frames in graph.frames]
    outputs += [ffmpeg.output(wiring.meter(node), "-", f="null") for node in graph.meters]
    return _finish(outputs, threads)


def numbered(graph: Graph) -> tuple[tuple[VideoEncoding, int, int], ...]:
    """The video encodings with the numbers of their output and stream in the command."""
    found = []
    for output, group in enumerate(group_files(graph.files)):
        encodings = dict.fromkeys(e for file in group for e in file.encodings)
        video = [e for e in encodings if isinstance(e, VideoEncoding | VideoCopy)]
        found += [
            (encoding, output, stream)
            for stream, encoding in enumerate(video)
            if isinstance(encoding, VideoEncoding)
        ]
    return tuple(found)


def _finish(outputs: Sequence[Stream], threads: int) -> tuple[str, ...]:
    """The whole command."""
    return (
        *("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "level+verbose"),
        *("-progress", "pipe:1", "-nostats", "-max_error_rate", "1"),
        *("-filter_threads", str(threads), "-filter_complex_threads", str(threads)),
        *_apart(ffmpeg.merge_outputs(*outputs).get_args()),
    )


def _apart(words: Sequence[str]) -> list[str]:
    """The same arguments, with what shares no stream inside a filter graph in graphs of its own.

    ffmpeg sets a graph up anew when one of its inputs changes its size or layout, and holds the frames
    of all others until each has had its first. So sound would have a hole filled twice because of the
    pictures, and pictures would pile up until late sound begins.
    """
    found: list[str] = []
    for option, word in pairwise(["", *words]):
        if option == "-filter_complex":
            found.pop()
            found += [part for graph in _split(word) for part in (option, graph)]
        else:
            found.append(word)
    return found


def _split(graph: str) -> list[str]:
    """Chains of filters in groups that share no link, in their order.

    What reads other inputs than the film is one group: between graphs, ffmpeg 5 reads these only when
    the film has ended, and what is mixed with them would end too early.
    """
    groups: list[tuple[list[str], set[str]]] = []
    for chain in re.split(r"(?<!\\);", graph):
        links = set(_LINK.findall(chain))
        if _OTHER_INPUT.search(chain):
            links.add(_OTHERS)
        joined = [group for group in groups if not group[1].isdisjoint(links)]
        place = groups.index(joined[0]) if joined else len(groups)
        chains = [chain for group in joined for chain in group[0]]
        for group in joined:
            links |= group[1]
            groups.remove(group)
        groups.insert(place, ([*chains, chain], links))
    return [";".join(chains) for chains, _ in groups]


def _build_output(
    group: Sequence[File],
    graph: Graph,
    wiring: Wiring,
    threads: int,
    device: Device,
) -> Stream:
    """One ffmpeg output: a file, or a tee to several that share encodings."""
    # In the order in which ffmpeg numbers streams: pictures, sound, words.
    encodings = sorted(
        dict.fromkeys(e for file in group for e in file.encodings),
        key=lambda e: "vas".index(letter_of(e)),
    )
    is_tee = len(group) > 1
    in_tee = is_tee and not any(f.container is Container.MATROSKA for f in group)
    options: Options = {"threads": threads, **_plain_options(is_tee)}
    numbers: dict[Encoding, int] = {}
    counts: Counter[str] = Counter()
    for encoding in encodings:
        numbers[encoding] = number = counts[letter_of(encoding)]
        counts[letter_of(encoding)] += 1
        if isinstance(encoding, VideoEncoding):
            chosen = device.encoder(encoding.settings.codec, encoding.form.bit_depth)
            options |= video_options(encoding, number, graph, chosen, threads)
        elif isinstance(encoding, VideoCopy):
            options |= copy_options(encoding, number, in_tee=in_tee)
        elif isinstance(encoding, AudioEncoding):
            options |= audio_options(encoding, number, in_tee=in_tee)
        else:
            options |= subtitle_options(encoding, number)
    ordered = [wiring.stream(e) for e in encodings]
    if not is_tee:
        options |= {**muxer_options(group[0]), "fflags": "+bitexact"}
        return ffmpeg.output(*ordered, str(group[0].path), **options)
    slaves = "|".join(build_slave(file, numbers) for file in group)
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


def _build_picture_output(picked: Pictures, wiring: Wiring, threads: int) -> Stream:
    """PNG files named by their time in milliseconds."""
    options: Options = {**_PICTURE_OPTIONS, "threads": threads, "frame_pts": 1}
    options |= {"frames:v": picked.limit}
    return ffmpeg.output(wiring.stream(picked), str(picked.folder / "%d.png"), **options)


def _build_sought(graph: Graph, source: Path, options: Options) -> list[Stream]:
    """A picture for each time, from an input that begins a moment before it."""
    outputs = []
    for pictures in graph.pictures:
        for millisecond in pictures.pick.milliseconds if isinstance(pictures.pick, PickAt) else ():
            begin = max(0, millisecond - _BEFORE_MS)
            length = millisecond - begin + _BEFORE_MS
            moment: Options = {"ss": f"{begin / 1000:.3f}", "t": f"{length / 1000:.3f}"}
            film = ffmpeg.input(input_url(source), **moment, **{**options, "threads": 1})
            alone = replace(pictures, pick=PickAt((millisecond - begin,)), limit=1)
            wiring = Wiring(film, {}, Graph(graph.media, pictures=[alone]), threads=1)
            path = str(pictures.folder / f"{millisecond}.png")
            written = {**_PICTURE_OPTIONS, "frames:v": 1, "update": 1}
            outputs.append(ffmpeg.output(wiring.stream(alone), path, **written))
    return outputs


def _build_raw_output(frames: RawFrames, wiring: Wiring) -> Stream:
    """Bare pixels, frame by frame."""
    stream = wiring.stream(frames)
    return ffmpeg.output(stream, str(frames.path), f="rawvideo", fps_mode="passthrough")


def _build_empty_output(readings: Readings, wiring: Wiring) -> Stream:
    """Nothing: what is wanted has been written by filters."""
    return ffmpeg.output(wiring.stream(readings), "-", f="null", fps_mode="passthrough")
