"""The bucket of a run: a MinIO that is a process of this machine, so that it can be stopped and come back.

Used by ``run.py`` and ``injections.py``. The one in a pod loses its bytes with the pod, and a kubelet would
bring it back when it likes. Listens on the cluster's bridge, where pods and this machine reach it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import binaries
import minio_server
from api import wait_until
from minio import Minio
from places import BRIDGE_ADDRESS

PORT = 16900
BUCKET = "media"
ENDPOINT = f"http://{BRIDGE_ADDRESS}:{PORT}"


class Store:
    """A MinIO over a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        self.client = Minio(
            f"{BRIDGE_ADDRESS}:{PORT}",
            access_key=minio_server.ACCESS_KEY,
            secret_key=minio_server.SECRET_KEY,
            secure=False,
            region="us-east-1",
        )

    def start(self) -> None:
        """Serve what the folder holds."""
        environment = {
            "MINIO_ROOT_USER": minio_server.ACCESS_KEY,
            "MINIO_ROOT_PASSWORD": minio_server.SECRET_KEY,
            "MINIO_UPDATE": "off",
            "MINIO_CALLHOME_ENABLE": "off",
            "MINIO_BROWSER": "off",
        }
        command = [str(binaries.ensure_binary("minio")), "server", "--quiet"]
        command += ["--address", f"{BRIDGE_ADDRESS}:{PORT}", "--console-address", "127.0.0.1:0"]
        self._server = subprocess.Popen(
            [*command, str(self._folder)],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if not wait_until(self._lives, 30):
            raise RuntimeError(f"MinIO does not answer at {ENDPOINT}")

    def _lives(self) -> bool:
        with urllib.request.urlopen(f"{ENDPOINT}/minio/health/live", timeout=2) as answer:
            return bool(answer.status == 200)

    def stop(self) -> None:
        """End it at once, whatever it is doing."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def open_uploads(self) -> list[str]:
        """Multipart uploads that nobody has ended.

        Looked for on the disk: MinIO lists them by whole keys only.
        """
        root = self._folder / ".minio.sys" / "multipart"
        return [str(path.parent.relative_to(root)) for path in root.glob("*/*/xl.meta")]


@contextmanager
def serving() -> Iterator[Store]:
    """A store with an empty bucket, until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="videojob-chaos-"))
    store = Store(folder)
    try:
        store.start()
        store.client.make_bucket(BUCKET)
        yield store
    finally:
        store.stop()
        shutil.rmtree(folder, ignore_errors=True)
