"""Which encoder is used, stated once: a GPU's only when it has just encoded a frame.

Called before planning. A listed encoder proves nothing: the driver may be missing, or the card may
have no encoder at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .encoders import CPU, Device, VideoEncoder
from .errors import FFmpegFailed

if TYPE_CHECKING:
    from .ffmpeg import Tools

_PROBE_SECONDS = 30.0


def choose_device(accelerator: str | None, tools: Tools) -> Device:
    """NVENC if the pod was given an accelerator and it proves to encode; else x264.

    Args:
        accelerator: the extended resource that the work order says the pod has, or None.
        tools: runs the proof.
    """
    if accelerator is None:
        return CPU
    try:
        tools.run(build_nvenc_probe(), timeout_seconds=_PROBE_SECONDS)
    except FFmpegFailed:
        return Device(VideoEncoder.X264, "EncoderUnavailable")
    return Device(VideoEncoder.NVENC)


def build_nvenc_probe() -> tuple[str, ...]:
    """The command that encodes one grey frame and throws it away."""
    source = ("-f", "lavfi", "-i", "color=gray:size=256x256:rate=1")
    return (
        *("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", *source),
        *("-frames:v", "1", "-c:v", VideoEncoder.NVENC.value, "-f", "null", "-"),
    )
