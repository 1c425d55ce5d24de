"""Which files come from one ffmpeg output. Pure; ``commands`` builds them, ``check`` counts them."""

from __future__ import annotations

from collections.abc import Iterable

from .graph import File, is_encoded


def group_files(files: Iterable[File]) -> tuple[tuple[File, ...], ...]:
    """Files in groups that share no encoding with each other.

    ffmpeg encodes once for each of its outputs; so files that share an encoding must come from the
    same one. Copies cost nothing, and not every container takes another's.
    """
    groups: list[list[File]] = []
    for file in files:
        made = set(filter(is_encoded, file.encodings))
        shared = [g for g in groups if any(made.intersection(f.encodings) for f in g)]
        for group in shared:
            groups.remove(group)
        groups.append([*(f for group in shared for f in group), file])
    return tuple(tuple(group) for group in groups)
