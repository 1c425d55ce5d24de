"""Whether all of the film that was to be in a file of ours is in it, whatever its container.

``check.py`` has each output checked: its sound against what was decoded or copied, copied pictures by
their packets. An MP4's index is read here; of other containers every packet is looked at, by a
sandboxed ffprobe: their headers say what was planned, or nothing at all. It must not open the film
itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from .boxes import Movie
from .errors import FFmpegFailed, Unverified
from .outputs import PlannedOutput
from .packets import ENTRIES, Extents
from .padding import SHORT_SECONDS, pad_below
from .spans import span_of
from .tolerances import tolerated_seconds

if TYPE_CHECKING:
    from .ffmpeg import Tools
    from .losses import Source

_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class _Stored:
    """What is in a file."""

    pictures: int
    """Packets of video."""
    sounds: tuple[Fraction, ...]
    """Seconds of each track."""


def check_stored(output: PlannedOutput, movie: Movie | None, source: Source, tools: Tools) -> None:
    """Compare what is in a file with what was decoded of the film, or copied.

    Raises:
        Unverified: if a track is missing, or more than a little of it.
    """
    if not output.audio and output.copy is None:
        return
    stored = _in_mp4(movie) if movie else _by_packets(output, tools)
    if output.copy is not None:
        there = source.picture_packets(output.copy.stream, least=stored.pictures)
        lost = there - stored.pictures
        if stored.pictures == 0 or (
            lost > 0 and not source.excuses(output.copy.stream, lost, there)
        ):
            raise Unverified(
                f"{output.name} holds {stored.pictures} of the film's {there} packets of video."
            )
    for number, encoding in enumerate(output.audio):
        seconds = stored.sounds[number] if number < len(stored.sounds) else Fraction(0)
        if seconds <= 0:
            raise Unverified(f"{output.name} has no sound, and was planned to.")
        pad = pad_below(encoding.sound.node)
        if pad is not None and pad[1].until - seconds > SHORT_SECONDS:
            raise Unverified(
                f"{output.name} lasts {float(seconds):.2f} s and was to last "
                f"{float(pad[1].until):.2f} s, as long as the pictures."
            )
        own = source.own_seconds(encoding, seconds)
        heard = source.sound_seconds(encoding.track, least=own, decoded=not encoding.is_copy)
        longest = span_of(encoding.sound.node).within(max(heard, source.longest(seconds)))
        if not encoding.is_copy and seconds - longest > tolerated_seconds(longest):
            raise Unverified(
                f"{output.name} has {float(seconds):.2f} s of sound, and the film lasts "
                f"{float(longest):.2f} s: ffmpeg has filled up what was no gap."
            )
        seconds = own
        there_seconds = span_of(encoding.sound.node).within(heard)
        if there_seconds - seconds > tolerated_seconds(there_seconds):
            source.check_times(encoding.track)
            how = "copied" if encoding.is_copy else "decoded"
            raise Unverified(
                f"{output.name} has {float(seconds):.2f} s of sound, of {float(there_seconds):.2f} s "
                f"that were {how}."
            )


def _in_mp4(movie: Movie) -> _Stored:
    video = movie.track("vide")
    sounds = tuple(track.duration for track in movie.tracks if track.handler == "soun")
    return _Stored(video.samples if video else 0, sounds)


def _by_packets(output: PlannedOutput, tools: Tools) -> _Stored:
    extents = Extents()
    argv = ("ffprobe", "-v", "error", "-show_entries", ENTRIES, "-of", "csv", str(output.path))
    try:
        tools.run(argv, timeout_seconds=_TIMEOUT_SECONDS, on_stdout_line=extents.feed)
    except FFmpegFailed as error:
        message = f"{output.name} can't be read to its end."
        raise Unverified(message, log_tail=error.log_tail) from error
    tracks = [extents.of[index] for index in sorted(extents.of)]
    pictures = tracks[: 1 if output.video or output.copy else 0]
    sounds = tracks[len(pictures) : len(pictures) + len(output.audio)]
    return _Stored(sum(track.count for track in pictures), tuple(t.packed for t in sounds))
