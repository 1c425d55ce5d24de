"""What a VideoJob says of its own end, against when it ended: steady work, on the local cluster.

Run by `make bench PART=progress`. Every status that the API server sends is kept with its time; once the
job is over, each ETA of the second half is compared with the time that was really left.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bucket
import demo
import deploy
import minio_server
from cloaking import cut
from following import changes, ended
from kubernetes import config
from tables import Promise, Result
from telling import Said, falls, off_percent

MOST_OFF_PERCENT = 20.0
_KEY = "uploads/steady.mp4"
_FILM_SECONDS = 20
_TIMEOUT_SECONDS = 1800


@dataclass(frozen=True)
class Case:
    """A job of equal inputs."""

    name: str
    inputs: int
    at_once: int


CASES = (
    Case("one", 1, 1),
    Case("all at once", 3, 3),
    Case("in turns, the last one short", 5, 2),
)


@dataclass(frozen=True)
class Lived:
    """A whole job."""

    case: Case
    said: Sequence[Said]
    seconds: float
    """From the start of its first worker."""

    @property
    def off(self) -> list[float]:
        """How far off its ETAs were, in percent."""
        return off_percent(self.said, self.seconds)

    def cells(self) -> tuple[str, ...]:
        """For the table."""
        counts = (self.case.inputs, self.case.at_once, round(self.seconds), len(self.off))
        off = (statistics.median(self.off), max(self.off))
        return (self.case.name, *map(str, counts), *(f"{one:.0f} %" for one in off))


def manifest(case: Case) -> dict[str, Any]:
    """The VideoJob: each input is the same film, on a quarter of a core, so that nobody waits for one."""
    return {
        "apiVersion": "videojob.dev/v1alpha1",
        "kind": "VideoJob",
        "metadata": {"name": "steady"},
        "spec": {
            "storeRef": {"name": "media"},
            "inputs": [{"name": f"film-{i}", "key": _KEY} for i in range(case.inputs)],
            "parallelism": case.at_once,
            "steps": [
                {
                    "name": "web",
                    "transcode": {"renditions": [{"height": 720}]},
                }
            ],
            "accelerator": {"mode": "Off"},  # the cluster plays two GPUs: a third worker would wait
            "resources": {"limits": {"cpu": "250m"}},
            "output": {"prefix": "results/steady/"},
        },
    }


def live(case: Case) -> Lived:
    """Apply it, and watch it to its end.

    Raises:
        demo.DemoError: if it ends otherwise than Succeeded.
    """
    demo.kubectl("delete", "videojob", "steady", "--ignore-not-found")
    subprocess.run(
        ["kubectl", "--namespace", demo.NAMESPACE, "apply", "-f", "-"],
        input=json.dumps(manifest(case)),
        env=deploy.environment(),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    started, updated_at, said = 0.0, "", []
    for body in changes(demo.NAMESPACE, "steady", _TIMEOUT_SECONDS):
        now = time.monotonic()
        status = body.get("status", {})
        progress = status.get("progress", {})
        started = started or (now if status.get("phase") == "Running" else 0.0)
        if ended(body):
            if status["phase"] != "Succeeded":
                raise demo.DemoError(f"the job ended {status['phase']}: {status.get('message')}")
            return Lived(case, [*said, Said(now - started, progress["percent"], 0)], now - started)
        if started and progress.get("updatedAt", "") != updated_at:
            updated_at = progress["updatedAt"]
            said.append(Said(now - started, progress["percent"], progress.get("etaSeconds")))
            print(f"  {case.name}: {said[-1]}", flush=True)
    raise demo.DemoError(f"the job has not ended after {_TIMEOUT_SECONDS} s")


def run(folder: Path) -> Result:
    """Live each case once."""
    deploy.ensure()
    minio_server.ensure(demo.NAMESPACE)
    config.load_kube_config(deploy.environment()["KUBECONFIG"])
    demo.kubectl("apply", "-f", str(demo.EXAMPLE / "store.yaml"))
    with bucket.opened(demo.NAMESPACE) as store:
        store.fput_object(bucket.BUCKET, _KEY, str(cut(folder, _FILM_SECONDS)))
        lived = [live(case) for case in CASES]
    worst = max(max(one.off) for one in lived)
    fallen = sum(falls(one.said) for one in lived)
    return Result(
        f"What a job says of its end: {_FILM_SECONDS} s of 1080p to 720p, a quarter of a core each",
        ("", "inputs", "at once", "wall s", "ETAs", "off, median", "off, worst"),
        [one.cells() for one in lived],
        (
            Promise("ETA off, worst", worst, MOST_OFF_PERCENT, unit="%"),
            Promise("the percent fell", fallen, 0, unit="times"),
        ),
        "The ETAs written from half to nine tenths of the job, each against the time that was left.",
    )
