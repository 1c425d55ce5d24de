"""A real MinIO with a certificate of a private CA, which gives credentials for tokens of an issuer."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from private_ca import PrivateCa
from token_issuer import Issuer

from videojob_api import names
from videojob_api.clean_up import CleanUpOrder
from videojob_api.work_order import CaFile, S3Target, TokenLogin
from videojob_worker import clean_up
from videojob_worker.errors import StorageRefused, StorageUnreachable
from videojob_worker.stop import Stop
from videojob_worker.storage import S3Storage

pytestmark = pytest.mark.minio

AUDIENCE = "sts.amazonaws.com"
_ROLE_ID = hashlib.sha1(AUDIENCE.encode(), usedforsecurity=False).digest()
ROLE = f"arn:minio:iam:::role/{base64.urlsafe_b64encode(_ROLE_ID).decode().rstrip('=')}"
"""As MinIO makes it from the audience."""
BODY = b"0123456789"


@pytest.fixture
def target(
    private_minio: Any, private_ca: PrivateCa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> S3Target:
    """A bucket of the test's own, its CA in a file, its keys in the environment."""
    bucket = f"test-{secrets.token_hex(6)}"
    private_minio.client().make_bucket(bucket)
    (tmp_path / "ca.crt").write_text(private_ca.pem)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tester-secret-key")
    ca = CaFile(path=str(tmp_path / "ca.crt"), config_map="store-ca", key="ca.crt")
    return S3Target(endpoint=private_minio.endpoint, bucket=bucket, ca=ca)


@pytest.fixture
def token(tmp_path: Path, issuer: Issuer) -> Path:
    path = tmp_path / "token"
    path.write_text(issuer.sign())
    return path


