"""What a step promises before a pass, and what it hands over after it.

Made by the steps; checked by ``check.py``, published by whoever runs the plan. Pure values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videojob_api.status import Warn

from .graph import File, SubtitleEncoding
from .sounds import AudioEncoding
from .video import VideoCopy, VideoEncoding


@dataclass(frozen=True)
class PlannedOutput:
    """A media file that must exist after the pass, just as it was planned."""

    step: str
    file: File
    mime_type: str

    @property
    def path(self) -> Path:
        """Where it is written."""
        return self.file.path

    @property
    def name(self) -> str:
        """As messages call it."""
        return f"{self.step}/{self.path.name}"

    @property
    def video(self) -> VideoEncoding | None:
        """The pictures in it."""
        return next((e for e in self.file.encodings if isinstance(e, VideoEncoding)), None)

    @property
    def copy(self) -> VideoCopy | None:
        """The pictures in it, where they are the film's own."""
        return next((e for e in self.file.encodings if isinstance(e, VideoCopy)), None)

    @property
    def subtitles(self) -> tuple[SubtitleEncoding, ...]:
        """The tracks of subtitles in it."""
        return tuple(e for e in self.file.encodings if isinstance(e, SubtitleEncoding))

    @property
    def audio(self) -> tuple[AudioEncoding, ...]:
        """The sound tracks in it."""
        return tuple(e for e in self.file.encodings if isinstance(e, AudioEncoding))

    def produced(self, duration_seconds: float) -> Produced:
        """The file, once it is there and nothing is left to do to it."""
        pictures = self.video or self.copy
        size = pictures.size if pictures else None
        return Produced(
            path=self.path,
            step=self.step,
            name=self.path.name,
            mime_type=self.mime_type,
            width=size.width if size else None,
            height=size.height if size else None,
            duration_seconds=duration_seconds,
        )


@dataclass(frozen=True)
class Produced:
    """A finished file, ready to be published as ``<step>/<name>``."""

    path: Path
    step: str
    name: str
    mime_type: str
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    language: str | None = None
    """Of its words, where it has any (BCP 47)."""


@dataclass(frozen=True)
class Finished:
    """What a step, or a whole pass, came to."""

    produced: tuple[Produced, ...]
    warnings: tuple[Warn, ...] = ()
    measured: dict[str, Any] = field(default_factory=dict)
    """What was found out, by step and in short: the manifest says it."""
    decoded_on_gpu: bool = False
