"""Examples without a cluster, as their READMEs say: run on a folder, and shown before."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from assets import SCENES, Clips

pytestmark = pytest.mark.ffmpeg

EXAMPLES = Path(__file__).parents[2] / "examples"
LOCAL = ("33-thumbnails", "34-scenes", "35-quality", "40-cloak")
PLANNED = (*LOCAL, "42-cloak-gradient")  # is run in the image that has torch


@pytest.fixture
def store(clips: Clips, tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    (folder / "uploads").mkdir(parents=True)
    shutil.copy(clips.path(SCENES), folder / "uploads" / "bunny.mp4")
    return folder


def worker(command: str, example: str, store: Path, *more: str) -> str:
    manifest = str(EXAMPLES / example / "videojob.yaml")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "videojob_worker", command, "--manifest", manifest),
            *("--store", f"file://{store}", *more),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TMPDIR": str(store.parent), "COLUMNS": "200"},
    )
    assert done.returncode == 0, done
    return done.stdout


@pytest.mark.parametrize("example", LOCAL)
def test_an_example_makes_what_its_readme_lists(example: str, store: Path) -> None:
    worker("run", example, store)
    readme = (EXAMPLES / example / "README.md").read_text()
    listed = re.findall(r"^(results/\S+)", readme, re.MULTILINE)
    assert len(listed) >= 4
    for key in listed:
        at_source_size = re.sub(r"\b(480|240)p", "180p", key)  # the film is smaller
        assert (store / at_source_size).stat().st_size > 0, key


@pytest.mark.parametrize("example", PLANNED)
def test_a_plan_is_shown_and_nothing_is_made(example: str, store: Path) -> None:
    text = worker("plan", example, store)
    assert "bunny: video/mp4 320x180, 8 s" in text
    assert "film #0" in text
    assert "\nffmpeg -hide_banner" in text
    assert "/scratch/source" in text
    assert str(store.parent) not in text
    assert [p.name for p in store.iterdir()] == ["uploads"]


def test_a_plan_for_programs(store: Path) -> None:
    body = json.loads(worker("plan", "35-quality", store, "--format", "json"))
    assert [p["name"] for p in body["passes"]] == ["stream", "quality"]
    for stage in body["passes"]:
        assert stage["graph"].startswith("flowchart LR\n")
        assert stage["memoryBytes"] > 1 << 20
        assert stage["cpuSeconds"] > 0
    assert not any(stage["beside"] for stage in body["passes"])
    (beside,) = json.loads(worker("plan", "42-cloak-gradient", store, "--format", "json"))[
        "passes"
    ][0]["beside"]
    assert beside.endswith("/scratch/work/protect/noise.frames")
    drawn = worker("plan", "35-quality", store, "--format", "mermaid")
    assert drawn.count("flowchart LR") == 2


def test_what_is_there_already_is_not_made_again(store: Path, tmp_path: Path) -> None:
    example = "41-go-on-where-it-stopped"
    (store / "season-1").mkdir()
    for episode in ("e01", "e02"):
        shutil.copy(store / "uploads/bunny.mp4", store / f"season-1/{episode}.mp4")
    worker("run", example, store)
    results = store / "results/season-1"
    made = {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()}
    assert results / "e01/.steps/web.json" in made
    assert results / "e02/manifest.json" in made
    listed = worker("run", example, store)
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()} == made
    assert "results/season-1/e02/pictures/0001.jpg" in listed
    os.utime(store / "season-1/e02.mp4")  # looks like another one, and is the same
    worker("run", example, store)
    changed = {p.name for p, before in made.items() if p.stat().st_mtime_ns != before}
    assert "manifest.json" in changed
    assert not [name for name in changed if name.endswith((".mp4", ".jpg", ".m3u8"))]
