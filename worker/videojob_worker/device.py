"""What this machine and its ffmpeg can do, stated once: a GPU is used for what it has just done.

Called before planning. A listed encoder proves nothing: the driver may be missing, or the card may
have no encoder at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from videojob_api.steps import Step

from .commands.decoders import build_decoder_probe, is_readable
from .encoders import CPU, NVENC, Device, VideoEncoder
from .errors import FFmpegFailed
from .ffmpeg import has_program
from .steps import StepKind, kind_of

if TYPE_CHECKING:
    from .ffmpeg import Tools
    from .media import MediaInfo

_PROBE_SECONDS = 30.0


def choose_device(
    accelerator: str | None, tools: Tools, media: MediaInfo, source: Path, max_pixels: int
) -> Device:
    """What proves to work of NVENC and, for this film, of NVDEC, if the pod was given an accelerator.

    Args:
        accelerator: the extended resource that the work order says the pod has, or None.
        tools: runs the proofs, one for each codec: cards differ in what they encode and decode.
        media: the film.
        source: where it is.
        max_pixels: largest frame that may be decoded.
    """
    if accelerator is None:
        return CPU
    working = frozenset(e for e in NVENC.values() if _works(build_nvenc_probe(e), tools))
    device = Device(working, None if working else "EncoderUnavailable")
    video = media.video
    if video is None:
        return device
    form = f"{video.codec} of {video.pixel_format}"
    if not is_readable(video):
        return replace(device, undecoded=f"GPUs do not decode {form}; the CPU did.")
    if not _works(build_decoder_probe(video, source, max_pixels), tools):
        return replace(device, undecoded=f"The GPU did not decode a frame of {form}; the CPU did.")
    return replace(device, decodes=True)


def _works(probe: Sequence[str], tools: Tools) -> bool:
    try:
        tools.run(probe, timeout_seconds=_PROBE_SECONDS)
    except FFmpegFailed:
        return False
    return True


def find_extras(steps: Sequence[Step], tools: Tools) -> frozenset[str]:
    """Of what steps want where it is: the programs that are here, and the filters of this ffmpeg."""
    kinds = [kind_of(step) for step in steps]
    programs = frozenset[str]().union(*(kind.wanted_programs for kind in kinds))
    return frozenset(p for p in programs if has_program(p)) | _find_filters(kinds, tools)


def _find_filters(kinds: Sequence[type[StepKind]], tools: Tools) -> frozenset[str]:
    wanted = frozenset[str]().union(*(kind.wanted_filters for kind in kinds))
    if not wanted:
        return wanted
    command = ("ffmpeg", "-hide_banner", "-nostdin", "-filters")
    listed = tools.run(command, timeout_seconds=_PROBE_SECONDS).stdout.decode()
    return wanted & {words[1] for line in listed.splitlines() if len(words := line.split()) > 2}


def build_nvenc_probe(encoder: VideoEncoder) -> tuple[str, ...]:
    """The command that encodes one grey frame and throws it away."""
    source = ("-f", "lavfi", "-i", "color=gray:size=256x256:rate=1")
    return (
        *("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", *source),
        *("-frames:v", "1", "-c:v", encoder.value, "-f", "null", "-"),
    )
