"""What a cloak costs and does, measured after encoding against the same film encoded alike without it.

Made by ``cloak`` where a report is asked for, and at work in the pass after; it handles no model itself.
It must not claim an effect that was not measured.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videojob_api.steps import Cloak, CloakMethod, Step

from ..boxes import read_movie
from ..classifiers import HELD_OUT, SURROGATE, check_torch
from ..errors import NotDoable, Unverified
from ..graph import Graph, Pictures, Programme, Readings, seconds_of
from ..likeness import parse_log, summarise
from ..media import Size
from ..nodes import Compare, Decoded, Denoise, Filtered, Metric, Node, OnGrid, Pick, Scale
from ..outputs import Finished, PlannedOutput, Produced
from ..scratch import Scratch
from ..video import Picture, VideoEncoding
from . import StepKind, Workbench

SCHEMA = "videojob.dev/cloak-report/v1"
_METRICS = (Metric.PSNR, Metric.SSIM)
_BEFORE = "before"
_PURIFIERS = {"": "none", "halved": "halved and doubled in size", "denoised": "a denoiser (hqdn3d)"}
"""What somebody might do first, by the suffix of what it is done to."""
_LABELLED_FRAMES = 64
_CPU_SECONDS_PER_LABEL = 0.06
_LABELLING_BYTES = 800 << 20
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
            self._show(graph, _BEFORE, trial, reference)
            for suffix, purified in _purified(node, trial.video.size).items():
                self._show(graph, trial.name + suffix, trial, purified)
            for metric in _METRICS:
                node = Filtered(Compare(metric, self._log(trial, metric)), (node, reference))
            graph.add_readings(Readings(self.work, node))
        return None

    def _show(self, graph: Graph, name: str, trial: Trial, node: Node) -> None:
        """Have a classifier shown frames at even distances, the same ones of each film."""
        if any(pictures.folder == self._folder(name) for pictures in graph.pictures):
            return
        seconds = seconds_of(self._before.node, graph.media)
        picture = Picture(node, trial.video.size, conformed=True, form=trial.video.form)
        pick = Pick(_LABELLED_FRAMES / seconds, centred=False)
        limit = _LABELLED_FRAMES + 1
        graph.add_pictures(Pictures(self._folder(name), picture, HELD_OUT.size, pick, None, limit))

    def _folder(self, name: str) -> Path:
        return self.work / f"seen-{name}"

    @property
    def finishing_cpu_seconds(self) -> float:
        """A label for each frame of each film."""
        films = 1 + len(self._trials) * len(_PURIFIERS)
        return films * _LABELLED_FRAMES * _CPU_SECONDS_PER_LABEL

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
        labels = self._ask(bench)
        times = round(found["cloaked"]["kbps"] / found["control"]["kbps"], 2)
        body: dict[str, Any] = {
            "schema": SCHEMA,
            "cloak": cloak,
            "comparedAt": {"width": size.width, "height": size.height},
            "control": found["control"],
            "cloaked": found["cloaked"],
            "bitrateTimes": times,
            "labels": labels,
            "doesNotProtectFrom": list(_LIMITS),
        }
        self.out.mkdir(parents=True, exist_ok=True)
        return Finished(
            (
                self._write("cloak-report.json", json.dumps(body, indent=1), "application/json"),
                self._write("cloak-report.md", build_text(body), "text/markdown"),
            ),
            measured={
                self._step: {"bitrateTimes": times, **_short(found), "labels": _gist(labels)}
            },
        )

    def _ask(self, bench: Workbench) -> dict[str, Any]:
        """What a classifier that no cloak knows takes the frames for."""
        try:
            check_torch()
        except NotDoable as error:
            return {"unavailable": str(error)}
        memory_bytes = bench.means.memory_bytes
        if memory_bytes is not None and memory_bytes < _LABELLING_BYTES:
            return {"unavailable": f"The classifier needs {_LABELLING_BYTES >> 20} MiB of memory."}
        from .. import labels
        from ..classifiers import Classifier

        classifier = Classifier(HELD_OUT)
        done = 0

        def seen(name: str) -> labels.Labels:
            nonlocal done
            bench.tools.stop.check()
            found = labels.classify(self._folder(name), classifier)
            done += 1
            bench.progress(done / (1 + len(self._trials) * len(_PURIFIERS)))
            return found

        before = seen(_BEFORE)
        if not before:
            raise Unverified("No frame was shown to the classifier.")
        told = {
            how: labels.summarise(labels.Seen(before, seen("control" + s), seen("cloaked" + s)))
            for s, how in _PURIFIERS.items()
        }
        return {
            "classifier": labels.describe(HELD_OUT),
            "surrogate": labels.describe(SURROGATE)
            if self._spec.method is CloakMethod.GRADIENT
            else None,
            "device": {"name": classifier.device.name, "reason": classifier.device.reason},
            "afterPurifier": told,
        }

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
        "# What this cloak costs and does",
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
        *_label_lines(body["labels"]),
        "",
        "**It does not protect from everything:**",
        "",
        *(f"- {sentence}" for sentence in body["doesNotProtectFrom"]),
    ]
    return "\n".join(lines)


def _purified(node: Node, size: Size) -> dict[str, Node]:
    """The pictures as they are, and after what might bring labels back."""
    half = Size(max(2, size.width // 2), max(2, size.height // 2))
    halved = Filtered(Scale(size), (Filtered(Scale(half), (node,)),))
    return {"": node, "halved": halved, "denoised": Filtered(Denoise(), (node,))}


def _label_lines(labels: dict[str, Any]) -> list[str]:
    if "unavailable" in labels:
        why = f"**Labels** were not looked at: {labels['unavailable']}"
        return [why, "Nothing is known of the effect on machines."]
    title = labels["classifier"]["name"]
    known = labels["surrogate"]
    attacked = (
        f"; the cloak was computed against {known['name']}, of the same family" if known else ""
    )
    lines = [
        f"**Labels** of {title}, which no cloak was computed against{attacked}. Shares of frames, "
        "with intervals of 95 % (frames of one film resemble each other, so neighbours were drawn "
        "together; of other films they say nothing):",
        "",
        "| purified by | changed by the codec alone | by cloak and codec | of those that the codec left |",
        "|---|---|---|---|",
    ]
    for how, told in labels["afterPurifier"].items():
        keys = ("codecOnly", "cloakedAndCodec", "ofThoseTheCodecLeft")
        lines.append(f"| {how} | " + " | ".join(_share(told[key]) for key in keys) + " |")
    return lines


def _share(told: dict[str, Any]) -> str:
    if told["changed"] is None:
        return "none left"
    low, high = told["interval"]
    return f"{told['changed']:.0%} ({low:.0%} to {high:.0%}) of {told['frames']}"


def _gist(labels: dict[str, Any]) -> dict[str, Any]:
    """For the input's manifest."""
    if "unavailable" in labels:
        return labels
    told = labels["afterPurifier"][_PURIFIERS[""]]
    return {"classifier": labels["classifier"]["name"], **told["ofThoseTheCodecLeft"]}


def _short(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        name: {metric.value: told[metric.value]["mean"] for metric in _METRICS}
        for name, told in found.items()
    }
