"""Runs films through planned passes for real; shared by the integration tests of the media half."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from videojob_api.status import Warn
from videojob_api.steps import Step
from videojob_api.videojob import Limits
from videojob_worker.budget import Budget
from videojob_worker.check import check
from videojob_worker.device import find_extras
from videojob_worker.ffmpeg import Tools
from videojob_worker.measure import measure
from videojob_worker.media import MediaInfo
from videojob_worker.outputs import Produced
from videojob_worker.passes import PassResult, finish_pass, run_pass
from videojob_worker.plan import Pass, Plan, build_plan
from videojob_worker.probe import probe
from videojob_worker.progress import Way
from videojob_worker.scratch import Scratch
from videojob_worker.steps import Workbench
from videojob_worker.validate import validate

SEED = b"a secret"
BUDGET = Budget(threads=2, memory_bytes=None, scratch_bytes=None)
HLS = {
    "name": "hls",
    "transcode": {
        "packaging": "HLS",
        "renditions": [{"height": 160}, {"height": 90}],
        "segmentSeconds": 1,
        "preset": "ultrafast",
    },
}
MP4 = {
    "name": "web",
    "transcode": {"renditions": [{"height": 90}], "segmentSeconds": 1, "preset": "ultrafast"},
}
POSTER = {"name": "poster", "thumbnails": {"count": 3, "width": 160, "contactSheet": True}}
AUDIO = {"name": "audio", "extractAudio": {}}
COPY = {"name": "original", "extractAudio": {"format": "Copy"}}


@dataclass
class Bench:
    """One film on the bench."""

    scratch: Scratch
    tools: Tools
    measured: dict[str, Any] = field(default_factory=dict)
    """What was found out of the films so far."""

    def plan(self, path: Path, *steps: dict[str, Any]) -> tuple[MediaInfo, Plan]:
        shutil.copy(path, self.scratch.source)
        media = probe(self.scratch.source, self.tools, Limits())
        wanted = [Step.model_validate(step) for step in steps]
        validate(media, Limits(), wanted)
        extras = find_extras(wanted, self.tools)
        return media, build_plan(wanted, media, self.scratch, BUDGET, extras=extras, seed=SEED)

    def heard(self, plan: Plan) -> Plan:
        """The plan with the loudness that it asks for."""
        while plan.measure is not None:
            leg = Way(plan.weights, lambda *_, **__: None).next_leg()
            plan = measure(plan.measure, self.tools, leg)
        return plan

    def run(self, path: Path, *steps: dict[str, Any]) -> tuple[MediaInfo, Pass, PassResult]:
        media, plan = self.plan(path, *steps)
        (stage,) = self.heard(plan).passes
        return media, stage, run_pass(stage, self.tools)

    def run_stage(self, stage: Pass) -> PassResult:
        """A pass that was planned before, or changed since."""
        return run_pass(stage, self.tools)

    @staticmethod
    def with_words(stage: Pass, old: str, new: str) -> Pass:
        """The pass with a word of its command replaced, as if something were wrong with it."""
        return replace(stage, argv=tuple(word.replace(old, new) for word in stage.argv))

    def make(self, path: Path, *steps: dict[str, Any]) -> tuple[dict[str, Produced], list[Warn]]:
        """Every pass, checked and finished; files by ``step/name``, and all that was warned of."""
        media, plan = self.plan(path, *steps)
        named, warnings = {}, []
        for stage in self.heard(plan).passes:
            result = run_pass(stage, self.tools)
            warnings += check(stage, result, media, self.tools)
            finished = finish_pass(stage, Workbench(self.tools, media, result.tally.levels))
            named |= {f"{file.step}/{file.name}": file for file in finished.produced}
            warnings += finished.warnings
            for step, facts in finished.measured.items():
                self.measured[step] = {**self.measured.get(step, {}), **facts}
        return named, warnings
