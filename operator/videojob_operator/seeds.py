"""The key that every run's secret seed follows from, kept in the operator's own Secret.

Called by ``__main__`` at start; ``manifests`` derives the seeds. A run's seed is the same for each of
its attempts, so that a retry makes the same bytes, and without the key nobody can tell it.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any

from .cluster import Cluster
from .errors import Conflict

_ENTRY = "seed.key"
_KEY_BYTES = 32


async def ensure_seed_key(cluster: Cluster, namespace: str, secret: str) -> str:
    """The key in the Secret, made when there is none.

    Raises:
        Gone: if the chart's Secret is not there.
    """
    while True:
        body = await cluster.get_secret(namespace, secret)
        if (key := read_key(body)) is not None:
            return key
        made = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
        try:
            await cluster.replace_secret(
                {**body, "data": {**(body.get("data") or {}), _ENTRY: made}}
            )
        except Conflict:
            continue  # another replica was faster; take its key


def read_key(secret: dict[str, Any]) -> str | None:
    """The key in a Secret, or None if it has none that is long enough."""
    text = str((secret.get("data") or {}).get(_ENTRY, ""))
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return text if len(key) >= _KEY_BYTES else None
