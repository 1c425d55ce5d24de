"""Fetching and publishing an object of 1 GiB, against the same client library alone.

Run by `make bench PART=transfer`, with a real MinIO process on this machine. Each transfer is a process
of its own, so that its memory is its own; library and worker take turns, and the best of each counts.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import binaries
from measuring import Cost, measure
from tables import Promise, Result

SIZE = 1 << 30
ROUNDS = 3
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16)}
_PRELUDE = """
import os, sys
from pathlib import Path
endpoint, path = sys.argv[1], Path(sys.argv[2])
"""
_LIBRARY = (
    _PRELUDE
    + """
from minio import Minio
client = Minio(endpoint, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"],
               secure=False, region="us-east-1")
"""
)
_WORKER = (
    _PRELUDE
    + """
from videojob_api.inputs import Input
from videojob_api.videojob import Limits
from videojob_api.work_order import S3Target
from videojob_worker.fetch import fetch
from videojob_worker.outputs import Produced
from videojob_worker.publish import Destination, publish
from videojob_worker.scratch import Scratch
from videojob_worker.stop import Stop
from videojob_worker.storage import S3Storage
stop = Stop()
store = S3Storage(S3Target(endpoint=f"http://{endpoint}", bucket="bench"), os.environ, stop)
"""
)
PROGRAMS = {
    ("fetch", "library"): _LIBRARY + 'client.fget_object("bench", "film", str(path / "fetched"))',
    ("fetch", "worker"): _WORKER
    + 'fetch(Input(name="film", key="film"), Limits(), store, path / "fetched")',
    ("publish", "library"): _LIBRARY + 'client.fput_object("bench", "out", str(path / "film"))',
    ("publish", "worker"): _WORKER
    + """
to = Destination(store, "out/", "film", Scratch(path), stop)
publish([Produced(path / "film", "web", f"{os.getpid()}.mp4", "video/mp4")], to)
""",
}


def run(folder: Path) -> Result:
    """Measure all four."""
    film = folder / "film"
    with film.open("wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))
    with _minio(folder / "store") as endpoint:
        import minio

        client = minio.Minio(endpoint, *KEYS.values(), secure=False, region="us-east-1")
        client.make_bucket("bench")
        client.fput_object("bench", "film", str(film))
        costs: dict[tuple[str, str], Cost] = {}
        for _ in range(ROUNDS):
            for which, program in PROGRAMS.items():
                cost = _run(program, endpoint, folder)
                costs[which] = min(
                    (cost, costs.get(which, cost)), key=lambda each: each.wall_seconds
                )
                for used in client.list_objects("bench", "out", recursive=True):
                    client.remove_object("bench", str(used.object_name))
    rows = []
    for (what, who), cost in costs.items():
        speed = SIZE / (1 << 20) / cost.wall_seconds
        rows.append((f"{what}, {who}", *cost.cells(), f"{speed:.0f}"))

    def against(what: str) -> float:
        return costs[what, "library"].wall_seconds / costs[what, "worker"].wall_seconds

    def memory(what: str) -> float:
        return costs[what, "worker"].peak_bytes / (1 << 20)

    return Result(
        f"Transfers: 1 GiB from and to MinIO on the same machine; best of {ROUNDS}",
        ("", "wall s", "CPU s", "peak MiB", "MiB/s"),
        rows,
        (
            Promise("fetching, against minio-py alone", against("fetch"), 0.8, at_least=True),
            Promise("publishing, against minio-py alone", against("publish"), 0.8, at_least=True),
            Promise("memory while fetching", memory("fetch"), 256, unit="MiB"),
            Promise("memory while publishing", memory("publish"), 256, unit="MiB"),
        ),
        "The worker takes the sha256 of all of it too, both times, and publishes with it; the library "
        "does not.",
    )


def _run(program: str, endpoint: str, folder: Path) -> Cost:
    environment = {**os.environ, **KEYS}
    return measure((sys.executable, "-c", program, endpoint, str(folder)), environment=environment)


@contextmanager
def _minio(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = {
        **os.environ,
        "MINIO_ROOT_USER": KEYS["AWS_ACCESS_KEY_ID"],
        "MINIO_ROOT_PASSWORD": KEYS["AWS_SECRET_ACCESS_KEY"],
    }
    command = [str(binaries.ensure_binary("minio")), "server", "--quiet", "--address", address]
    server = subprocess.Popen(
        [*command, "--console-address", "127.0.0.1:0", str(folder)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(OSError):
                urllib.request.urlopen(f"http://{address}/minio/health/live", timeout=1).close()
                break
            time.sleep(0.05)
        yield address
    finally:
        server.terminate()
        server.wait(20)
