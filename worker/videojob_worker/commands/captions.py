"""Puts subtitles into a finished MP4, in ffmpeg's words: nothing is encoded but the text.

Called by ``captions``. Pure.
"""

from __future__ import annotations

from pathlib import Path

import ffmpeg

from ..whitelists import input_url


def build_captioned(
    movie: Path, words: Path, language: str | None, target: Path, *, number: int = 0
) -> tuple[str, ...]:
    """The arguments that copy a movie with one more track.

    Args:
        movie: an MP4 of ours.
        words: a WebVTT file of ours.
        language: of the words, in three letters, as MP4 has it.
        target: is written.
        number: how many tracks of subtitles it has already.
    """
    film = ffmpeg.input(input_url(movie), f="mov")
    text = ffmpeg.input(input_url(words), f="webvtt")
    options = {"c": "copy", "c:s": "mov_text", "movflags": "+faststart"}
    options["map_metadata:g"] = "-1"  # of the whole only: the tracks keep their languages
    options |= {
        "fflags": "+bitexact",
        "f": "mp4",
        f"metadata:s:s:{number}": f"language={language or 'und'}",
    }
    written = ffmpeg.output(film, text, str(target), **options)
    return ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *written.get_args())
