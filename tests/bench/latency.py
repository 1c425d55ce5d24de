"""How much longer a VideoJob takes than the same work done by hand, on the same machine.

Run by `make bench PART=latency`, on the local cluster. In turn: the first example on the cluster, from
`kubectl apply` to Succeeded, and `python -m videojob_worker run` of the same manifest at the same
thread count.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import bucket
import demo
import deploy
import minio_server
from kubernetes import client, config, watch
from tables import Promise, Result

RUNS = 10
MEDIAN_SECONDS, WORST_SECONDS = 4.0, 6.0
MANIFEST = demo.EXAMPLE / "videojob.yaml"
THREADS = "2"


def time_on_host(folder: Path) -> float:
    """Seconds that the worker takes without a cluster."""
    shutil.rmtree(folder / "results", ignore_errors=True)
    command = [sys.executable, "-m", "videojob_worker", "run"]
    command += ["--manifest", str(MANIFEST), "--store", f"file://{folder}"]
    environment = {**os.environ, "VIDEOJOB_CPU_LIMIT": THREADS}
    started = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.monotonic() - started


def time_on_cluster() -> tuple[float, dict[str, float]]:
    """Seconds from apply to Succeeded, and when each phase was first seen."""
    api = client.CustomObjectsApi()
    where = ("videojob.dev", "v1alpha1", demo.NAMESPACE, "videojobs")
    demo.kubectl("delete", "videojob", "first-job", "--ignore-not-found")
    started = time.monotonic()
    demo.kubectl("apply", "-f", str(MANIFEST))
    seen: dict[str, float] = {}
    events = watch.Watch().stream(api.list_namespaced_custom_object, *where, timeout_seconds=300)
    for event in events:
        phase = event["object"].get("status", {}).get("phase")
        if phase:
            seen.setdefault(phase, time.monotonic() - started)
        if phase in ("Succeeded", "Failed", "Rejected"):
            if phase != "Succeeded":
                raise demo.DemoError(f"the job ended {phase}")
            return seen[phase], seen
    raise demo.DemoError("the job did not end")


def run(folder: Path) -> Result:
    """Measure both, some times."""
    deploy.ensure()
    minio_server.ensure(demo.NAMESPACE)
    config.load_kube_config(deploy.environment()["KUBECONFIG"])
    demo.kubectl("apply", "-f", str(demo.EXAMPLE / "store.yaml"))
    found = []
    with bucket.opened(demo.NAMESPACE) as store:
        (folder / "uploads").mkdir()
        shutil.copy(demo.find_clip(), folder / demo.CLIP_KEY)
        store.fput_object(bucket.BUCKET, demo.CLIP_KEY, str(demo.find_clip()))
        for _ in range(RUNS):
            cluster_seconds, seen = time_on_cluster()
            host_seconds = time_on_host(folder)
            difference = cluster_seconds - host_seconds
            found.append((cluster_seconds, seen.get("Running", 0.0), host_seconds, difference))
    names = ("on the cluster", "of it, until Running", "on the host", "**difference**")
    rows = [
        (name, f"{statistics.median(figures):.2f}", f"{max(figures):.2f}")
        for name, figures in zip(names, zip(*found, strict=True), strict=True)
    ]
    differences = [each[-1] for each in found]
    return Result(
        f"What the cluster adds: the first example, {RUNS} runs, seconds",
        ("", "median", "worst"),
        rows,
        (
            Promise("difference, median", statistics.median(differences), MEDIAN_SECONDS, unit="s"),
            Promise("difference, worst", max(differences), WORST_SECONDS, unit="s"),
        ),
        "From `kubectl apply` to Succeeded: three HLS renditions, an MP4, six pictures, sound.",
    )
