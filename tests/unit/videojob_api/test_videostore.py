"""Which stores are understood, and what the others are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from videojob_api.videostore import AddressingStyle, VideoStore, VideoStoreSpec

EXAMPLES = Path(__file__).parents[3] / "examples"
S3: dict[str, Any] = {
    "endpoint": "http://minio:9000",
    "bucket": "films",
    "credentialsSecretRef": {"name": "minio"},
}


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda p: str(p.name))
def test_the_examples_are_understood(path: Path) -> None:
    stores = [d for d in yaml.safe_load_all(path.read_text()) if d["kind"] == "VideoStore"]
    for document in stores:
        VideoStore.model_validate(document)


def test_a_bucket_gets_its_defaults() -> None:
    s3 = VideoStoreSpec.model_validate({"s3": S3}).s3
    assert s3 is not None
    assert (s3.region, s3.prefix, s3.addressing_style) == ("us-east-1", "", AddressingStyle.AUTO)


def test_a_claim_is_a_store_too() -> None:
    spec = VideoStoreSpec.model_validate({"volume": {"claimName": "films", "prefix": "a/"}})
    assert spec.volume is not None
    assert spec.volume.prefix == "a/"


@pytest.mark.parametrize(
    "spec",
    [{}, {"s3": S3, "volume": {"claimName": "films"}}],
    ids=["neither", "both"],
)
def test_exactly_one_kind_is_needed(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one of s3 and volume"):
        VideoStoreSpec.model_validate(spec)


def test_a_folder_can_not_leave_its_claim() -> None:
    with pytest.raises(ValidationError, match=r"write it without \.\./"):
        VideoStoreSpec.model_validate({"volume": {"claimName": "films", "prefix": "a/../../"}})
    VideoStoreSpec.model_validate({"volume": {"claimName": "films", "prefix": "a..b/..c/"}})


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "minio:9000"},
        {"endpoint": "ftp://minio"},
        {"endpoint": "http://minio:9000/bucket"},
        {"endpoint": "http://user:secret@minio"},
        {"bucket": "Films"},
        {"bucket": "a"},
        {"bucket": "-films"},
        {"prefix": "/absolute/"},
        {"prefix": "no-slash"},
        {"prefix": "../"},
        {"prefix": "films/../../others/"},
        {"addressingStyle": "Guess"},
        {"credentialsSecretRef": {"name": "Minio!"}},
        {"accessKey": "in the open"},
    ],
    ids=str,
)
def test_a_wrong_bucket_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VideoStoreSpec.model_validate({"s3": {**S3, **change}})


TLS = {"endpoint": "https://minio:9000", "bucket": "films"}
ROLE = "arn:aws:iam::123456789012:role/videojob"
IDENTITY: dict[str, Any] = {"roleArn": ROLE}


def test_a_role_and_a_ca_get_their_defaults() -> None:
    s3 = VideoStoreSpec.model_validate(
        {"s3": {**TLS, "webIdentity": IDENTITY, "caConfigMapRef": {"name": "kube-root-ca.crt"}}}
    ).s3
    assert s3 is not None
    assert s3.web_identity is not None
    assert (s3.web_identity.audience, s3.web_identity.sts_endpoint) == ("sts.amazonaws.com", None)
    assert s3.ca_config_map_ref is not None
    assert s3.ca_config_map_ref.key == "ca.crt"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "exactly one of credentialsSecretRef and webIdentity"),
        (
            {"webIdentity": IDENTITY, "credentialsSecretRef": {"name": "minio"}},
            "exactly one of credentialsSecretRef and webIdentity",
        ),
        (
            {"webIdentity": IDENTITY, "endpoint": "http://minio:9000"},
            "webIdentity sends a token.*https://",
        ),
        (
            {**S3, "caConfigMapRef": {"name": "ca"}},
            "caConfigMapRef says whose certificates to trust.*https://",
        ),
        *(
            ({"webIdentity": {**IDENTITY, "audience": audience}}, "would open the Kubernetes API")
            for audience in ("k3s", "rke2", "kubernetes")
        ),
    ],
)
def test_how_a_bucket_is_reached_is_said_once_and_over_https(
    change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        VideoStoreSpec.model_validate({"s3": {**TLS, **change}})


@pytest.mark.parametrize(
    "identity",
    [
        {},
        {"roleArn": "videojob"},
        {"roleArn": "arn:aws:iam::123456789012:user/somebody"},
        {**IDENTITY, "audience": ""},
        {**IDENTITY, "audience": "https://kubernetes.default.svc"},
        {**IDENTITY, "audience": "videojob.dev/another-videojobs-uid"},
        {**IDENTITY, "stsEndpoint": "http://sts.example.com"},
        {**IDENTITY, "stsEndpoint": "https://sts.example.com/?Action=Another"},
        {**IDENTITY, "serviceAccountName": "admin"},
    ],
    ids=str,
)
def test_a_role_that_is_none_or_a_token_for_others_is_refused(identity: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VideoStoreSpec.model_validate({"s3": {**TLS, "webIdentity": identity}})


@pytest.mark.parametrize("role", [ROLE, "arn:minio:iam:::role/nOybJqMNzNmroqEKq5D0EUsRZw0"])
def test_roles_of_aws_and_of_minio_are_understood(role: str) -> None:
    VideoStoreSpec.model_validate({"s3": {**TLS, "webIdentity": {"roleArn": role}}})
