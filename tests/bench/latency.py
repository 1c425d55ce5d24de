"""How much longer a VideoJob takes than the same work done by hand, on the same machine.

Run by `make bench`. Ten times in turn: the first example on the cluster, from `kubectl apply` to
Succeeded, and `python -m videojob_worker run` of the same manifest at the same thread count. Exit 1 if
the median of the difference is over 4 s, or any is over 6 s.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bucket
import demo
import deploy
import minio_server
from kubernetes import client, config, watch
from rich.console import Console
from rich.table import Table

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


def main() -> int:
    """Measure and print; 1 if it is too slow."""
    deploy.ensure()
    minio_server.ensure(demo.NAMESPACE)
    config.load_kube_config(deploy.environment()["KUBECONFIG"])
    demo.kubectl("apply", "-f", str(demo.EXAMPLE / "store.yaml"))
    table = Table(title="first example: seconds", title_justify="left")
    for title in ("run", "on the cluster", "running after", "on the host", "difference"):
        table.add_column(title, justify="right")
    differences = []
    with tempfile.TemporaryDirectory() as name, bucket.opened(demo.NAMESPACE) as store:
        folder = Path(name)
        (folder / "uploads").mkdir()
        shutil.copy(demo.find_clip(), folder / demo.CLIP_KEY)
        store.fput_object(bucket.BUCKET, demo.CLIP_KEY, str(demo.find_clip()))
        for run in range(1, RUNS + 1):
            cluster_seconds, seen = time_on_cluster()
            host_seconds = time_on_host(folder)
            differences.append(cluster_seconds - host_seconds)
            figures = (cluster_seconds, seen.get("Running", 0), host_seconds, differences[-1])
            table.add_row(str(run), *(f"{figure:.2f}" for figure in figures))
    Console().print(table)
    median, worst = statistics.median(differences), max(differences)
    print(
        f"difference: median {median:.2f} s (at most {MEDIAN_SECONDS}), worst {worst:.2f} s", end=""
    )
    print(f" (at most {WORST_SECONDS})")
    return int(median > MEDIAN_SECONDS or worst > WORST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
