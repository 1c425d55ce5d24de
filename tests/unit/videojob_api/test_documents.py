"""Every manifest in the examples and in the guides is one that works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from videojob_api.expansion import take, use_snapshot
from videojob_api.videojob import TemplateKind, VideoJob
from videojob_api.videotemplate import VideoTemplate

ROOT = Path(__file__).parents[3]
PRESETS = ROOT / "charts" / "videojob-templates" / "files" / "presets"
FENCE = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [*(ROOT / "docs" / "guide").glob("*.md"), *ROOT.glob("charts/*/README.md")]
FOLDERS = sorted((ROOT / "examples").iterdir())

Body = dict[str, Any]


def documents(text: str) -> Iterator[Body]:
    return (d for d in yaml.safe_load_all(text) if isinstance(d, dict) and "kind" in d)


def check(bodies: list[Body]) -> int:
    """How many of them are ours; each must be understood, with the template that it names."""
    templates = [b for b in bodies if b["kind"] in set(TemplateKind)]
    for body in templates:
        VideoTemplate.model_validate(body)
    templates += [
        {
            "kind": "ClusterVideoTemplate",
            "metadata": {"name": path.stem},
            "spec": yaml.safe_load(path.read_text()),
        }
        for path in PRESETS.glob("*.yaml")
    ]
    by_name = {(b["kind"], b["metadata"]["name"]): b for b in templates}
    jobs = [VideoJob.model_validate(body) for body in bodies if body["kind"] == "VideoJob"]
    for job in jobs:
        if (ref := job.spec.template_ref) is not None:
            taken = take(ref, job.spec.params, by_name[ref.kind, ref.name])
            assert use_snapshot(job.spec, taken).steps
    return len(jobs) + sum(1 for body in bodies if body["kind"] in set(TemplateKind))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_each_example_is_understood(folder: Path) -> None:
    files = sorted(folder.glob("*.yaml"))
    assert check([body for path in files for body in documents(path.read_text())])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_each_manifest_in_a_guide_is_understood(page: Path) -> None:
    check([body for text in FENCE.findall(page.read_text()) for body in documents(text)])


def test_the_guides_have_manifests() -> None:
    guide = (ROOT / "docs" / "guide" / "templates.md").read_text()
    assert check([body for text in FENCE.findall(guide) for body in documents(text)]) >= 2


def test_each_example_is_run_on_the_cluster() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "e2e").glob("test_*.py"))
    # By its name, or as in the_example("25", …), by its number.
    missing = [
        folder.name
        for folder in FOLDERS
        if not re.search(rf'"{folder.name}[/"]|"{folder.name[:2]}"', tests)
    ]
    assert not missing, "no end-to-end test runs these examples"
