"""What a pass is fed while it runs, and how what follows from the film gets to see the film.

Called by ``plan.py``. Pure. Noise against a classifier follows from the frames that it is laid over, and
the pass can't wait for its own frames: a second process decodes the film a little ahead of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .commands import build_command
from .graph import Graph, RawFrames
from .nodes import Noise


@dataclass(frozen=True)
class Look:
    """A process that shows small pictures of the film, through a pipe."""

    path: Path
    """The pipe."""
    argv: tuple[str, ...]
    timeout_seconds: float


@dataclass(frozen=True)
class Feed:
    """Noise to be made while a pass reads it."""

    noise: Noise
    look: Look | None
    """None where the noise follows from its seed alone."""


def build_feeds(
    graph: Graph,
    source: Path,
    *,
    threads: int,
    max_seconds: int,
    max_pixels: int,
    timeout_seconds: float,
) -> tuple[Feed, ...]:
    """For all noise of a pass; the limits are those of the pass."""

    def look(noise: Noise) -> Look | None:
        if noise.seen is None:
            return None
        path = noise.path.with_suffix(".frames")
        shown = Graph(graph.media, frames=[RawFrames(path, noise.seen)])
        argv = build_command(
            *(shown, source), threads=threads, max_seconds=max_seconds, max_pixels=max_pixels
        )
        return Look(path, argv, timeout_seconds)

    return tuple(Feed(noise, look(noise)) for noise in graph.noises)
