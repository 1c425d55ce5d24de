"""``python -m videojob_worker run``: a manifest and folders, no cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bad_inputs import make_film

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.ffmpeg

MANIFEST = """
apiVersion: videojob.dev/v1alpha1
kind: VideoJob
metadata: {name: first}
spec:
  storeRef: {name: media}
  inputs: [INPUTS]
  steps:
  - {name: web, transcode: {renditions: [{height: 144}]}}
  - {name: stills, thumbnails: {count: 2, contactSheet: true}}
  output: {prefix: results/}
  subjectRefs: [{kind: vacancy, id: "42"}]
  userMetadata: {title: 'A "quoted" title, ünï'}
"""


def run(
    tmp_path: Path, *inputs: str, more: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    listed = ", ".join(f"{{name: {name}, key: uploads/{name}.mp4}}" for name in inputs)
    (tmp_path / "job.yaml").write_text(MANIFEST.replace("INPUTS", listed))
    command = (sys.executable, "-m", "videojob_worker", "run")
    manifest = ("--manifest", str(tmp_path / "job.yaml"))
    return subprocess.run(
        [*command, *manifest, "--store", f"file://{tmp_path}/store", *more],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )


@pytest.fixture(autouse=True)
def _film(tmp_path: Path) -> None:
    (tmp_path / "store/uploads").mkdir(parents=True)
    make_film(tmp_path / "store/uploads/good.mp4")
    (tmp_path / "store/uploads/bad.mp4").write_text("no film at all")


def test_results_are_listed_with_their_sizes(tmp_path: Path):
    done = run(tmp_path, "good")
    assert done.returncode == 0, done
    assert done.stderr == "" or done.stderr.startswith("note: this kernel has no Landlock")
    folder = tmp_path / "store/results/good"
    for name in ("web/144p.mp4", "stills/contact-sheet.jpg"):
        assert (folder / name).stat().st_size > 0
        assert f"results/good/{name}" in done.stdout
    assert f"described in {folder}/manifest.json" in done.stdout
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["subjectRefs"] == [{"kind": "vacancy", "id": "42"}]
    assert manifest["userMetadata"] == {"title": 'A "quoted" title, ünï'}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["job.yaml", "store"]


def test_results_may_go_elsewhere(tmp_path: Path):
    done = run(tmp_path, "good", more=("--output", str(tmp_path / "made")))
    assert done.returncode == 0, done
    assert (tmp_path / "made/results/good/manifest.json").exists()
    assert not (tmp_path / "store/results").exists()


def test_the_worst_input_decides_and_the_others_finish(tmp_path: Path):
    done = run(tmp_path, "bad", "good", "missing")
    assert done.returncode == 42
    assert "bad: Rejected, UnsupportedFormat:" in done.stdout
    assert f"there is no file {tmp_path}/store/uploads/missing.mp4" in done.stdout
    assert (tmp_path / "store/results/good/manifest.json").exists()
    assert not (tmp_path / "store/results/bad").exists()


def test_what_is_wrong_with_the_call_is_said(tmp_path: Path):
    done = run(tmp_path, "good", more=("--store", str(tmp_path / "nowhere")))
    assert done.returncode == 44
    assert done.stderr.startswith("error: The store's folder")
    done = run(tmp_path, "good", more=("--store", str(tmp_path / "job.yaml")))
    assert done.returncode == 44
    assert "job.yaml is not a folder; make it, or name another" in done.stderr
    for output in ("job.yaml", "job.yaml/made"):
        done = run(tmp_path, "good", more=("--output", str(tmp_path / output)))
        assert done.returncode == 44
        assert done.stderr.startswith("error: The folder for the results")
        assert "name another with --output" in done.stderr
        assert "Traceback" not in done.stderr
    done = run(tmp_path, "Good")
    assert done.returncode == 43
    assert "spec.inputs[0].name:" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_example_with_ids_of_ones_own_does_what_its_page_says(tmp_path: Path):
    (tmp_path / "store/uploads/good.mp4").rename(tmp_path / "store/uploads/bunny.mp4")
    example = EXAMPLES / "28-your-own-ids" / "videojob.yaml"
    command = (sys.executable, "-m", "videojob_worker", "run", "--manifest", str(example))
    subprocess.run([*command, "--store", f"file://{tmp_path}/store"], check=True, timeout=120)
    text = (tmp_path / "store/results/interview/bunny/manifest.json").read_text()
    manifest = json.loads(text)
    assert manifest["subjectRefs"][0] == {"kind": "vacancy", "id": "42"}
    assert manifest["userMetadata"]["title"] == "Second interview"
