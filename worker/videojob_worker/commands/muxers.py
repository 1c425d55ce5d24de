"""Containers in ffmpeg's words: one file, or several that share encodings.

Called by ``commands`` alone. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..graph import Container, Encoding, File, SubtitleEncoding
from ..sounds import AudioEncoding

Options = dict[str, str | int]

_FRAGMENTED = "+delay_moov+default_base_moof+skip_trailer"
"""Nothing in the file counts from its beginning, so that an index can be put in front later."""

_MUXERS: dict[Container, Options] = {
    Container.FASTSTART_MP4: {"f": "mp4", "movflags": "+faststart"},
    Container.FRAGMENTED_MP4: {
        "f": "mp4",
        "movflags": f"{_FRAGMENTED}+frag_keyframe",
        # CMAF, but not by the flag of that name: from ffmpeg 7 on it says frames' order by negative
        # offsets, which ffmpeg itself, and players made of it, read as a film that begins late.
        "brand": "cmfc",
        "use_editlist": 1,
    },
    Container.MP3: {"f": "mp3"},
    Container.OGG: {"f": "ogg"},
    Container.FLAC: {"f": "flac"},
    Container.WAV: {"f": "wav", "rf64": "auto"},  # more than 4 GiB
    Container.WEBVTT: {"f": "webvtt"},
    Container.MATROSKA: {"f": "matroska"},
    Container.WEBM: {"f": "webm"},
    Container.MOV: {"f": "mov"},
    Container.ASF: {"f": "asf"},
    Container.AC3: {"f": "ac3"},
    Container.EAC3: {"f": "eac3"},
    Container.AMR: {"f": "amr"},
}
_SOUND_FRAGMENTS: Options = {
    "movflags": _FRAGMENTED,
    "frag_duration": 1_000_000,
}


def muxer_options(file: File) -> Options:
    """Of the container, and what says how it is laid out."""
    has_video = any(letter_of(encoding) == "v" for encoding in file.encodings)
    if file.container is Container.FRAGMENTED_MP4 and not has_video:
        return {**_MUXERS[file.container], **_SOUND_FRAGMENTS}
    return _MUXERS[file.container]


def letter_of(encoding: Encoding) -> str:
    """What ffmpeg calls streams of its kind: v, a or s."""
    if isinstance(encoding, AudioEncoding):
        return "a"
    return "s" if isinstance(encoding, SubtitleEncoding) else "v"


def build_slave(file: File, numbers: Mapping[Encoding, int]) -> str:
    """A file in the tee muxer's own notation; the numbers count streams of each kind."""
    chosen = [f"{letter_of(e)}:{numbers[e]}" for e in file.encodings]
    options = {**muxer_options(file), "fflags": "+bitexact"}
    written = ":".join(f"{key}={value}" for key, value in options.items())
    return f"[select=\\'{','.join(chosen)}\\':{written}]{_tee_path(file.path)}"


def _tee_path(path: Path) -> str:
    """A path as the tee muxer reads it: its special characters behind backslashes."""
    return "".join(f"\\{c}" if c in "\\'|[] " else c for c in str(path))
