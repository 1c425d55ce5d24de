"""The step ``scenes``: cuts and fades, as scenes.json and as chapters.

Found by ``steps.kind_of``. The pass writes how much each frame differs from the last one; here that
is read. It must not look at any picture.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from videojob_api.steps import Scenes, Step

from ..cuts import STEADINESS, Boundary, Reading, find_boundaries, parse_readings
from ..errors import NotDoable
from ..graph import Graph, Programme, Readings
from ..nodes import Filtered, WriteChanges
from ..outputs import Finished, PlannedOutput, Produced
from ..scratch import Scratch
from ..webvtt import Cue, build_webvtt
from . import StepKind, Workbench, handles

SCHEMA = "videojob.dev/scenes/v1"


@dataclass(frozen=True)
class _Scene:
    start: Fraction
    end: Fraction
    first: int
    last: int
    boundary: Boundary | None


@handles(Scenes)
class ScenesKind(StepKind):
    """Reads scores, writes scenes."""

    needs_video = True

    def __init__(self, step: Step, scratch: Scratch) -> None:
        super().__init__(step, scratch)
        spec = step.spec
        if not isinstance(spec, Scenes):
            raise NotDoable(f"Step {step.name!r} is no scenes.")
        self._spec = spec
        self._end = Fraction(0)
        self._written = WriteChanges(
            self.work / "brightness.txt", self.work / "changes.txt", STEADINESS
        )

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Have changes written; nothing can be ``from`` scenes."""
        picture, video = programme.picture, graph.media.video
        if picture is None or video is None:
            raise NotDoable(f"Step {self.name!r} needs video, and its source has none.")
        self._end = 1 / video.frame_rate
        node = Filtered(self._written, (picture.node,))
        written = (self._written.brightness, self._written.changes)
        graph.add_readings(Readings(self.work, node, written))
        return None

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """No media."""
        return ()

    def finish(self, bench: Workbench) -> Finished:
        """Find the scenes, and write them down in three forms."""
        brightness, changes = _read(self._written.brightness), _read(self._written.changes)
        boundaries = find_boundaries(
            brightness,
            changes,
            threshold=self._spec.threshold,
            min_seconds=Fraction(self._spec.min_scene_seconds),
        )
        scenes = _cut(brightness, boundaries, self._end)
        self.out.mkdir(parents=True, exist_ok=True)
        cues = [Cue(s.start, s.end, f"Scene {n}") for n, s in enumerate(scenes, start=1)]
        return Finished(
            (
                self._write("scenes.json", self._describe(scenes), "application/json"),
                self._write("chapters.vtt", build_webvtt(cues), "text/vtt"),
                self._write("chapters.ffmetadata", build_ffmetadata(cues), "text/plain"),
            )
        )

    def _describe(self, scenes: list[_Scene]) -> str:
        body = {
            "schema": SCHEMA,
            "threshold": self._spec.threshold,
            "minSceneSeconds": self._spec.min_scene_seconds,
            "frames": scenes[-1].last + 1,
            "scenes": [
                {
                    "startSeconds": round(float(scene.start), 6),
                    "endSeconds": round(float(scene.end), 6),
                    "startFrame": scene.first,
                    "endFrame": scene.last,
                    "transition": scene.boundary.transition.value if scene.boundary else None,
                    "score": scene.boundary.score if scene.boundary else None,
                }
                for scene in scenes
            ],
        }
        return json.dumps(body, indent=1) + "\n"

    def _write(self, name: str, text: str, mime_type: str) -> Produced:
        path = self.out / name
        path.write_text(text)
        return Produced(path, self.name, name, mime_type)


def build_ffmetadata(cues: list[Cue]) -> str:
    """Chapters as ffmpeg reads them (``-i chapters.ffmetadata -map_chapters 1``)."""
    blocks = [
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={round(cue.start * 1000)}\n"
        f"END={round(cue.end * 1000)}\ntitle={cue.text}\n"
        for cue in cues
    ]
    return ";FFMETADATA1\n" + "".join(blocks)


def _read(path: Path) -> list[Reading]:
    with path.open() as file:
        return list(parse_readings(file))


def _cut(
    frames: list[Reading], boundaries: tuple[Boundary, ...], last_frame_seconds: Fraction
) -> list[_Scene]:
    """Scenes that follow each other without a gap."""
    starts: list[tuple[int, Boundary | None]] = [(0, None), *((b.frame, b) for b in boundaries)]
    ends = [number for number, _ in starts[1:]]
    times = [frame.seconds for frame in frames] + [frames[-1].seconds + last_frame_seconds]
    return [
        _Scene(times[first], times[end], first, end - 1, boundary)
        for (first, boundary), end in zip(starts, [*ends, len(frames)], strict=True)
    ]
