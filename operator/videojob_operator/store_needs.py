"""What a store needs of the pods that use it: variables, volumes, and its place in their orders.

Pure. Called by ``manifests`` and ``clean_up_job``. Secrets and ConfigMaps are only named here: the
kubelet reads them, and the operator has no right to.
"""

from __future__ import annotations

from typing import Any

from videojob_api import names
from videojob_api.videostore import S3Store, VideoStoreSpec
from videojob_api.web_identity import find_sts_endpoint
from videojob_api.work_order import CaFile, FolderTarget, S3Target, TokenLogin

TOKEN_SECONDS = 3600
"""The kubelet renews it after four fifths of that."""
_VOLUME = "store"
_CA, _TOKEN = "ca.crt", "token"

Body = dict[str, Any]


def read_credentials(store: VideoStoreSpec) -> list[Body]:
    """The variables through which a container gets the store's credentials from their Secret."""
    if store.s3 is None or store.s3.credentials_secret_ref is None:
        return []
    secret = store.s3.credentials_secret_ref.name
    keys = {names.ENV_ACCESS_KEY: "accessKeyID", names.ENV_SECRET_KEY: "secretAccessKey"}
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for variable, key in keys.items()
    ]


def mount_store(store: VideoStoreSpec) -> tuple[list[Body], list[Body]]:
    """Volumes and mounts: of a claim, or of a bucket's CA and the token for its STS service."""
    if store.volume is not None:
        claim = {"claimName": store.volume.claim_name}
        volume = {"name": _VOLUME, "persistentVolumeClaim": claim}
        return [volume], [{"name": _VOLUME, "mountPath": names.VOLUME_PATH}]
    sources = _sources(store.s3) if store.s3 else []
    if not sources:
        return [], []
    projected = {"sources": sources, "defaultMode": 0o440}
    mount = {"name": _VOLUME, "mountPath": names.STORE_PATH, "readOnly": True}
    return [{"name": _VOLUME, "projected": projected}], [mount]


def _sources(s3: S3Store) -> list[Body]:
    sources: list[Body] = []
    if (ref := s3.ca_config_map_ref) is not None:
        # Optional: a pod whose volume lacks its ConfigMap hangs without saying so in its status, while
        # a worker that misses the file can say what to do.
        items = [{"key": ref.key, "path": _CA}]
        sources.append({"configMap": {"name": ref.name, "items": items, "optional": True}})
    if s3.web_identity is not None:
        token = {
            "path": _TOKEN,
            "audience": s3.web_identity.audience,
            "expirationSeconds": TOKEN_SECONDS,
        }
        sources.append({"serviceAccountToken": token})
    return sources


def target_store(store: VideoStoreSpec) -> dict[str, S3Target | FolderTarget | None]:
    """Where the store is and how it is reached, as an order says it."""
    return {
        "s3": _target_bucket(store.s3) if store.s3 else None,
        "folder": FolderTarget(path=names.VOLUME_PATH, prefix=store.volume.prefix)
        if store.volume
        else None,
    }


def _target_bucket(s3: S3Store) -> S3Target:
    ref, identity = s3.ca_config_map_ref, s3.web_identity
    return S3Target(
        endpoint=s3.endpoint,
        bucket=s3.bucket,
        region=s3.region,
        prefix=s3.prefix,
        addressing_style=s3.addressing_style,
        ca=CaFile(path=f"{names.STORE_PATH}/{_CA}", config_map=ref.name, key=ref.key)
        if ref
        else None,
        web_identity=TokenLogin(
            role_arn=identity.role_arn,
            sts_endpoint=find_sts_endpoint(identity, s3.endpoint, s3.region),
            token_path=f"{names.STORE_PATH}/{_TOKEN}",
        )
        if identity
        else None,
    )
