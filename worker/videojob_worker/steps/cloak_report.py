"""What a cloak cost, measured after encoding against the same film encoded alike without it.

Made by ``cloak`` where a report is asked for, and at work in the pass after; it handles no model itself.
It must not claim an effect that was not measured.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videojob_api.steps import Cloak, Step

from ..boxes import read_movie
from ..errors import Unverified
from ..graph import Graph, Programme, Readings
from ..likeness import parse_log, summarise
from ..nodes import Compare, Decoded, Filtered, Metric, Node, OnGrid
from ..outputs import Finished, PlannedOutput, Produced
from ..scratch import Scratch
from ..video import Picture, VideoEncoding
from . import StepKind, Workbench

SCHEMA = "videojob.dev/cloak-report/v1"
_METRICS = (Metric.PSNR, Metric.SSIM)
_NO_LABELS = "no classifier is at hand in this worker; nothing is known of the effect on machines"
_LIMITS = (
    "Face recognition works through noise that people can watch.",
    "Denoisers and purifiers can take it out again; nothing here is durable.",
    "Models that were trained on such pictures see through it.",
)


@dataclass(frozen=True)
class Trial:
    """A rendition made to be measured, and not published."""

    name: str
    output: PlannedOutput
    video: VideoEncoding


class CloakReportKind(StepKind):
    """Compares both trials with the film as it was before the cloak."""

    needs_video = True
    compares = True

    def __init__(
        self, step: Step, spec: Cloak, scratch: Scratch, before: Picture, trials: tuple[Trial, ...]
    ) -> None:
        super().__init__(step, scratch)
        self._step, self.name = self.name, f"{self.name}-report"
        self._spec, self._before, self._trials = spec, before, trials

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Have both compared."""
        for trial in self._trials:
            tick = OnGrid(trial.video.tick_seconds)
            reference = graph.resize(self._before, trial.video.size, trial.video.form).node
            node: Node = Filtered(tick, (Decoded(0, file=trial.output.path),))
            reference = Filtered(tick, (reference,))
            for metric in _METRICS:
                node = Filtered(Compare(metric, self._log(trial, metric)), (node, reference))
            graph.add_readings(Readings(self.work, node))
        return None

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """No media."""
        return ()

    def finish(self, bench: Workbench) -> Finished:
        """Write the report, for machines and for people."""
        found = {trial.name: self._measure(trial) for trial in self._trials}
        size = self._trials[0].video.size
        cloak = {
            "method": self._spec.method.value,
            "epsilon": self._spec.epsilon,
            "strength": self._spec.strength,
            "everyNFrames": self._spec.every_n_frames,
        }
        times = round(found["cloaked"]["kbps"] / found["control"]["kbps"], 2)
        body: dict[str, Any] = {
            "schema": SCHEMA,
            "cloak": cloak,
            "comparedAt": {"width": size.width, "height": size.height},
            "control": found["control"],
            "cloaked": found["cloaked"],
            "bitrateTimes": times,
            "labels": {"unavailable": _NO_LABELS},
            "doesNotProtectFrom": list(_LIMITS),
        }
        self.out.mkdir(parents=True, exist_ok=True)
        return Finished(
            (
                self._write("cloak-report.json", json.dumps(body, indent=1), "application/json"),
                self._write("cloak-report.md", build_text(body), "text/markdown"),
            ),
            measured={self._step: {"bitrateTimes": times, **_short(found)}},
        )

    def _measure(self, trial: Trial) -> dict[str, Any]:
        path = trial.output.path
        movie = read_movie(path)
        track = movie.track("vide")
        kbps = path.stat().st_size * 8 / 1000 / float(movie.duration)
        told: dict[str, Any] = {"kbps": round(kbps, 1)}
        for metric in _METRICS:
            values = parse_log(metric, self._log(trial, metric).read_text())
            if not values or track is None or len(values) < track.samples - 1:
                raise Unverified(f"{metric.value} of {trial.name} was not measured to its end.")
            told[metric.value] = summarise(values)
        return told

    def _log(self, trial: Trial, metric: Metric) -> Path:
        return self.work / f"{trial.name}-{metric.value.lower()}.log"

    def _write(self, name: str, text: str, mime_type: str) -> Produced:
        path = self.out / name
        path.write_text(text.rstrip() + "\n")
        return Produced(path, self._step, name, mime_type)


def build_text(body: dict[str, Any]) -> str:
    """The report as a page of Markdown."""
    cloak, size = body["cloak"], body["comparedAt"]
    rows = [
        f"| {name} | {body[key]['kbps']:.0f} | {body[key]['PSNR']['mean']:.1f} "
        f"| {body[key]['SSIM']['mean']:.3f} |"
        for name, key in (("codec only", "control"), ("cloaked", "cloaked"))
    ]
    lines = [
        "# What this cloak costs",
        "",
        f"{cloak['method']}, ε {cloak['epsilon']} times {cloak['strength']}, new every "
        f"{cloak['everyNFrames']} frames; the whole film at {size['width']}x{size['height']}, after "
        "H.264 at CRF 23, each compared with the film before the cloak.",
        "",
        "| | kb/s | PSNR, dB | SSIM |",
        "|---|---|---|---|",
        *rows,
        "",
        f"The cloak takes {body['bitrateTimes']} times the bitrate.",
        "",
        f"**Labels**: {body['labels']['unavailable']}.",
        "",
        "**It does not protect from everything:**",
        "",
        *(f"- {sentence}" for sentence in body["doesNotProtectFrom"]),
    ]
    return "\n".join(lines)


def _short(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        name: {metric.value: told[metric.value]["mean"] for metric in _METRICS}
        for name, told in found.items()
    }
