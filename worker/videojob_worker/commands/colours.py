"""How the colours of pictures are coded, and how they become others.

Called by ``filters`` alone. Pure. Filters go by what each frame says of itself, and take what says
nothing for BT.601; so whatever a film leaves out is said here, once.
"""

from __future__ import annotations

from typing import Any

from ..media import PQ, SDR_WHITE_NITS, VideoStream
from ..nodes import Form

Stream = Any  # ffmpeg-python has no types
_BT709 = {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"}
_SCALERS_WORDS = {
    "bt709": "bt709",
    "bt470bg": "bt470",
    "smpte170m": "smpte170m",
    "smpte240m": "smpte240m",
    "fcc": "fcc",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}
"""For matrices that are called otherwise everywhere else."""


def say_matrix(stream: Stream, video: VideoStream) -> Stream:
    """Decoded pictures; of HD that doesn't say so, as players take it, they are BT.709.

    Or what is made smaller of it, or RGB, would get other colours than the film is shown with.
    """
    if video.matrix or video.is_hdr or video.is_rgb or not video.is_hd:
        return stream
    return stream.filter("setparams", colorspace="bt709")


def say_all(stream: Stream, video: VideoStream | None, form: Form, *, from_rgb: bool) -> Stream:
    """Conformed pictures that are known to have all their colours by one standard."""
    if from_rgb:
        return stream.filter("setparams", **_BT709)
    if form.hdr:  # all of it, wherever the film says only its curve
        colours = dict(zip(_BT709, _of_hdr(video), strict=True))
        return stream.filter("setparams", range="tv", **colours)
    return stream


def say_same(stream: Stream, video: VideoStream | None, form: Form) -> Stream:
    """Pictures that are to be mixed with conformed ones as they are: nothing shall convert them."""
    matrix = _matrix(video, form)
    return stream.filter("setparams", colorspace=matrix) if matrix else stream


def scalers_matrix(video: VideoStream | None, form: Form) -> str:
    """The matrix of conformed pictures, in the scaler's words."""
    return _SCALERS_WORDS.get(_matrix(video, form) or "", "bt601")


def _matrix(video: VideoStream | None, form: Form) -> str | None:
    """Of conformed pictures; None where nobody said it, which is BT.601."""
    if form.hdr:
        return _of_hdr(video)[0]
    if video is None or video.is_hdr or video.is_rgb:
        return "bt709"
    return video.matrix or ("bt709" if video.is_hd else None)


def tone_map(stream: Stream, video: VideoStream | None, peak_nits: int) -> Stream:
    """From the film's own curve to BT.709, over light as it is; white stays white."""
    own = dict(zip(("matrixin", "primariesin", "transferin"), _of_hdr(video), strict=True))
    light = stream.filter("zscale", **own, transfer="linear", npl=SDR_WHITE_NITS)
    light = light.filter("format", "gbrpf32le").filter("zscale", primaries="bt709")
    peak = f"{peak_nits / SDR_WHITE_NITS:.3f}"
    mapped = light.filter("tonemap", "mobius", desat=0, peak=peak)
    return mapped.filter("zscale", transfer="bt709", matrix="bt709", range="tv")


def _of_hdr(video: VideoStream | None) -> tuple[str, str, str]:
    """Matrix, primaries and curve of a film of high dynamic range."""
    said = (video.matrix, video.primaries, video.transfer) if video else (None, None, None)
    return said[0] or "bt2020nc", said[1] or "bt2020", said[2] or PQ
