"""Reads the MP4 boxes of files that our own ffmpeg wrote, and mends what players want otherwise.

Called by packaging, checking and the steps; they import from here alone. ``movie`` reads a file's
structure with ``atoms``, ``entries``, ``codecs`` and ``fragments``; ``index`` writes a sidx, ``edits``
an edit list.
"""

from __future__ import annotations

from .atoms import NotMp4
from .codecs import Color
from .edits import join_edits
from .fragments import Fragment
from .index import build_index, insert
from .movie import Movie, Track, read_movie

__all__ = [
    "Color",
    "Fragment",
    "Movie",
    "NotMp4",
    "Track",
    "build_index",
    "insert",
    "join_edits",
    "read_movie",
]
