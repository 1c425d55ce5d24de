"""The client for a bucket: its connections, whose certificates they trust, and its credentials.

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
from videojob_api.work_order import CaFile, S3Target

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
        StorageRefused: if no bucket can have its name, there are no credentials, or the CA can't be used.
    """
    # The client's admin part, of no use to us, brings cffi and two libraries of cryptography:
    # a third of a second before the first byte.
    admin = types.ModuleType("minio.minioadmin")
    admin.MinioAdmin = None  # type: ignore[attr-defined]
    sys.modules.setdefault("minio.minioadmin", admin)
    import minio
    from minio.helpers import check_bucket_name

    try:
        check_bucket_name(target.bucket)
    except ValueError as error:
        raise StorageRefused(f"{error}; mend it in the VideoStore.") from error
    secure, _, host = target.endpoint.rpartition("://")
    pool = _open_pool(target.ca)
    try:
        client: Any = minio.Minio(
            host.rstrip("/"),
            credentials=_find_credentials(target, environment, pool),
            secure=secure == "https",
            region=target.region,
            http_client=pool,
        )
    except ValueError as error:
        where = f"{target.endpoint!r} with region {target.region!r}"
        raise NotDoable(f"{where} is no endpoint: {error}.") from error
    if target.addressing_style is AddressingStyle.VIRTUAL_HOST:
        client.enable_virtual_style_endpoint()
    elif target.addressing_style is AddressingStyle.PATH:
        client.disable_virtual_style_endpoint()
    return client


def _open_pool(ca: CaFile | None) -> Any:
    import certifi
    import urllib3

    trust: dict[str, Any] = (
        {"ssl_context": _trust_only(ca)}
        if ca
        else {"ca_certs": os.environ.get("SSL_CERT_FILE") or certifi.where()}
    )
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        maxsize=_POOL_SIZE,
        retries=False,
        **trust,
    )


def _trust_only(ca: CaFile) -> Any:
    """A context for TLS that takes certificates of these authorities, and of no others."""
    import ssl

    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    # What Python 3.13 asks for by default, most CAs made by `openssl req -x509` don't have. Whoever
    # names one here means it, be it an intermediate or the server's own certificate.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    where = f"ConfigMap {ca.config_map!r}"
    try:
        context.load_verify_locations(cafile=ca.path)
    except FileNotFoundError as error:
        raise StorageRefused(
            f"The CA that the VideoStore's caConfigMapRef names is not there: there is no {where} here, "
            f"or it has no key {ca.key!r}; put the store's CA there, in PEM."
        ) from error
    except OSError as error:  # ssl.SSLError is one
        raise StorageRefused(
            f"Key {ca.key!r} of {where} should hold certificates in PEM and does not "
            f"({error.strerror or error}); put the store's CA there, from "
            "-----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----."
        ) from error
    return context


def _find_credentials(target: S3Target, environment: Mapping[str, str], pool: Any) -> Any:
    if target.web_identity is not None:
        from .web_identity import WebIdentity  # only now: it brings minio

        session = environment.get(names.ENV_POD_NAME, "videojob")
        return WebIdentity(target.web_identity, session, pool)
    key, secret = (environment.get(n) for n in (names.ENV_ACCESS_KEY, names.ENV_SECRET_KEY))
    if not key or not secret:
        raise StorageRefused(
            f"There are no credentials for {describe(target)}; put accessKeyID and "
            "secretAccessKey into the VideoStore's Secret."
        )
    from minio.credentials.providers import StaticProvider

    return StaticProvider(key, secret)