@pytest.fixture
def as_role(target: S3Target, token: Path, monkeypatch: pytest.MonkeyPatch) -> S3Target:
    """The same bucket for a worker without keys."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return login(target, token)


def login(target: S3Target, token: Path, *, role: str = ROLE, sts: str = "") -> S3Target:
    made = TokenLogin(role_arn=role, sts_endpoint=sts or target.endpoint, token_path=str(token))
    return target.model_copy(update={"web_identity": made})


def works(target: S3Target, stop: Stop) -> None:
    store = S3Storage(target, os.environ, stop)
    put(store, "a.txt")
    info = store.stat("a.txt")
    assert b"".join(store.read("a.txt", info.etag, 0, len(BODY))) == BODY


def put(store: S3Storage, key: str) -> None:
    store.put(key, BODY, content_type="text/plain", cache_control="no-cache", check=lambda: None)


# ---- the CA


def test_the_ca_that_is_named_is_trusted(target: S3Target, stop: Stop) -> None:
    works(target, stop)


def test_without_it_the_certificate_is_refused_with_what_to_do(
    target: S3Target, stop: Stop
) -> None:
    store = S3Storage(target.model_copy(update={"ca": None}), os.environ, stop)
    with pytest.raises(StorageRefused, match=r"not trusted here .*name its CA.*caConfigMapRef"):
        store.stat("a.txt")


def test_another_ca_is_not_enough_and_a_bundle_of_both_is(
    target: S3Target, stop: Stop, tmp_path: Path
) -> None:
    other = PrivateCa("somebody else").pem
    file = tmp_path / "ca.crt"
    both = f"# Both, for the days of a change: größer\n{other}\n{file.read_text()}"
    file.write_text(other)
    with pytest.raises(StorageRefused, match="not trusted here"):
        S3Storage(target, os.environ, stop).stat("a.txt")
    file.write_text(both)
    works(target, stop)


def test_the_servers_own_certificate_will_do(target: S3Target, stop: Stop, tmp_path: Path) -> None:
    host, _, port = target.endpoint.removeprefix("https://").partition(":")
    (tmp_path / "ca.crt").write_text(ssl.get_server_certificate((host, int(port))))
    works(target, stop)


def test_a_certificate_for_another_host_is_refused_though_its_ca_is_trusted(
    target: S3Target, stop: Stop
) -> None:
    elsewhere = target.endpoint.replace("127.0.0.1", "localhost")
    store = S3Storage(target.model_copy(update={"endpoint": elsewhere}), os.environ, stop)
    with pytest.raises(StorageRefused, match=r"not trusted here .*(?i:hostname|match)"):
        store.stat("a.txt")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB",
    ],
    ids=["empty", "text", "other bytes", "cut"],
)
def test_what_is_no_certificate_is_told_with_its_place(
    text: str, target: S3Target, stop: Stop, tmp_path: Path
) -> None:
    (tmp_path / "ca.crt").write_text(text)
    sentence = r"Key 'ca.crt' of ConfigMap 'store-ca' should hold certificates in PEM.*BEGIN CERT"
    with pytest.raises(StorageRefused, match=sentence):
        S3Storage(target, os.environ, stop)


def test_a_missing_ca_is_told_with_its_place(target: S3Target, stop: Stop, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").unlink()
    sentence = r"no ConfigMap 'store-ca' here, or it has no key 'ca.crt'"
    with pytest.raises(StorageRefused, match=sentence):
        S3Storage(target, os.environ, stop)


# ---- web identity


def test_a_token_is_good_for_the_work(as_role: S3Target, stop: Stop) -> None:
    works(as_role, stop)


def test_outputs_are_cleaned_up_with_it_too(as_role: S3Target, stop: Stop, tmp_path: Path) -> None:
    store = S3Storage(as_role, os.environ, stop)
    put(store, f"out/film/{names.LOGS_FOLDER}/ffmpeg.log")
    order = CleanUpOrder(uid="uid", inputs=["film"], output_prefix="out/", s3=as_role)
    said = tmp_path / "said"
    environment = {names.ENV_ORDER: order.model_dump_json(by_alias=True)}
    os.environ[names.ENV_TERMINATION_PATH] = str(said)
    try:
        assert clean_up.main(environment, stop) == 0, said.read_text()
    finally:
        del os.environ[names.ENV_TERMINATION_PATH]
    assert list(store.list_keys("out/")) == []


def test_credentials_that_run_out_are_asked_for_with_the_token_of_the_day(
    as_role: S3Target, token: Path, issuer: Issuer, stop: Stop
) -> None:
    # Without a duration asked for, MinIO's credentials end with the token.
    token.write_text(issuer.sign(seconds=12))
    store = S3Storage(as_role, os.environ, stop)
    put(store, "a.txt")
    token.write_text(issuer.sign())
    time.sleep(3)  # less than ten seconds are left
    first = store._client._provider.retrieve()  # type: ignore[union-attr]
    put(store, "b.txt")
    assert store._client._provider.retrieve() == first  # type: ignore[union-attr]
    assert first.expiration is not None
    assert first.expiration.timestamp() > time.time() + 1800


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("role", r"InvalidParameterValue.*role/none.*webIdentity"),
        ("audience", r"InvalidParameterValue.*Client ID.*webIdentity"),
        ("stranger", r"InvalidParameterValue.*webIdentity"),
        ("nonsense", r"InvalidParameterValue.*webIdentity"),
    ],
)
def test_what_the_sts_service_refuses_is_told_and_waited_for(
    kind: str, sentence: str, target: S3Target, token: Path, issuer: Issuer, stop: Stop
) -> None:
    tokens = {
        "audience": lambda: issuer.sign("somebody-else"),
        "stranger": Issuer("http://127.0.0.1:1").sign,
        "nonsense": lambda: "no.token.atall",
    }
    token.write_text(tokens.get(kind, issuer.sign)())
    role = "arn:minio:iam:::role/none" if kind == "role" else ROLE
    store = S3Storage(login(target, token, role=role), os.environ, stop)
    with pytest.raises(StorageRefused, match=f"(?s){sentence}") as caught:
        store.stat("a.txt")
    assert token.read_text() not in str(caught.value)


def test_a_policy_can_ask_whose_token_it_is(
    as_role: S3Target, token: Path, issuer: Issuer, stop: Stop
) -> None:
    token.write_text(issuer.sign(subject="system:serviceaccount:others:default"))
    with pytest.raises(StorageRefused, match="AccessDenied"):
        S3Storage(as_role, os.environ, stop).stat("a.txt")


def test_an_sts_service_that_is_not_trusted_or_not_there_is_told(
    as_role: S3Target, token: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stop, "sleep", lambda stop, _: stop.check())
    away = login(as_role, token, sts="https://127.0.0.1:1")
    with pytest.raises(StorageUnreachable, match="tried 5 times"):
        S3Storage(away, os.environ, stop).stat("a.txt")
    trusting_others = as_role.model_copy(update={"ca": None})
    with pytest.raises(StorageRefused, match=r"certificate of the STS service .* not trusted"):
        S3Storage(trusting_others, os.environ, stop).stat("a.txt")
