"""What ffmpeg and ffprobe are allowed to open, whatever a file claims to be.

Used by ``probe`` and ``commands``, which hand it over as options. Playlists, manifests, scripts
and image sequences are left out on purpose: their demuxers open further files and URLs.
"""

from __future__ import annotations

from pathlib import Path

FORMATS = (
    *("mov", "matroska", "mpegts", "avi", "flv", "asf"),
    *("mp3", "wav", "w64", "ogg", "flac", "aac", "ac3", "eac3", "aiff", "amr"),
)
"""Demuxers; one name of each is enough (``mov`` is MP4 and 3GP too, ``matroska`` WebM)."""

FORMATS_IN_WORDS = "MP4, MOV, MKV, WebM, AVI, WMV, FLV, 3GP, TS, or a plain audio file"

_VIDEO = (
    *("h264", "hevc", "libdav1d", "av1", "libaom-av1", "vp8", "vp9", "libvpx", "libvpx-vp9"),
    *("mpeg1video", "mpeg2video", "mpegvideo", "mpeg4", "h263", "h263p", "h263i"),
    *("msmpeg4v1", "msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "flv", "vp6", "vp6f"),
    *("vp6a", "vp7", "theora", "mjpeg", "mjpegb", "prores", "dnxhd", "dvvideo", "cfhd", "svq1"),
    *("svq3", "cinepak", "indeo3", "indeo4", "indeo5", "rv30", "rv40", "huffyuv", "ffvhuff"),
    *("ffv1", "utvideo", "rawvideo", "v210", "qtrle", "rpza", "flashsv", "flashsv2", "msvideo1"),
    *(
        "png",
        "gif",
        "bmp",
        "webp",
        "tiff",
        "camtasia",
        "tscc2",
        "msrle",
        "fraps",
        "lagarith",
        "vp3",
    ),
    *("vp4", "vp5", "h261", "cyuv", "aasc", "zlib", "mszh", "8bps", "loco", "amv", "jpeg2000"),
    *("mss1", "mss2", "wmv3image", "vc1image", "magicyuv", "hap", "asv1", "asv2", "dirac"),
)
_AUDIO = (
    *("aac", "aac_fixed", "aac_latm", "mp3float", "mp3", "mp2float", "mp2", "mp1float", "mp1"),
    *("ac3", "eac3", "opus", "libopus", "vorbis", "libvorbis", "flac", "alac", "dca", "truehd"),
    *("mlp", "wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice", "amrnb", "amrwb"),
    *("speex", "libspeex", "nellymoser", "gsm", "gsm_ms", "libgsm", "libgsm_ms", "qcelp", "evrc"),
    *("qdm2", "qdmc", "cook", "mace3", "mace6", "tta", "wavpack", "s302m", "truespeech", "dvaudio"),
    *("adpcm_ima_wav", "adpcm_ima_qt", "adpcm_ms", "adpcm_swf", "adpcm_yamaha", "g722", "g726"),
    *("g726le", "g723_1", "g729", "atrac1", "atrac3", "ilbc", "ape", "imc", "sipr"),
    *("pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le"),
    *("pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw"),
    *("pcm_bluray", "pcm_dvd", "pcm_u16le", "pcm_u24le", "pcm_s16le_planar"),
)
_SUBTITLES = (
    *("mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text", "dvdsub", "dvbsub", "pgssub"),
    *("cc_dec", "libzvbi_teletextdec", "xsub"),
)
CODECS = (*_VIDEO, *_AUDIO, *_SUBTITLES)
"""Decoders. Those of subtitles are opened while probing, though nothing is made of them yet."""


def input_options(max_pixels: int) -> dict[str, str | int]:
    """The options that must stand before every untrusted input, as name → value."""
    return {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(FORMATS),
        "codec_whitelist": ",".join(CODECS),
        "max_pixels": max_pixels,
    }


IMAGE_FORMATS = ("png_pipe", "jpeg_pipe", "webp_pipe")
IMAGE_CODECS = ("png", "mjpeg", "webp")
MAX_IMAGE_PIXELS = 16_777_216


def image_options() -> dict[str, str | int]:
    """The same for an image that is laid over the film."""
    return {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(IMAGE_FORMATS),
        "codec_whitelist": ",".join(IMAGE_CODECS),
        "max_pixels": MAX_IMAGE_PIXELS,
    }


def input_url(source: Path) -> str:
    """The file under its protocol's name, so that no character in its path is read as another."""
    return f"file:{source}"


_OPENING_BYTES = 192 << 20
_OPENING_BYTES_PER_PIXEL = 16


def opening_bytes(max_pixels: int) -> int:
    """What ffprobe may take of memory, with the few frames that it decodes to know them.

    A file can claim anything: an index of a MiB that unpacks to a GiB, four billion samples.
    """
    return _OPENING_BYTES + _OPENING_BYTES_PER_PIXEL * max_pixels
