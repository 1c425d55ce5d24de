"""Runs the worker over a film, as `python -m videojob_worker run` does for anybody.

Used by the parts of the bench.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import yaml
from measuring import Cost, measure

WORKER = (sys.executable, "-m", "videojob_worker")


class Work:
    """A folder with a film in it, and what the worker makes of it."""

    def __init__(self, folder: Path, film: Path, steps: list[dict[str, Any]]) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / "film.mp4"
        link.unlink(missing_ok=True)
        os.link(film, link) if os.stat(film).st_dev == os.stat(folder).st_dev else _copy(film, link)
        self._manifest = folder / "videojob.yaml"
        self._manifest.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "videojob.dev/v1alpha1",
                    "kind": "VideoJob",
                    "metadata": {"name": "bench"},
                    "spec": {
                        "storeRef": {"name": "media"},
                        "inputs": [{"name": "film", "key": "film.mp4"}],
                        "steps": steps,
                        "output": {"prefix": "results/", "ifExists": "Overwrite"},
                    },
                }
            )
        )

    @property
    def command(self) -> tuple[str, ...]:
        """What is run."""
        store = f"file://{self._folder}"
        return (*WORKER, "run", "--manifest", str(self._manifest), "--store", store)

    def run(self) -> Cost:
        """Run the worker to its end."""
        return measure(self.command)

    @property
    def results(self) -> Path:
        """The folder of the results."""
        return self._folder / "results" / "film"

    def process_cpu_seconds(self) -> float:
        """CPU seconds of the stage *process* of the last run."""
        manifest = json.loads((self.results / "manifest.json").read_text())
        return float(next(t["cpuSeconds"] for t in manifest["timings"] if t["stage"] == "process"))

    def ffmpeg_command(self, scratch: Path) -> list[str]:
        """The worker's one ffmpeg command, to be run by hand in a folder of its own."""
        lines = (self.results / ".logs" / "commands.sh").read_text().splitlines()
        (line,) = (each for each in lines if each.startswith("ffmpeg ") and " -i " in each)
        words = shlex.split(line)
        source = next(word for word in words if word.endswith("/source")).removeprefix("file:")
        old = source.removesuffix("/source")
        scratch.mkdir(parents=True, exist_ok=True)
        _copy(self._folder / "film.mp4", scratch / "source")
        for word in words:
            for target in word.replace("|", " ").replace("]", " ").split():
                if target.startswith(f"{old}/"):
                    Path(target.replace(old, str(scratch))).parent.mkdir(
                        parents=True, exist_ok=True
                    )
        return [word.replace(old, str(scratch)) for word in words]


def _copy(source: Path, target: Path) -> None:
    target.write_bytes(b"")
    with source.open("rb") as one, target.open("wb") as other:
        while os.copy_file_range(one.fileno(), other.fileno(), 64 << 20):
            pass
