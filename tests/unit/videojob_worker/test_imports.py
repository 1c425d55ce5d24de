"""What a worker has imported when it starts its first child: nothing that a simple job does not need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from worker_pod import Pod

HEAVY = {
    "asyncio",
    "concurrent.futures",
    "cv2",
    "faster_whisper",
    "kopf",
    "kubernetes",
    "langcodes",
    "minio",
    "multiprocessing",
    "numpy",
    "rich",
    "ssl",
    "tenacity",
    "torch",
    "urllib3",
}
BY_HAND = {"yaml"}
"""What reads a manifest, and is of no use in a pod."""
STOP_AT_THE_FIRST_CHILD = """
import json, os, subprocess, sys

def tell(self, *_, **__):
    with open(os.environ["SEEN"], "w") as file:
        json.dump(sorted(sys.modules), file)
    os._exit(0)

subprocess.Popen.__init__ = tell
from videojob_worker.__main__ import main
main(sys.argv[1:])
"""
MANIFEST = {
    "apiVersion": "videojob.dev/v1alpha1",
    "kind": "VideoJob",
    "metadata": {"name": "simple"},
    "spec": {
        "storeRef": {"name": "media"},
        "inputs": [{"name": "film", "key": "film.mp4"}],
        "steps": [{"name": "stills", "thumbnails": {"count": 1}}],
        "output": {"prefix": "out/"},
    },
}


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """A store with something in it, and a place to say what was imported."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store/film.mp4").write_bytes(b"looked at by a child, and only by it")
    for program in ("ffmpeg", "ffprobe"):
        (tmp_path / program).write_text("#!/bin/false\n")
        (tmp_path / program).chmod(0o755)
    return tmp_path / "seen"


def start(seen: Path, *arguments: str, **environment: str) -> set[str]:
    """All modules of a worker at its first child."""
    command = [sys.executable, "-c", STOP_AT_THE_FIRST_CHILD, *arguments]
    path = f"{seen.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        env={**environment, "PATH": path, "SEEN": str(seen), "TMPDIR": str(seen.parent)},
        capture_output=True,
        text=True,
    )
    assert seen.exists(), done.stderr
    return set(json.loads(seen.read_text()))


def test_in_a_pod(seen: Path):
    environment = Pod(seen.parent).environ("film.mp4")
    modules = start(seen, **environment)
    assert "videojob_worker.probe" in modules
    assert modules & (HEAVY | BY_HAND) == set()


def test_by_hand(seen: Path):
    manifest = seen.parent / "videojob.yaml"
    manifest.write_text(json.dumps(MANIFEST))
    store = f"file://{seen.parent}/store"
    modules = start(seen, "run", "--manifest", str(manifest), "--store", store)
    assert "videojob_worker.probe" in modules
    assert modules & HEAVY == set()
