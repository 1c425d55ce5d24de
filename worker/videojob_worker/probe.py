"""Finds out what a file is, with a sandboxed ffprobe.

Called by ``run.py`` on the fetched file. Python itself reads nothing of it but the sizes of its
parts (``structure.py``) and a few first bytes for the wording of a refusal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videojob_api.reasons import RejectReason
from videojob_api.videojob import Limits

from . import refusals
from .described import Document, choose_video, parse_probe, said_duration
from .errors import FFmpegFailed, Rejected, SaidTooMuch
from .media import HDR_TRANSFERS, MediaInfo
from .packets import ENTRIES, Extents, PacketMeter
from .structure import find_cut
from .whitelists import input_options, input_url, opening_bytes

if TYPE_CHECKING:
    from .ffmpeg import Completed, Tools

_TIMEOUT_SECONDS = 120.0
_SLOWEST_BYTES_PER_SECOND = 10_000_000
_SAMPLE_SECONDS = 20
_MAX_BARRED = 16


def probe(source: Path, tools: Tools, limits: Limits) -> MediaInfo:
    """Describe a file.

    Args:
        source: the fetched file.
        tools: runs ffprobe in its sandbox.
        limits: of the job; frames with more pixels are never allocated.

    Raises:
        Rejected: if it is no film that is accepted here.
    """
    size_bytes = source.stat().st_size
    if size_bytes == 0:
        raise Rejected(
            RejectReason.EMPTY, "The file has 0 bytes. Check how it was uploaded, and do it again."
        )
    prober = _Prober(source, tools, limits)
    completed = _describe(prober)
    cut = find_cut(source)
    document = json.loads(completed.stdout or b"{}") if completed.exit_code == 0 else {}
    video, barred = choose_video(document.get("streams", ())), prober.barred
    is_barred = video is not None and video.get("index") in barred
    has_no_size = video is not None and not video.get("width") and not is_barred
    if not document.get("streams") or has_no_size:
        with source.open("rb") as file:
            head = file.read(refusals.HEAD_BYTES)
        raise refusals.explain(completed.stderr_tail, head, cut, limits)
    if cut is not None:
        raise refusals.ends_early(cut)
    for stream in document["streams"]:
        if stream["index"] in barred:
            stream["barred"] = barred[stream["index"]]
    document["barred"] = barred
    if video is not None and video.get("color_transfer") in HDR_TRANSFERS:
        document["first_frame"] = _look_at_first_frame(video, prober)
    meter = _measure_packets(document, prober)
    _mark_empty(document["streams"], meter, prober)
    return parse_probe(document, size_bytes, meter)


def measure(source: Path, media: MediaInfo, tools: Tools, limits: Limits) -> Extents:
    """Look at every packet of a file: for when something seems to be missing of it.

    Raises:
        FFmpegFailed: if it can't be read to its end.
    """
    extents = Extents()
    prober = _Prober(source, tools, limits, dict(media.barred))
    prober.run("-show_entries", ENTRIES, on_line=extents.feed)
    return extents


@dataclass(frozen=True)
class _Prober:
    """ffprobe, for one untrusted file."""

    source: Path
    tools: Tools
    limits: Limits
    barred: dict[int, str] = field(default_factory=dict)
    """Streams whose codec is not accepted, with its name: opened, never decoded."""

    def run(self, *words: str, on_line: Callable[[str], None] | None = None) -> Completed:
        """Ask for something: as JSON, which may fail, or as lines of CSV, which must not."""
        pairs = [*input_options(self.limits.max_pixels).items()]
        pairs += [(f"codec_whitelist:{index}", name) for index, name in self.barred.items()]
        options = tuple(word for name, value in pairs for word in (f"-{name}", str(value)))
        form = ("-of", "csv" if on_line else "json", "-i", input_url(self.source))
        return self.tools.run(
            ("ffprobe", "-v", "error" if on_line else "warning", *options, *words, *form),
            timeout_seconds=_TIMEOUT_SECONDS
            + self.source.stat().st_size / _SLOWEST_BYTES_PER_SECOND,
            on_stdout_line=on_line,
            data_bytes=opening_bytes(self.limits.max_pixels),
            check=on_line is not None,
        )


def _describe(prober: _Prober) -> Completed:
    """What ffprobe describes; notes which streams have a codec that is not accepted.

    ffprobe gives up at the first of them. Told their numbers, it opens those decoders too, but
    still decodes nothing with them.
    """
    while True:
        try:
            completed = prober.run("-show_format", "-show_streams")
        except SaidTooMuch as error:
            raise Rejected(
                RejectReason.DAMAGED,
                "The file says more about itself, in tags, than anybody reads. Export it without "
                "them, and upload that.",
                log_tail=error.log_tail,
            ) from error
        found = refusals.find_barred(completed.stderr_tail) if completed.exit_code else None
        if found is None or found[0] in prober.barred or len(prober.barred) >= _MAX_BARRED:
            return completed
        prober.barred[found[0]] = found[1]


def _look_at_first_frame(video: Document, prober: _Prober) -> list[Any]:
    """What a frame itself says of high dynamic range; few containers repeat it."""
    chosen = ("-select_streams", str(video["index"]), "-read_intervals", "%+#1")
    completed = prober.run(*chosen, "-show_entries", "frame=pts:frame_side_data_list")
    frames = json.loads(completed.stdout or b"{}").get("frames", ())
    return [side for frame in frames[:1] for side in frame.get("side_data_list", ())]


def _measure_packets(document: Document, prober: _Prober) -> PacketMeter:
    """Look at the packets of the first seconds; at all of them if the length is not said.

    Recordings that were streamed into a file (as browsers do) do not say how long they are, and
    of plain MP3 or AAC ffprobe only guesses it from the first bitrate it sees.
    """
    streams = document["streams"]
    audio = next((s for s in streams if s.get("codec_type") == "audio"), None)
    chosen = choose_video(streams) or audio
    if chosen is None:
        return PacketMeter()
    meter = PacketMeter(int(chosen["index"]))
    is_said = said_duration(document["format"]) is not None
    sample = ("-read_intervals", f"%+{_SAMPLE_SECONDS}") if is_said else ()
    for extent in dict.fromkeys((sample, ())):
        try:
            prober.run(*extent, "-show_entries", ENTRIES, on_line=meter.feed)
        except FFmpegFailed as error:
            raise Rejected(
                RejectReason.DAMAGED,
                "The file could be opened, but not read. Export it again, and upload that.",
                log_tail=error.log_tail,
            ) from error
        if meter.count:
            break
    return meter


def _mark_empty(streams: Sequence[Any], sample: PacketMeter, prober: _Prober) -> None:
    """Note which sound tracks have nothing in them, not only in the first seconds."""
    quiet = [s for s in streams if s.get("codec_type") == "audio" and s["index"] not in sample.seen]
    if not quiet:
        return
    whole = PacketMeter()
    try:
        prober.run("-select_streams", "a", "-show_entries", ENTRIES, on_line=whole.feed)
    except FFmpegFailed:
        return  # who decodes it tells better what is damaged
    for stream in quiet:
        stream["empty"] = stream["index"] not in whole.seen
