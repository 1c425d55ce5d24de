"""Tokens: whose service-account token is this? By TokenReview, or offline by the cluster's JWKS.

Called by the reports endpoint. It says who the bearer is, never what the bearer may do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import jwt

from .cluster import Cluster

_LEEWAY_SECONDS = 60
"""By so much the API server's clock may be ahead: a token's time begins by that clock."""
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"


@dataclass(frozen=True)
class Bearer:
    """The pod that a token was made for."""

    namespace: str
    pod_name: str
    pod_uid: str


class TokenRefusedError(Exception):
    """The token is not valid for that audience; the text says why."""


class ReviewVerifier:
    """Asks the API server (TokenReview); revoked and deleted pods' tokens are refused at once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def verify(self, token: str, audience: str) -> Bearer:
        """The pod behind a token.

        Raises:
            TokenRefusedError: if the token is not good for the audience.
        """
        status = await self._cluster.review_token(token, audience)
        if not status.get("authenticated") or audience not in status.get("audiences", []):
            raise TokenRefusedError(status.get("error", "the token is not for this VideoJob"))
        user = status.get("user", {})
        extra = user.get("extra", {})
        _, _, account = user.get("username", "").partition("system:serviceaccount:")
        pod_name, pod_uid = extra.get(_POD_NAME, [""])[0], extra.get(_POD_UID, [""])[0]
        if not (account and pod_name and pod_uid):
            raise TokenRefusedError("the token is not bound to a pod")
        return Bearer(account.partition(":")[0], pod_name, pod_uid)


class JWKSVerifier:
    """Checks signatures with the cluster's public keys; needs no cluster-wide rights."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._keys: dict[str, jwt.PyJWK] = {}

    async def verify(self, token: str, audience: str) -> Bearer:
        """The pod behind a token.

        Raises:
            TokenRefusedError: if the token is not good for the audience.
        """
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid", ""))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256", "ES256", "ES384", "ES512"],
                audience=audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise TokenRefusedError(str(error)) from error
        if claims["exp"] <= time.time():
            raise TokenRefusedError("the token has expired")
        bound = claims.get("kubernetes.io", {})
        pod = bound.get("pod", {})
        if not pod.get("uid"):
            raise TokenRefusedError("the token is not bound to a pod")
        return Bearer(bound.get("namespace", ""), pod.get("name", ""), pod["uid"])

    async def _key(self, key_id: str) -> jwt.PyJWK:
        if key_id not in self._keys:
            answer = await self._cluster.get_token_keys()
            self._keys = {key["kid"]: jwt.PyJWK(key) for key in answer.get("keys", [])}
        if key_id not in self._keys:
            raise TokenRefusedError(f"the token is signed with an unknown key {key_id!r}")
        return self._keys[key_id]
