"""The Job of an attempt, as the API server will get it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from builders import KEY, UID, Situation, a_spec, a_videojob, a_volume_store

from videojob_api import names
from videojob_api.work_order import WorkOrder
from videojob_operator.manifests import MAX_ORDER_BYTES, build_attempt, scratch_bytes
from videojob_operator.observed import CreateJob, Key, StoreMissing
from videojob_operator.policies.placement import Placement

MEMORY = 0
"""No more than the manifest says."""
CPU = Placement(None, 0, "Auto nvidia.com/gpu", "NoGPUNodes")
GPU = Placement("nvidia.com/gpu", 2, "Auto nvidia.com/gpu", "Offered")
REPORTS = {"reports_url": "https://videojob.videojob-system.svc:8443", "reports_ca_pem": "PEM"}


def build(situation: Situation | None = None, placement: Placement = CPU) -> CreateJob:
    situation = situation or a_videojob().with_store()
    indexes = tuple(range(situation.input_count))
    return build_attempt(
        situation, indexes, number=1, placement=placement, memory_bytes=MEMORY, kills=0, waits=0
    )


def job_of(situation: Situation | None = None, placement: Placement = CPU) -> dict[str, Any]:
    return build(situation, placement).manifest


def pod_of(situation: Situation | None = None, placement: Placement = CPU) -> dict[str, Any]:
    pod: dict[str, Any] = job_of(situation, placement)["spec"]["template"]["spec"]
    return pod


def container_of(situation: Situation | None = None, placement: Placement = CPU) -> dict[str, Any]:
    (container,) = pod_of(situation, placement)["containers"]
    one: dict[str, Any] = container
    return one


def environment_of(situation: Situation | None = None) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in container_of(situation)["env"]}


def order_of(situation: Situation) -> WorkOrder:
    text: str = environment_of(situation)[names.ENV_ORDER]["value"]
    return WorkOrder.model_validate_json(text.replace("$$", "$"))


# ---- the Job


def test_one_index_for_each_input() -> None:
    spec = job_of(a_videojob(9, parallelism=4, retry={"limit": 2}).with_store())["spec"]
    assert spec["completionMode"] == "Indexed"
    assert (spec["completions"], spec["parallelism"], spec["backoffLimitPerIndex"]) == (9, 4, 2)
    assert "maxFailedIndexes" not in spec
    assert "backoffLimit" not in spec
    assert spec["ttlSecondsAfterFinished"] == 48 * 3600


def test_no_more_pods_than_inputs() -> None:
    assert job_of(a_videojob(2, parallelism=4).with_store())["spec"]["parallelism"] == 2


def test_failures_are_sorted_by_four_rules_in_this_order() -> None:
    assert job_of()["spec"]["podFailurePolicy"]["rules"] == [
        {
            "action": "FailIndex",
            "onExitCodes": {
                "containerName": "worker",
                "operator": "In",
                "values": [42, 43, 44, 45, 46],
            },
        },
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
        {
            "action": "Ignore",
            "onExitCodes": {"containerName": "worker", "operator": "In", "values": [143]},
        },
        {
            "action": "FailIndex",
            "onExitCodes": {"containerName": "worker", "operator": "In", "values": [137]},
        },
    ]


def test_it_belongs_to_its_videojob() -> None:
    meta = job_of()["metadata"]
    assert meta["name"] == names.child_name(KEY.name, UID, run=1, attempt=1)
    assert meta["namespace"] == KEY.namespace
    assert meta["labels"] == {
        "app.kubernetes.io/name": "videojob-worker",
        "app.kubernetes.io/managed-by": "videojob-operator",
        "videojob.dev/videojob": "keynote",
        "videojob.dev/uid": UID,
        "videojob.dev/run": "0f8fad5b-1",
        "videojob.dev/attempt": "1",
    }
    (owner,) = meta["ownerReferences"]
    assert owner == {
        "apiVersion": "videojob.dev/v1alpha1",
        "kind": "VideoJob",
        "name": "keynote",
        "uid": UID,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def test_the_pods_carry_the_labels_that_the_watch_selects_by() -> None:
    job = job_of()
    assert job["spec"]["template"]["metadata"]["labels"] == job["metadata"]["labels"]


def test_what_a_later_decision_must_know_is_noted() -> None:
    observed = a_videojob(5, runToken="take 2").with_store()
    made = build_attempt(
        observed, (1, 3, 4), number=3, placement=CPU, memory_bytes=MEMORY, kills=2, waits=1
    )
    assert made.manifest["metadata"]["annotations"] == {
        "videojob.dev/input-indexes": "1,3-4",
        "videojob.dev/accelerator-reason": "NoGPUNodes",
        "videojob.dev/worker-flavour": "base",
        "videojob.dev/run-token": "take 2",
        "videojob.dev/kills": "2",
        "videojob.dev/waits": "1",
    }


@pytest.mark.parametrize("store", [None, StoreMissing("media")])
def test_without_a_store_there_is_no_job(store: StoreMissing | None) -> None:
    situation = a_videojob()
    if store:
        situation = situation.with_store(store)
    with pytest.raises(ValueError, match="store that exists"):
        build(situation)


# ---- the pod


def test_the_pod_meets_the_restricted_standard() -> None:
    pod, container = pod_of(), container_of()
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    allowed = {"emptyDir", "projected", "configMap", "persistentVolumeClaim"}
    for volume in pod["volumes"]:
        assert set(volume) - {"name"} <= allowed
    for word in ("hostNetwork", "hostPID", "hostIPC", "initContainers"):
        assert word not in pod


def test_the_pod_has_no_token_but_the_one_for_reports() -> None:
    pod = pod_of()
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod
    (sources,) = [v["projected"]["sources"] for v in pod["volumes"] if "projected" in v]
    assert sources == [
        {
            "serviceAccountToken": {
                "path": "token",
                "audience": f"videojob.dev/{UID}",
                "expirationSeconds": 3600,
            }
        }
    ]
    mount = next(m for m in container_of()["volumeMounts"] if m["name"] == "token")
    assert mount == {
        "name": "token",
        "mountPath": "/var/run/secrets/videojob.dev",
        "readOnly": True,
    }


def test_the_pod_is_never_restarted_in_place_and_is_told_of_no_services() -> None:
    pod = pod_of()
    assert pod["restartPolicy"] == "Never"
    assert pod["enableServiceLinks"] is False
    assert pod["terminationGracePeriodSeconds"] == 60


def test_the_last_lines_of_a_crash_arrive_as_termination_message() -> None:
    assert container_of()["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_image_and_pull_secrets_come_from_the_settings() -> None:
    situation = (
        a_videojob()
        .with_store()
        .with_settings(
            worker_image="registry/worker:2",
            worker_image_pull_policy="Always",
            worker_image_pull_secrets=("one", "two"),
        )
    )
    assert container_of(situation)["image"] == "registry/worker:2"
    assert container_of(situation)["imagePullPolicy"] == "Always"
    assert pod_of(situation)["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert "imagePullSecrets" not in pod_of()


def test_a_worker_learns_its_limits_from_the_kubelet() -> None:
    environment = environment_of()
    assert environment["VIDEOJOB_CPU_LIMIT"] == {
        "name": "VIDEOJOB_CPU_LIMIT",
        "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}},
    }
    assert environment["VIDEOJOB_MEMORY_LIMIT_BYTES"]["valueFrom"] == {
        "resourceFieldRef": {"resource": "limits.memory"}
    }
    assert environment["VIDEOJOB_POD_NAME"]["valueFrom"] == {
        "fieldRef": {"fieldPath": "metadata.name"}
    }
    assert environment["VIDEOJOB_SCRATCH"]["value"] == "/scratch"
    limit = environment["VIDEOJOB_SCRATCH_LIMIT_BYTES"]["value"]
    assert limit == str(scratch_bytes(a_spec()))


def test_amounts_are_those_of_the_spec() -> None:
    resources = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "3", "memory": "4Gi"}}
    assert container_of(a_videojob(resources=resources).with_store())["resources"] == resources


@pytest.mark.parametrize(
    ("placement", "extra"), [(CPU, {}), (GPU, {"nvidia.com/gpu": "2"})], ids=["cpu", "gpu"]
)
def test_a_gpu_is_a_limit(placement: Placement, extra: dict[str, str]) -> None:
    resources = container_of(placement=placement)["resources"]
    assert resources["limits"] == {"cpu": "2", "memory": "2Gi", **extra}
    assert resources["requests"] == {"cpu": "500m", "memory": "512Mi"}


@pytest.mark.parametrize(("renditions", "factor"), [(0, 1), (1, 2), (3, 4), (8, 5)])
def test_scratch_has_room_for_the_largest_input_and_what_is_made_of_it(
    renditions: int, factor: int
) -> None:
    made = [{"height": 100 + i} for i in range(renditions)]
    step = {"transcode": {"renditions": made}} if made else {"extractAudio": {}}
    spec = a_spec(limits={"maxBytes": "1Gi"}, steps=[{"name": "s", **step}])
    assert scratch_bytes(spec) == factor * (1 << 30) + (1 << 30)


def test_scratch_is_bounded() -> None:
    (scratch,) = [v for v in pod_of()["volumes"] if v["name"] == "scratch"]
    assert scratch["emptyDir"]["sizeLimit"] == str(scratch_bytes(a_spec()))


# ---- stores


def test_credentials_of_a_bucket_are_references_and_nothing_else() -> None:
    environment = environment_of()
    assert environment["AWS_ACCESS_KEY_ID"]["valueFrom"] == {
        "secretKeyRef": {"name": "minio", "key": "accessKeyID"}
    }
    assert environment["AWS_SECRET_ACCESS_KEY"]["valueFrom"] == {
        "secretKeyRef": {"name": "minio", "key": "secretAccessKey"}
    }


def test_the_order_carries_what_the_manifest_repeats() -> None:
    said = {"subjectRefs": [{"kind": "vacancy", "id": "42"}], "userMetadata": {"title": "A $HOME"}}
    order = order_of(a_videojob(**said).with_store()).wire()
    assert {name: order[name] for name in said} == said


def test_no_secret_is_in_the_order() -> None:
    order = order_of(a_videojob().with_store())
    assert order.s3 is not None
    assert (order.s3.endpoint, order.s3.bucket) == ("http://minio:9000", "films")
    text = order.model_dump_json().lower()
    for word in ("secret", "credential", "accesskey", "password"):
        assert word not in text


def test_a_volume_store_mounts_the_claim() -> None:
    situation = a_videojob().with_store(a_volume_store())
    volume = next(v for v in pod_of(situation)["volumes"] if v["name"] == "store")
    assert volume["persistentVolumeClaim"] == {"claimName": "films"}
    mount = next(m for m in container_of(situation)["volumeMounts"] if m["name"] == "store")
    assert mount == {"name": "store", "mountPath": "/volume"}
    assert "AWS_ACCESS_KEY_ID" not in environment_of(situation)
    order = order_of(situation)
    assert order.s3 is None
    assert order.folder is not None
    assert (order.folder.path, order.folder.prefix) == ("/volume", "work/")


# ---- the order


def test_the_order_says_all_that_a_worker_must_know() -> None:
    situation = a_videojob(2).with_store().with_settings(**REPORTS)
    order = order_of(situation)
    assert order.job.model_dump() == {
        "namespace": "films",
        "name": "keynote",
        "uid": UID,
        "run_id": "0f8fad5b-1",
        "attempt": 1,
    }
    assert [(i.index, i.name, i.key) for i in order.inputs] == [
        (0, "in-0", "uploads/0.mp4"),
        (1, "in-1", "uploads/1.mp4"),
    ]
    assert order.steps == situation.spec.steps if situation.spec else False
    assert order.output_prefix == "results/keynote/"
    assert order.accelerator is None
    assert order.reports is not None
    assert order.reports.url == (
        "https://videojob.videojob-system.svc:8443/v1/namespaces/films/videojobs/keynote/reports"
    )
    assert order.reports.ca_pem == "PEM"
    assert order.reports.token_path == "/var/run/secrets/videojob.dev/token"


def test_a_worker_with_a_gpu_is_told_so() -> None:
    made = build(placement=GPU).manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    order = json.loads(next(e["value"] for e in made if e["name"] == names.ENV_ORDER))
    assert order["accelerator"] == "nvidia.com/gpu"


@pytest.mark.parametrize("missing", ["reports_url", "reports_ca_pem"])
def test_without_a_reports_endpoint_none_is_named(missing: str) -> None:
    situation = a_videojob().with_store().with_settings(**{**REPORTS, missing: ""})
    assert order_of(situation).reports is None


def kubelet_expands(text: str, variables: dict[str, str]) -> str:
    """As Kubernetes does with an env value: ``$$`` → ``$``, ``$(NAME)`` → its value if there is one."""
    result, rest = "", text
    while "$" in rest:
        before, _, rest = rest.partition("$")
        result += before
        if rest.startswith("("):
            name, _, after = rest[1:].partition(")")
            result += variables.get(name, f"$({name})")
            rest = after
        else:
            result += "$" if rest.startswith("$") else "$" + rest[:1]
            rest = rest[1:]
    return result + rest


@pytest.mark.parametrize("key", ["a$b.mp4", "a$$b.mp4", "$(HOME)/x.mp4", "x$", "$$(HOME)"])
def test_keys_with_dollars_reach_the_worker_as_they_are(key: str) -> None:
    spec = a_spec()
    spec = spec.model_copy(update={"inputs": [spec.inputs[0].model_copy(update={"key": key})]})
    situation = replace(a_videojob().with_store(), spec=spec)
    text = environment_of(situation)[names.ENV_ORDER]["value"]
    order = WorkOrder.model_validate_json(kubelet_expands(text, {"HOME": "/root"}))
    assert order.inputs[0].key == key


def test_the_environment_holds_what_fits_it() -> None:
    """One input's worth below the limit stays in the environment, one above does not."""
    assert MAX_ORDER_BYTES == 16384
    maps = (build(a_videojob(count).with_store()).config_map for count in range(150, 500))
    first = next(filter(None, maps))
    assert MAX_ORDER_BYTES < len(first["data"]["order.json"].encode()) < MAX_ORDER_BYTES + 200


def test_a_very_long_name_fits_its_label() -> None:
    situation = replace(a_videojob().with_store(), key=Key("films", "a" * 62 + ".b" * 50))
    label = job_of(situation)["metadata"]["labels"]["videojob.dev/videojob"]
    assert len(label) <= 63
    assert label[-1].isalnum()


def test_a_request_is_never_above_a_small_limit() -> None:
    small = {"limits": {"cpu": "100m", "memory": "256Mi"}}
    situation = a_videojob(resources=small).with_store()
    resources = container_of(situation)["resources"]
    assert resources["requests"] == {"cpu": "100m", "memory": "256Mi"}
