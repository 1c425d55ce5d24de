"""How much sound is in a file of ours, whatever its container, and whether that is all.

``check.py`` has each output checked. An MP4's index is read here;
of other containers every packet is looked at, by a sandboxed ffprobe: their headers say what was
planned, or nothing at all. It must not open the film itself.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from .boxes import Movie
from .errors import FFmpegFailed, Unverified
from .outputs import PlannedOutput
from .packets import ENTRIES, Extents
from .tolerances import tolerated_seconds

if TYPE_CHECKING:
    from .ffmpeg import Tools
    from .losses import Source

_TIMEOUT_SECONDS = 300.0


def check_sound(output: PlannedOutput, movie: Movie | None, source: Source, tools: Tools) -> None:
    """Compare each sound track of a file with what was decoded of it, or copied.

    Raises:
        Unverified: if there is none, or more than a little of it is missing.
    """
    if not output.audio:
        return
    lengths = _in_mp4(movie) if movie else _by_packets(output.path, tools)
    for number, encoding in enumerate(output.audio):
        stored = lengths[number] if number < len(lengths) else Fraction(0)
        if stored <= 0:
            raise Unverified(f"{output.name} has no sound, and was planned to.")
        there = source.sound_seconds(encoding.track, least=stored, decoded=not encoding.is_copy)
        if there - stored > tolerated_seconds(there):
            how = "copied" if encoding.is_copy else "decoded"
            raise Unverified(
                f"{output.name} has {float(stored):.2f} s of sound, of {float(there):.2f} s that "
                f"were {how}."
            )


def _in_mp4(movie: Movie) -> list[Fraction]:
    return [track.duration for track in movie.tracks if track.handler == "soun"]


def _by_packets(path: Path, tools: Tools) -> list[Fraction]:
    extents = Extents()
    argv = ("ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", ENTRIES)
    try:
        tools.run(
            (*argv, "-of", "csv", str(path)),
            timeout_seconds=_TIMEOUT_SECONDS,
            on_stdout_line=extents.feed,
        )
    except FFmpegFailed as error:
        raise Unverified(
            f"{path.parent.name}/{path.name} can't be read to its end.", log_tail=error.log_tail
        ) from error
    return [extents.of[index].packed for index in sorted(extents.of)]
