"""Which container, suffix and media type a codec gets when its sound is kept in a file alone.

Read by the steps that write such files. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Container


@dataclass(frozen=True)
class Form:
    """What something is kept in."""

    container: Container
    suffix: str
    mime_type: str


M4A = Form(Container.FASTSTART_MP4, "m4a", "audio/mp4")
OGG = Form(Container.OGG, "ogg", "audio/ogg")
WAV = Form(Container.WAV, "wav", "audio/wav")
MP3 = Form(Container.MP3, "mp3", "audio/mpeg")
OPUS = Form(Container.OGG, "opus", "audio/ogg")
FLAC = Form(Container.FLAC, "flac", "audio/flac")
ANYTHING = Form(Container.MATROSKA, "mka", "audio/x-matroska")
_WMA = Form(Container.ASF, "wma", "audio/x-ms-wma")
SOUND_FORMS = {
    "aac": M4A,
    "alac": M4A,
    "mp3": MP3,
    "opus": OPUS,
    "vorbis": OGG,
    "flac": FLAC,
    "ac3": Form(Container.AC3, "ac3", "audio/ac3"),
    "eac3": Form(Container.EAC3, "eac3", "audio/eac3"),
    "amr_nb": Form(Container.AMR, "amr", "audio/amr"),
    "wmav1": _WMA,
    "wmav2": _WMA,
    "wmapro": _WMA,
    "pcm_u8": WAV,
    "pcm_s16le": WAV,
    "pcm_s24le": WAV,
    "pcm_s32le": WAV,
    "pcm_f32le": WAV,
    "pcm_alaw": WAV,
    "pcm_mulaw": WAV,
}
"""By codec; others go into ``ANYTHING``."""
