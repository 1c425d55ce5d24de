"""Whose token is this? By the API server's review, or by real signatures."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
import pytest
from builders import UID
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fake_cluster import FakeCluster

from videojob_api.names import reports_audience
from videojob_operator.errors import ClusterError
from videojob_operator.tokens import Bearer, JWKSVerifier, ReviewVerifier, TokenRefusedError

AUDIENCE = reports_audience(UID)
BEARER = Bearer("films", "pod-0", "pod-uid")


# ---- TokenReview


def a_review(**changes: Any) -> dict[str, Any]:
    return {
        "authenticated": True,
        "audiences": [AUDIENCE],
        "user": {
            "username": "system:serviceaccount:films:default",
            "extra": {
                "authentication.kubernetes.io/pod-name": ["pod-0"],
                "authentication.kubernetes.io/pod-uid": ["pod-uid"],
            },
        },
        **changes,
    }


async def review(status: dict[str, Any]) -> Bearer:
    cluster = FakeCluster()
    cluster.reviews["token"] = status
    return await ReviewVerifier(cluster).verify("token", AUDIENCE)


async def test_a_reviewed_token_names_its_pod() -> None:
    assert await review(a_review()) == BEARER


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"authenticated": False, "error": "token has expired"}, "token has expired"),
        ({}, "not for this VideoJob"),
        (a_review(authenticated=False), "not for this VideoJob"),
        (a_review(audiences=["https://kubernetes.default.svc"]), "not for this VideoJob"),
        (a_review(audiences=[]), "not for this VideoJob"),
        (a_review(user={"username": "system:serviceaccount:films:default"}), "not bound to a pod"),
        (a_review(user={"username": "jane", "extra": a_review()["user"]["extra"]}), "not bound"),
    ],
)
async def test_a_token_that_the_api_server_does_not_vouch_for_is_refused(
    status: dict[str, Any], words: str
) -> None:
    with pytest.raises(TokenRefusedError, match=words):
        await review(status)


async def test_a_review_that_can_not_be_made_is_no_refusal() -> None:
    cluster = FakeCluster()
    cluster.failures = [ClusterError("down", 500)]
    with pytest.raises(ClusterError):
        await ReviewVerifier(cluster).verify("token", AUDIENCE)


# ---- JWKS


@cache
def a_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def the_keys(*numbers: int) -> dict[str, Any]:
    keys = []
    for number in numbers:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(a_key(number).public_key()))
        keys.append({**public, "kid": f"key-{number}", "alg": "RS256", "use": "sig"})
    return {"keys": keys}


BOUND = {"namespace": "films", "pod": {"name": "pod-0", "uid": "pod-uid"}}


def a_token(
    *, key: int = 1, kid: str | None = None, bound: dict[str, Any] | None = BOUND, **claims: Any
) -> str:
    payload = {
        "aud": [AUDIENCE],
        "exp": datetime.now(UTC) + timedelta(hours=1),
        "iss": "https://kubernetes.default.svc",
        "sub": "system:serviceaccount:films:default",
        "kubernetes.io": bound,
        **claims,
    }
    payload = {name: value for name, value in payload.items() if value is not None}
    headers = {"kid": kid if kid is not None else f"key-{key}"}
    return jwt.encode(payload, a_key(key), algorithm="RS256", headers=headers)


@pytest.fixture
def cluster() -> FakeCluster:
    fake = FakeCluster()
    fake.token_keys = the_keys(1)
    return fake


async def test_a_signed_token_names_its_pod(cluster: FakeCluster) -> None:
    assert await JWKSVerifier(cluster).verify(a_token(), AUDIENCE) == BEARER


@pytest.mark.parametrize(
    ("algorithm", "curve"),
    [("ES256", ec.SECP256R1()), ("ES384", ec.SECP384R1()), ("ES512", ec.SECP521R1())],
)
async def test_a_cluster_may_sign_with_a_curve(algorithm: str, curve: ec.EllipticCurve) -> None:
    """Whatever an API server takes for `--service-account-signing-key-file`."""
    key, cluster = ec.generate_private_key(curve), FakeCluster()
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    cluster.token_keys = {"keys": [{**public, "kid": "key-1", "alg": algorithm, "use": "sig"}]}
    claims = jwt.decode(a_token(), options={"verify_signature": False})
    token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "key-1"})
    assert await JWKSVerifier(cluster).verify(token, AUDIENCE) == BEARER


async def test_the_api_servers_clock_may_be_ahead(cluster: FakeCluster) -> None:
    ahead = datetime.now(UTC) + timedelta(seconds=30)
    assert await JWKSVerifier(cluster).verify(a_token(iat=ahead, nbf=ahead), AUDIENCE) == BEARER


def past() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: a_token(aud=["https://kubernetes.default.svc"]), "Audience"),
        (lambda: a_token(aud=[reports_audience("another")]), "Audience"),
        (lambda: a_token(aud=None), "aud"),
        (lambda: a_token(exp=past()), "expired"),
        (lambda: a_token(exp=None), "exp"),
        (lambda: a_token(nbf=datetime.now(UTC) + timedelta(hours=1)), "not yet valid"),
        (lambda: a_token(key=2, kid="key-1"), "Signature"),
        (lambda: a_token(key=2), "unknown key 'key-2'"),
        (lambda: a_token(kid=""), "unknown key ''"),
        (lambda: a_token(bound={"namespace": "films"}), "not bound to a pod"),
        (lambda: a_token(bound=None), "not bound to a pod"),
        (lambda: "not.a.token", "Invalid"),
        (lambda: "nonsense", "Not enough segments"),
        (lambda: "", "Not enough segments"),
        (
            lambda: jwt.encode(
                {"aud": AUDIENCE, "exp": 9999999999},
                key="",
                algorithm="none",
                headers={"kid": "key-1"},
            ),
            "alg value is not allowed",
        ),
        (
            lambda: jwt.encode(
                {"aud": AUDIENCE, "exp": 9999999999},
                key="a secret of more than thirty-two bytes",
                algorithm="HS256",
                headers={"kid": "key-1"},
            ),
            "alg value is not allowed",
        ),
    ],
    ids=[
        "the API server's own",
        "of another VideoJob",
        "no audience",
        "expired",
        "without end",
        "not yet",
        "forged with another key",
        "signed by a foreign cluster",
        "no key id",
        "bound to no pod",
        "no service account",
        "three words",
        "nonsense",
        "empty",
        "no signature",
        "a shared secret",
    ],
)
async def test_a_token_that_is_not_good_for_this_videojob_is_refused(
    cluster: FakeCluster, make: Callable[[], str], words: str
) -> None:
    with pytest.raises(TokenRefusedError, match=words):
        await JWKSVerifier(cluster).verify(make(), AUDIENCE)


async def test_keys_are_fetched_once_and_again_after_they_were_rotated(
    cluster: FakeCluster,
) -> None:
    verifier = JWKSVerifier(cluster)
    for _ in range(3):
        await verifier.verify(a_token(), AUDIENCE)
    assert len(cluster.requests) == 1
    cluster.token_keys = the_keys(1, 2)
    assert await verifier.verify(a_token(key=2), AUDIENCE) == BEARER
    assert len(cluster.requests) == 2


async def test_keys_that_can_not_be_fetched_are_no_refusal(cluster: FakeCluster) -> None:
    cluster.failures = [ClusterError("down", 500)]
    with pytest.raises(ClusterError):
        await JWKSVerifier(cluster).verify(a_token(), AUDIENCE)
