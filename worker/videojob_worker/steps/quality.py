"""The step ``quality``: PSNR, SSIM and VMAF of the renditions of a transcode.

Found by ``steps.kind_of``. A pass after the encoding reads the film once more, and every rendition:
the pictures that went into the encoder, at the size they count as, against each rendition scaled up
to it. ffmpeg writes a log for each number; here they are read and summed up.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from videojob_api.steps import Quality, Step

from ..boxes import read_movie
from ..errors import NotDoable, Unverified
from ..graph import File, Graph, Programme, Readings
from ..likeness import parse_log, summarise
from ..media import Size
from ..nodes import Compare, Decoded, Filtered, Metric, Node, OnGrid, Resample, Scale
from ..outputs import Finished, PlannedOutput, Produced
from ..scratch import Scratch
from ..tolerances import tolerated_frames
from ..video import VideoEncoding
from ..vmaf import MODEL, PROGRAM, Comparison
from . import StepKind, Workbench, handles

SCHEMA = "videojob.dev/quality/v1"
_VMAF_FILTER = "libvmaf"
_NO_VMAF = (
    "the worker has neither the program vmaf nor an ffmpeg with libvmaf; use the project's image"
)
_PIPES = ("both", "reference", "rendition")
_CPU_SECONDS_PER_RENDITION = 0.3


@dataclass(frozen=True)
class _Compared:
    """A rendition, and where the numbers of its frames are."""

    file: File
    video: VideoEncoding
    logs: dict[Metric, Path]


@handles(Quality)
class QualityKind(StepKind):
    """Compares renditions with what they were made of."""

    needs_video = True
    compares = True
    wanted_filters: ClassVar[frozenset[str]] = frozenset({_VMAF_FILTER})
    wanted_programs: ClassVar[frozenset[str]] = frozenset({PROGRAM})

    def __init__(self, step: Step, scratch: Scratch) -> None:
        super().__init__(step, scratch)
        spec = step.spec
        if not isinstance(spec, Quality):
            raise NotDoable(f"Step {step.name!r} is no quality.")
        self._spec = spec
        self._metrics = [Metric(metric.value) for metric in spec.metrics]
        self._missing: list[Metric] = []
        self._size = Size(0, 0)
        self._compared: list[_Compared] = []

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Have every rendition of the programme compared; nothing can be ``from`` numbers."""
        if programme.files is None or programme.picture is None:
            raise NotDoable(
                f"Step {self.name!r} measures renditions; its `from` must name the transcode that "
                "makes them."
            )
        if not programme.files:
            message = (
                "All renditions are copies of the film's own video: there is nothing to measure."
            )
            self.warnings.append(self.warn("NothingMeasured", message))
        if Metric.VMAF in self._metrics and not graph.extras & {PROGRAM, _VMAF_FILTER}:
            self._metrics.remove(Metric.VMAF)
            self._missing.append(Metric.VMAF)
            self.warnings.append(self.warn("MetricUnavailable", f"No VMAF: {_NO_VMAF}."))
        self._size = programme.picture.size.scaled_to_short(programme.picture.size.short)
        for file in programme.files:
            video = next(e for e in file.encodings if isinstance(e, VideoEncoding))
            stem = file.path.stem
            logs = {m: self.work / f"{stem}-{m.value.lower()}.log" for m in self._metrics}
            self._compared.append(_Compared(file, video, logs))
            self._compare(graph, self._compared[-1])
        return None

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """No media."""
        return ()

    @property
    def finishing_cpu_seconds(self) -> float:
        """Reading the logs."""
        return _CPU_SECONDS_PER_RENDITION * len(self._compared)

    def finish(self, bench: Workbench) -> Finished:
        """Sum up what was measured."""
        self.out.mkdir(parents=True, exist_ok=True)
        produced, described = [], []
        short: dict[str, Any] = {}
        for number, compared in enumerate(self._compared):
            values = {m: self._read(m, log, compared) for m, log in compared.logs.items()}
            summaries = {m: summarise(found) for m, found in values.items()}
            described.append(self._describe(compared, summaries))
            name = compared.file.path.name
            short[name] = {m.value: summary["mean"] for m, summary in summaries.items()}
            if self._spec.per_frame and values:
                produced.append(self._write_frames(compared.file.path.stem, values))
            bench.progress((number + 1) / len(self._compared))
        size = {"width": self._size.width, "height": self._size.height}
        body = {"schema": SCHEMA, "comparedAt": size, "renditions": described}
        path = self.out / "quality.json"
        path.write_text(json.dumps(body, indent=1) + "\n")
        report = Produced(path, self.name, path.name, "application/json")
        return Finished((report, *produced), measured={self.name: short})

    def _compare(self, graph: Graph, compared: _Compared) -> None:
        """The rendition's pictures beside those that went into its encoder, at one size."""
        file, video, logs = compared.file, compared.video, dict(compared.logs)
        by_program = logs.pop(Metric.VMAF, None) if PROGRAM in graph.extras else None
        reference = graph.resize(video.picture, self._size, video.form).node
        if video.resampled and video.frame_rate is not None:
            reference = Filtered(Resample(video.frame_rate), (reference,))
        reference = Filtered(OnGrid(video.tick_seconds), (reference,))
        node: Node = Decoded(0, file=file.path)
        if video.size != self._size:
            node = Filtered(Scale(self._size), (node,))
        node = Filtered(OnGrid(video.tick_seconds), (node,))
        for metric, log in logs.items():
            node = Filtered(Compare(metric, log), (node, reference))
        if by_program is not None:
            both, first, second = (self.work / f"{file.path.stem}-{of}.yuv" for of in _PIPES)
            comparison = Comparison(both, first, second, self._size, video.form, by_program)
            graph.add_comparison(comparison, node, reference)
        elif logs:
            graph.add_readings(Readings(self.work, node))

    def _read(self, metric: Metric, log: Path, compared: _Compared) -> list[float]:
        name = f"{metric.value} of {compared.file.path.name}"
        try:
            values = parse_log(metric, log.read_text())
        except (OSError, ValueError, KeyError) as error:
            raise Unverified(f"{name} was to be measured, and can't be read: {error}.") from error
        track = read_movie(compared.file.path).track("vide")
        frames, rate = track.samples if track else 0, compared.video.frame_rate or Fraction(25)
        if not values or frames - len(values) > tolerated_frames(frames, rate):
            raise Unverified(f"{name} was measured on {len(values)} of {frames} frames.")
        return values

    def _describe(
        self, compared: _Compared, summaries: dict[Metric, dict[str, Any]]
    ) -> dict[str, Any]:
        size = compared.video.size
        metrics: dict[str, Any] = {m.value: summary for m, summary in summaries.items()}
        metrics |= {m.value: {"unavailable": _NO_VMAF} for m in self._missing}
        if Metric.VMAF in summaries:
            metrics["VMAF"] = {"model": MODEL, **summaries[Metric.VMAF]}
        movie = read_movie(compared.file.path)
        return {
            "name": compared.file.path.name,
            "width": size.width,
            "height": size.height,
            "kbps": round(compared.file.path.stat().st_size * 8 / 1000 / float(movie.duration), 1),
            "metrics": metrics,
        }

    def _write_frames(self, stem: str, values: dict[Metric, list[float]]) -> Produced:
        path = self.out / f"{stem}-frames.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["frame", *(metric.value for metric in values)])
            writer.writerows(
                [frame, *row] for frame, row in enumerate(zip(*values.values(), strict=False))
            )
        return Produced(path, self.name, path.name, "text/csv")
