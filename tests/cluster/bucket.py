"""The in-cluster MinIO as seen from this machine: a port-forward and a client for its bucket.

Used by the demo and the end-to-end tests. Works with kind and with the cluster of plain processes,
since it goes through the API server.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import deploy
import minio_server
import urllib3
from minio import Minio

BUCKET = "media"


@contextlib.contextmanager
def opened(namespace: str, trust: ssl.SSLContext | None = None) -> Iterator[Minio]:
    """A client while inside; the bucket exists. With ``trust``, by TLS."""
    command = ["kubectl", "--namespace", namespace, "port-forward", "service/minio", ":9000"]
    command += ["--address", "127.0.0.1"]
    with subprocess.Popen(
        command,
        env=deploy.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as forward:
        try:
            line = forward.stdout.readline() if forward.stdout else ""
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found is None:
                raise deploy.DeployError(f"no port-forward to MinIO: {line.strip()}")
            client = Minio(
                f"127.0.0.1:{found[1]}",
                access_key=minio_server.ACCESS_KEY,
                secret_key=minio_server.SECRET_KEY,
                secure=trust is not None,
                http_client=urllib3.PoolManager(ssl_context=trust) if trust else None,
            )
            if not client.bucket_exists(BUCKET):
                client.make_bucket(BUCKET)
            yield client
        finally:
            forward.terminate()


def download(client: Minio, key: str, target: Path) -> tuple[int, str]:
    """Fetch an object; its size and sha256 as they really are."""
    target.parent.mkdir(parents=True, exist_ok=True)
    client.fget_object(BUCKET, key, str(target))
    data = target.read_bytes()
    return len(data), hashlib.sha256(data).hexdigest()
