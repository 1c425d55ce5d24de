"""What this machine and its ffmpeg can do, stated once: a GPU's encoder only when it has encoded.

Called before planning. A listed encoder proves nothing: the driver may be missing, or the card may
have no encoder at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from videojob_api.steps import Step

from .encoders import CPU, NVENC, Device, VideoEncoder
from .errors import FFmpegFailed
from .ffmpeg import has_program
from .steps import StepKind, kind_of

if TYPE_CHECKING:
    from .ffmpeg import Tools

_PROBE_SECONDS = 30.0


def choose_device(accelerator: str | None, tools: Tools) -> Device:
    """Those NVENC encoders that prove to work, if the pod was given an accelerator.

    Args:
        accelerator: the extended resource that the work order says the pod has, or None.
        tools: runs the proofs, one for each codec: cards differ in what they encode.
    """
    if accelerator is None:
        return CPU
    working = frozenset(encoder for encoder in NVENC.values() if _works(encoder, tools))
    return Device(working, None if working else "EncoderUnavailable")


def _works(encoder: VideoEncoder, tools: Tools) -> bool:
    try:
        tools.run(build_nvenc_probe(encoder), timeout_seconds=_PROBE_SECONDS)
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
