"""The in-cluster MinIO as seen from this machine: a port-forward and a client for its bucket.

Used by the demo and the end-to-end tests.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import minio_server
import urllib3
from minio import Minio
from minio.error import S3Error
from port_forward import forwarded

BUCKET = "media"
# A port-forward that was lost is there again within a second or two.
_RETRIES = urllib3.Retry(total=6, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])


@contextlib.contextmanager
def opened(namespace: str, trust: ssl.SSLContext | None = None) -> Iterator[Minio]:
    """A client while inside; the bucket exists. With ``trust``, by TLS."""
    with forwarded(namespace, "minio", 9000) as address:
        client = Minio(
            address,
            access_key=minio_server.ACCESS_KEY,
            secret_key=minio_server.SECRET_KEY,
            secure=trust is not None,
            http_client=urllib3.PoolManager(retries=_RETRIES, ssl_context=trust),
        )
        try:
            client.make_bucket(BUCKET)
        except S3Error as error:
            if error.code != "BucketAlreadyOwnedByYou":
                raise
        yield client


def download(client: Minio, key: str, target: Path) -> tuple[int, str]:
    """Fetch an object; its size and sha256 as they really are."""
    target.parent.mkdir(parents=True, exist_ok=True)
    client.fget_object(BUCKET, key, str(target))
    data = target.read_bytes()
    return len(data), hashlib.sha256(data).hexdigest()
