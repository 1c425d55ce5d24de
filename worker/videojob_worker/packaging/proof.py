"""Whether players could play a package: nothing missing within a file, all cut at the same times.

Called by ``packager`` before any manifest is written. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ..boxes import Movie
from ..errors import Unverified
from .package import Rendition


def check_whole(name: str, movie: Movie) -> None:
    """Check that each fragment begins where the one before it ends, in time and in bytes.

    Raises:
        Unverified: if one is missing, doubled or out of place.
    """
    if len(movie.tracks) != 1 or not movie.fragments:
        raise Unverified(
            f"{name} has {len(movie.tracks)} tracks in {len(movie.fragments)} fragments; one track "
            "in at least one fragment was planned."
        )
    scale = movie.tracks[0].timescale
    for before, after in pairwise(movie.fragments):
        ends, begins = before.decode_time + before.duration, after.decode_time
        # Times were rounded to ticks; half a sample astray means that one is missing.
        if abs(begins - ends) * before.samples * 2 > before.duration:
            raise Unverified(
                f"{name} goes on at {begins / scale:.3f} s after a fragment that ends at "
                f"{ends / scale:.3f} s; something between them is missing or out of place."
            )
        if before.offset + before.size != after.offset:
            raise Unverified(
                f"{name} has bytes between two fragments, at {before.offset + before.size}, that "
                "belong to neither."
            )


def check_aligned(renditions: Sequence[Rendition]) -> None:
    """Check that all sizes have the same segments, for players switch at their boundaries.

    Raises:
        Unverified: if not.
    """
    first = renditions[0]
    starts = [segment.start for segment in first.segments]
    for rendition in renditions[1:]:
        if [segment.start for segment in rendition.segments] != starts:
            raise Unverified(
                f"The segments of {rendition.name} and {first.name} begin at different times; "
                "players could not switch between them."
            )
