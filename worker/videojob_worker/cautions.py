"""What a user should know of a film before it is worked on, though it will be.

Called by ``plan.py``. Pure.
"""

from __future__ import annotations

from videojob_api.status import Warn

from .encoders import NVENC, Device
from .graph import Graph

DECODED_ON_CPU = "DecodedOnCPU"
"""Reason of the warning about a film that a GPU was to decode."""


def cautions(graph: Graph, device: Device) -> tuple[Warn, ...]:
    """All of them, for what is to be made on a device."""
    return (*_film_warnings(graph), *_silence_warnings(graph), *_device_warnings(graph, device))


def _film_warnings(graph: Graph) -> tuple[Warn, ...]:
    warnings = [
        Warn(
            reason="StreamLeftOut",
            message=f"A stream of {'video' if stream.is_video else 'sound'} was left out: its "
            f"codec ({stream.codec}) is not accepted.",
        )
        for stream in graph.media.left_out
    ]
    return tuple(warnings)


def _silence_warnings(graph: Graph) -> tuple[Warn, ...]:
    message = "A sound track is silent, or shorter than 0.4 s: its loudness was left as it is."
    silent = [level for level in graph.levels.values() if not level.is_heard]
    return (Warn(reason="SilentSound", message=message),) if silent else ()


def _device_warnings(graph: Graph, device: Device) -> tuple[Warn, ...]:
    """What the CPU does though a GPU does other things; why one does none, the status says."""
    if not (device.hardware or device.decodes):
        return ()
    if device.undecoded is None or not graph.decodes_all_frames:
        return _encoder_warnings(graph, device)
    told = Warn(reason=DECODED_ON_CPU, message=device.undecoded)
    return (told, *_encoder_warnings(graph, device))


def _encoder_warnings(graph: Graph, device: Device) -> tuple[Warn, ...]:
    wanted = dict.fromkeys((e.settings.codec, e.form.bit_depth) for e in graph.video_encodings)
    return tuple(
        Warn(
            reason="EncodedOnCPU",
            message=f"The GPU does not encode {codec} of {depth} bit; the CPU did.",
        )
        for codec, depth in wanted
        if device.encoder(codec, depth) not in NVENC.values()
    )
