"""Every preset and every example with a template makes of a real film what it says, without a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from bad_inputs import make_film

pytestmark = pytest.mark.ffmpeg

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "charts" / "videojob-templates" / "files" / "presets"
EXAMPLES = ROOT / "examples"

MADE = {
    "web-streaming": {"stream/master.m3u8", "pictures/contact-sheet.jpg"},
    "archive": {"master/240p.mp4", "sound/audio.m4a", "pictures/contact-sheet.jpg"},
    "podcast-audio": {"episode/audio.m4a"},
    "social-clip": {"clip/240p.mp4", "cover/0001.jpg"},
    "protected-publication": {
        *("protect/cloak-report.json", "protect/cloak-report.md", "stream/master.m3u8"),
        *("stream/240p.mp4", "pictures/0006.jpg", "pictures/contact-sheet.jpg"),
    },
}
"""Some of what each preset makes of a small film."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store/uploads").mkdir(parents=True)
    make_film(tmp_path / "store/uploads/bunny.mp4")
    return tmp_path / "store"


def work(manifest: Path, template: Path, store: Path) -> dict[str, Any]:
    """Run the worker as a person does; the manifest of what it made."""
    command = [sys.executable, "-m", "videojob_worker", "run", "--manifest", str(manifest)]
    done = subprocess.run(
        [*command, "--template", str(template), "--store", f"file://{store}"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TMPDIR": str(store.parent)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = store.rglob("manifest.json")
    made: dict[str, Any] = json.loads(found.read_text())
    return made


def made_names(manifest: dict[str, Any]) -> set[str]:
    return {"/".join(output["key"].rsplit("/", 2)[1:]) for output in manifest["outputs"]}


def a_template(preset: Path, folder: Path) -> Path:
    """The preset as the chart makes it."""
    path = folder / f"{preset.stem}.yaml"
    body = {
        "apiVersion": "videojob.dev/v1alpha1",
        "kind": "ClusterVideoTemplate",
        "metadata": {"name": preset.stem},
        "spec": yaml.safe_load(preset.read_text()),
    }
    path.write_text(yaml.safe_dump(body))
    return path


@pytest.mark.parametrize("preset", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_preset_makes_what_it_says(tmp_path: Path, store: Path, preset: Path):
    job = {
        "apiVersion": "videojob.dev/v1alpha1",
        "kind": "VideoJob",
        "metadata": {"name": "job"},
        "spec": {
            "storeRef": {"name": "media"},
            "inputs": [{"name": "bunny", "key": "uploads/bunny.mp4"}],
            "templateRef": {"kind": "ClusterVideoTemplate", "name": preset.stem},
            "output": {"prefix": "results/"},
        },
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    made = work(tmp_path / "job.yaml", a_template(preset, tmp_path), store)
    assert MADE[preset.stem] <= made_names(made)


def test_the_example_with_a_template_is_done_with_its_params(store: Path):
    folder = EXAMPLES / "20-template"
    made = work(folder / "videojob.yaml", folder / "template.yaml", store)
    assert {"film/master.m3u8", "pictures/contact-sheet.jpg"} <= made_names(made)


def test_the_example_with_a_preset_is_done_with_its_params(tmp_path: Path, store: Path):
    preset = a_template(PRESETS / "web-streaming.yaml", tmp_path)
    made = work(EXAMPLES / "21-preset" / "videojob.yaml", preset, store)
    pictures = {name for name in made_names(made) if name.startswith("pictures/0")}
    assert len(pictures) == 3


def test_the_example_from_git_is_done(store: Path):
    folder = EXAMPLES / "22-gitops"
    made = work(folder / "videojob.yaml", folder / "template.yaml", store)
    assert {"film/240p.mp4", "cover/0001.jpg"} <= made_names(made)
