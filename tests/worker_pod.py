"""A worker as its container starts it, without a container: its folder, its environment, its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videojob_api.report import Result

TRANSCODE = {"name": "web", "transcode": {"renditions": [{"height": 144}]}}
STILLS = {"name": "stills", "thumbnails": {"count": 2}}


@dataclass
class Pod:
    """The folder of a store, and what a pod would have around the process."""

    folder: Path
    order: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    program: tuple[str, ...] = ("-m", "videojob_worker")

    def environ(self, *keys: str, index: int = 0) -> dict[str, str]:
        """What the worker finds in its environment for one of some inputs."""
        (self.folder / "scratch").mkdir(exist_ok=True)
        order = {
            "job": {"namespace": "n", "name": "j", "uid": "u", "runID": "r", "attempt": 1},
            "inputs": [
                {"index": i, "name": f"in-{i}", "key": key, **self.order.get("input", {})}
                for i, key in enumerate(keys)
            ],
            "steps": [TRANSCODE, STILLS],
            "limits": {},
            "outputPrefix": "out/",
            "folder": {"path": str(self.folder / "store")},
            **{k: v for k, v in self.order.items() if k != "input"},
        }
        return {
            "PATH": os.environ["PATH"],
            "VIDEOJOB_ORDER": json.dumps(order),
            "VIDEOJOB_SCRATCH": str(self.folder / "scratch"),
            "VIDEOJOB_CPU_LIMIT": "2",
            "VIDEOJOB_TERMINATION_PATH": str(self.folder / "message"),
            "JOB_COMPLETION_INDEX": str(index),
            **self.environment,
        }

    def start(self, *keys: str, index: int = 0) -> subprocess.Popen[str]:
        """Start the worker."""
        return subprocess.Popen(
            [sys.executable, *self.program],
            env=self.environ(*keys, index=index),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *keys: str, index: int = 0) -> Result:
        """Run the worker to its end; its message, which agrees with its exit code."""
        process = self.start(*keys, index=index)
        _, log = process.communicate(timeout=120)
        lines = [json.loads(line) for line in log.splitlines()]
        assert lines[-1]["message"] == "worker ends"
        result = Result.model_validate_json((self.folder / "message").read_text())
        assert process.returncode == result.exit_code, log
        assert list((self.folder / "scratch").iterdir()) == []
        return result

    def published(self) -> list[str]:
        """All there is under the output prefix."""
        top = self.folder / "store"
        return sorted(str(p.relative_to(top)) for p in top.glob("out/**/*") if p.is_file())
