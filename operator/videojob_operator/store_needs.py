"""What a store needs of the pods that use it: variables, volumes, and its place in their orders.

Pure. Called by ``manifests`` and ``clean_up_job``. Secrets are only named here: the kubelet reads
them, and the operator has no right to.
"""

from __future__ import annotations

from typing import Any

from videojob_api import names
from videojob_api.videostore import VideoStoreSpec
from videojob_api.work_order import FolderTarget, S3Target


def read_credentials(store: VideoStoreSpec) -> list[dict[str, Any]]:
    """The variables through which a container gets the store's credentials from their Secret."""
    if store.s3 is None:
        return []
    secret = store.s3.credentials_secret_ref.name
    keys = {names.ENV_ACCESS_KEY: "accessKeyID", names.ENV_SECRET_KEY: "secretAccessKey"}
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for variable, key in keys.items()
    ]


def mount_store(store: VideoStoreSpec) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes and mounts of a store on a claim; a bucket needs none."""
    if store.volume is None:
        return [], []
    claim = {"claimName": store.volume.claim_name}
    volume = {"name": "store", "persistentVolumeClaim": claim}
    return [volume], [{"name": "store", "mountPath": names.VOLUME_PATH}]


def target_store(store: VideoStoreSpec) -> dict[str, S3Target | FolderTarget | None]:
    """Where the store is, as an order says it."""
    return {
        "s3": S3Target.model_validate(store.s3.model_dump()) if store.s3 else None,
        "folder": FolderTarget(path=names.VOLUME_PATH, prefix=store.volume.prefix)
        if store.volume
        else None,
    }
