"""What a store needs of a pod: keys from a Secret, a CA from a ConfigMap, a token for its STS service."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_store, a_videojob, a_volume_store

from videojob_api import names
from videojob_api.clean_up import CleanUpOrder
from videojob_api.videostore import VideoStoreSpec
from videojob_api.work_order import CaFile, S3Target, TokenLogin, WorkOrder
from videojob_operator.clean_up_job import build_clean_up
from videojob_operator.manifests import build_attempt
from videojob_operator.policies.placement import Placement
from videojob_operator.store_needs import mount_store, read_credentials, target_store

CPU = Placement(None, 0, "Auto nvidia.com/gpu", "NothingToGain")
ROLE = "arn:aws:iam::123456789012:role/videojob"
KEYS = {"credentialsSecretRef": {"name": "minio"}}
AS_ROLE = {"webIdentity": {"roleArn": ROLE}}
CA = {"caConfigMapRef": {"name": "kube-root-ca.crt"}}
MOUNT = {"name": "store", "mountPath": names.STORE_PATH, "readOnly": True}
CA_SOURCE = {
    "configMap": {
        "name": "kube-root-ca.crt",
        "items": [{"key": "ca.crt", "path": "ca.crt"}],
        "optional": True,
    }
}


def token_for(audience: str) -> dict[str, Any]:
    token = {"path": "token", "audience": audience, "expirationSeconds": 3600}
    return {"serviceAccountToken": token}


def bucket(**changes: Any) -> VideoStoreSpec:
    s3 = {"endpoint": "https://minio:9000", "bucket": "films", **changes}
    return VideoStoreSpec.model_validate({"s3": s3})


def target_of(**changes: Any) -> S3Target:
    target = target_store(bucket(**changes))["s3"]
    assert isinstance(target, S3Target)
    return target


def sources_of(store: VideoStoreSpec) -> list[dict[str, Any]]:
    (volume,), mounts = mount_store(store)
    assert mounts == [MOUNT]
    assert (volume["name"], volume["projected"]["defaultMode"]) == ("store", 0o440)
    sources: list[dict[str, Any]] = volume["projected"]["sources"]
    return sources


def test_a_plain_bucket_needs_its_keys_and_no_volume() -> None:
    assert mount_store(a_store()) == ([], [])
    assert [entry["name"] for entry in read_credentials(a_store())] == [
        names.ENV_ACCESS_KEY,
        names.ENV_SECRET_KEY,
    ]
    target = target_store(a_store())["s3"]
    assert isinstance(target, S3Target)
    assert (target.ca, target.web_identity) == (None, None)


def test_a_claim_needs_neither_keys_nor_token() -> None:
    volumes, mounts = mount_store(a_volume_store())
    assert volumes == [{"name": "store", "persistentVolumeClaim": {"claimName": "films"}}]
    assert mounts == [{"name": "store", "mountPath": names.VOLUME_PATH}]
    assert read_credentials(a_volume_store()) == []


def test_a_ca_is_mounted_from_its_configmap_and_its_absence_is_for_the_worker_to_explain() -> None:
    assert sources_of(bucket(**KEYS, **CA)) == [CA_SOURCE]
    other = {"caConfigMapRef": {"name": "trust", "key": "bundle.pem"}}
    (source,) = sources_of(bucket(**KEYS, **other))
    assert source["configMap"]["items"] == [{"key": "bundle.pem", "path": "ca.crt"}]
    path = f"{names.STORE_PATH}/ca.crt"
    expected = CaFile(path=path, config_map="trust", key="bundle.pem")
    assert target_of(**KEYS, **other).ca == expected


def test_a_role_gets_a_token_for_its_audience_and_no_keys() -> None:
    store = bucket(**AS_ROLE)
    assert read_credentials(store) == []
    assert sources_of(store) == [token_for("sts.amazonaws.com")]
    named = {"webIdentity": {"roleArn": ROLE, "audience": "minio"}}
    assert sources_of(bucket(**named, **CA)) == [CA_SOURCE, token_for("minio")]


@pytest.mark.parametrize(
    ("endpoint", "region", "said", "expected"),
    [
        ("https://s3.eu-central-1.amazonaws.com", "eu-central-1", None, "eu-central-1"),
        ("https://s3.amazonaws.com/", "us-east-1", None, "us-east-1"),
        ("https://s3.eu-west-1.amazonaws.com:443", "eu-west-1", None, "eu-west-1"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1", None, "cn-north-1.cn"),
        ("https://minio:9000/", "us-east-1", None, "https://minio:9000"),
        ("https://notamazonaws.com", "us-east-1", None, "https://notamazonaws.com"),
        ("https://minio:9000", "us-east-1", "https://sts:1/x", "https://sts:1/x"),
        ("https://s3.amazonaws.com", "us-east-1", "https://sts", "https://sts"),
    ],
)
def test_the_token_is_shown_to_aws_in_the_region_or_to_the_store_or_as_said(
    endpoint: str, region: str, said: str | None, expected: str
) -> None:
    identity = {"roleArn": ROLE, **({"stsEndpoint": said} if said else {})}
    target = target_of(endpoint=endpoint, region=region, webIdentity=identity)
    if not expected.startswith("https://"):
        where, china, _ = expected.partition(".cn")
        expected = f"https://sts.{where}.amazonaws.com{china}"
    token = f"{names.STORE_PATH}/token"
    assert target.web_identity == TokenLogin(role_arn=ROLE, sts_endpoint=expected, token_path=token)


def test_workers_and_the_clean_up_get_the_same_of_it_and_no_other_right() -> None:
    store = bucket(**AS_ROLE, **CA)
    situation = a_videojob(output={"prefix": "a/", "deletionPolicy": "Delete"}).with_store(store)
    assert situation.spec is not None
    attempt = build_attempt(
        situation, (0,), number=1, placement=CPU, memory_bytes=0, kills=0, waits=0
    )
    clean_up = build_clean_up(situation, situation.spec, store, seconds=60)
    for job, order in ((attempt.manifest, WorkOrder), (clean_up, CleanUpOrder)):
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        (volume,) = [v for v in pod["volumes"] if v["name"] == "store"]
        assert volume["projected"]["sources"] == [CA_SOURCE, token_for("sts.amazonaws.com")]
        assert MOUNT in container["volumeMounts"]
        assert not pod["automountServiceAccountToken"]
        assert "serviceAccountName" not in pod
        told = {entry["name"]: entry.get("value", "") for entry in container["env"]}
        assert names.ENV_SECRET_KEY not in told
        s3 = order.model_validate_json(told[names.ENV_ORDER]).s3
        assert s3 == target_store(store)["s3"]
