"""The client for a bucket: its connections and its credentials.

Called by ``storage`` when it opens a bucket. It connects to nothing yet.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Mapping
from typing import Any

from videojob_api import names
from videojob_api.videostore import AddressingStyle
from videojob_api.work_order import S3Target

from .errors import NotDoable, StorageRefused

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_POOL_SIZE = 16


def describe(target: S3Target) -> str:
    """The bucket and where it is, for sentences."""
    return f"bucket {target.bucket!r} at {target.endpoint}"


def connect(target: S3Target, environment: Mapping[str, str]) -> Any:
    """A ``minio.Minio`` for the bucket.

    Raises:
        NotDoable: if its endpoint is none.
        StorageRefused: if there are no credentials.
    """
    key, secret = (environment.get(n) for n in (names.ENV_ACCESS_KEY, names.ENV_SECRET_KEY))
    if not key or not secret:
        raise StorageRefused(
            f"There are no credentials for {describe(target)}; put accessKeyID and "
            "secretAccessKey into the VideoStore's Secret."
        )
    # The client's admin part, of no use to us, brings cffi and two libraries of cryptography:
    # a third of a second before the first byte.
    admin = types.ModuleType("minio.minioadmin")
    admin.MinioAdmin = None  # type: ignore[attr-defined]
    sys.modules.setdefault("minio.minioadmin", admin)
    import certifi
    import minio
    import urllib3

    secure, _, host = target.endpoint.rpartition("://")
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        maxsize=_POOL_SIZE,
        retries=False,
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )
    try:
        client: Any = minio.Minio(
            host.rstrip("/"),
            access_key=key,
            secret_key=secret,
            secure=secure == "https",
            region=target.region,
            http_client=pool,
        )
    except ValueError as error:
        raise NotDoable(f"{target.endpoint!r} is no endpoint: {error}.") from error
    if target.addressing_style is AddressingStyle.VIRTUAL_HOST:
        client.enable_virtual_style_endpoint()
    elif target.addressing_style is AddressingStyle.PATH:
        client.disable_virtual_style_endpoint()
    return client
