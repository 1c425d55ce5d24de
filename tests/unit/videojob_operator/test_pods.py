"""Where workers may run: what the VideoJob says, on top of what the chart gives all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import NOW, Situation, a_videojob

from videojob_operator.decide import decide
from videojob_operator.facts import parse_attempt
from videojob_operator.nodes import Nodes, Offer
from videojob_operator.observed import CreateJob
from videojob_operator.policies.placement import recall_placement
from videojob_operator.settings import PodDefaults

DEFAULTS = PodDefaults.model_validate(
    {
        "labels": {"team": "video", "videojob.dev/uid": "forged"},
        "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        "nodeSelector": {"pool": "batch", "disk": "ssd"},
        "tolerations": [{"key": "batch", "operator": "Exists"}],
        "runtimeClassName": "gvisor",
        "gpuRuntimeClassName": "nvidia",
        "priorityClassName": "low",
    }
)
CLAIMS = {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "small"}]}


def job_of(situation: Situation) -> dict[str, Any]:
    for action in decide(situation, NOW).actions:
        if isinstance(action, CreateJob):
            return action.manifest
    raise AssertionError("no Job was made")


def template_of(situation: Situation) -> dict[str, Any]:
    found: dict[str, Any] = job_of(situation)["spec"]["template"]
    return found


def a_job(*, defaults: PodDefaults | None = None, **spec: Any) -> Situation:
    situation = a_videojob(**spec).with_store().with_nodes(nvidia=2)
    return situation.with_settings(worker_pod_defaults=defaults) if defaults else situation


def test_without_a_word_the_pod_is_left_to_the_cluster() -> None:
    template = template_of(a_job(accelerator={"mode": "Off"}))
    assert set(template["metadata"]) == {"labels"}
    told = {"priorityClassName", "schedulerName", "runtimeClassName", "nodeSelector"}
    assert not {*told, "tolerations", "affinity", "resourceClaims"} & set(template["spec"])


def test_what_the_videojob_says_is_carried_to_the_pod() -> None:
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    asked = {
        "priorityClassName": "high",
        "schedulerName": "second",
        "runtimeClassName": "kata",
        "nodeSelector": {"pool": "video"},
        "tolerations": [{"key": "video", "operator": "Exists"}],
        "affinity": affinity,
    }
    pod = template_of(a_job(scheduling=asked, accelerator={"mode": "Off"}))["spec"]
    assert {name: pod[name] for name in asked} == asked


def test_the_charts_defaults_fill_in_and_the_videojob_wins() -> None:
    asked = {"priorityClassName": "high", "nodeSelector": {"pool": "video"}}
    situation = a_job(defaults=DEFAULTS, scheduling=asked, accelerator={"mode": "Off"})
    template = template_of(situation)
    pod = template["spec"]
    assert pod["priorityClassName"] == "high"
    assert pod["runtimeClassName"] == "gvisor"
    assert pod["nodeSelector"] == {"pool": "video", "disk": "ssd"}
    assert pod["tolerations"] == [{"key": "batch", "operator": "Exists"}]
    assert template["metadata"]["annotations"] == DEFAULTS.annotations
    assert template["metadata"]["labels"]["team"] == "video"
    assert template["metadata"]["labels"]["videojob.dev/uid"] == situation.uid


@pytest.mark.parametrize(
    ("accelerator", "runtime", "capable"),
    [
        ({"mode": "Required"}, "nvidia", True),
        ({"mode": "Off"}, "gvisor", False),
        ({"mode": "Required", "resourceName": "nvidia.com/mig-1g.5gb"}, "nvidia", True),
        ({"mode": "Required", "resourceName": "amd.com/gpu"}, "nvidia", False),
        (CLAIMS, "nvidia", True),
    ],
    ids=["gpu", "off", "mig", "amd", "claims"],
)
def test_who_gets_a_gpu_gets_its_runtime_and_its_drivers_video_libraries(
    accelerator: dict[str, Any], runtime: str, capable: bool
) -> None:
    pod = template_of(a_job(defaults=DEFAULTS, accelerator=accelerator))["spec"]
    assert pod["runtimeClassName"] == runtime
    told = {e["name"]: e.get("value") for e in pod["containers"][0]["env"]}
    assert told.get("NVIDIA_DRIVER_CAPABILITIES") == ("compute,video,utility" if capable else None)


def test_the_taint_that_keeps_others_off_gpu_nodes_is_put_up_with() -> None:
    pod = template_of(a_job())["spec"]
    toleration = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert pod["tolerations"] == [toleration]


@pytest.mark.parametrize(
    ("taints", "asked", "on_gpu"),
    [
        (["nvidia.com/gpu"], {}, True),
        (["batch"], {}, True),
        (["nvidia.com/gpu", "batch", "video"], {}, False),
        (["nvidia.com/gpu", "batch", "video"], {"key": "video", "operator": "Exists"}, True),
    ],
    ids=["gpu's own", "chart's", "another", "another put up with"],
)
def test_auto_asks_for_no_gpu_that_taints_keep_its_workers_off(
    taints: list[str], asked: dict[str, Any], on_gpu: bool
) -> None:
    kept = tuple({"key": taint, "effect": "NoSchedule"} for taint in taints)
    nodes = Nodes((Offer({"pool": "batch", "disk": "ssd"}, {"nvidia.com/gpu": 2}, kept),))
    none = {"runtime_class_name": None, "gpu_runtime_class_name": None}
    defaults = DEFAULTS.model_copy(update=none)
    situation = a_job(defaults=defaults, scheduling={"tolerations": [asked]} if asked else {})
    pod = template_of(replace(situation, nodes=nodes))["spec"]
    assert ("nvidia.com/gpu" in pod["containers"][0]["resources"]["limits"]) is on_gpu


def test_devices_by_claim_are_asked_for_instead_of_an_extended_resource() -> None:
    situation = a_job(accelerator=CLAIMS)
    pod = template_of(situation)["spec"]
    assert pod["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "small"}]
    resources = pod["containers"][0]["resources"]
    assert resources["claims"] == [{"name": "gpu"}]
    assert set(resources["limits"]) == {"cpu", "memory"}
    status = decide(situation, NOW).status
    assert status is not None
    assert status.accelerator is not None
    shown = (status.accelerator.requested, status.accelerator.used, status.accelerator.reason)
    assert shown == ("Auto ResourceClaim small", "ResourceClaim small", "Claimed")


def test_a_job_with_claims_remembers_them() -> None:
    situation = a_job(accelerator=CLAIMS)
    job = job_of(situation)
    job["metadata"] |= {"uid": "job-1", "creationTimestamp": "2026-03-01T12:00:00Z"}
    attempt = parse_attempt(job)
    assert situation.spec is not None
    recalled = recall_placement(situation.spec.accelerator, attempt)
    assert (recalled.device, recalled.reason) == ("ResourceClaim small", "Claimed")
    assert recalled.claims == tuple(situation.spec.accelerator.resource_claims)


@pytest.mark.parametrize(
    ("scheduling", "defaults", "reason"),
    [
        ({}, {}, "NoGPUNodes"),
        ({"tolerations": [{"key": "video", "operator": "Exists"}]}, {}, "Offered"),
        ({"runtimeClassName": "nvidia"}, {}, "Offered"),
        ({}, {"gpuRuntimeClassName": "nvidia"}, "Offered"),
    ],
)
def test_a_runtime_class_may_tolerate_what_keeps_others_off_gpu_nodes(
    scheduling: dict[str, Any], defaults: dict[str, Any], reason: str
) -> None:
    """What it tolerates is not read: the API server adds it to the pod."""
    taint = {"key": "video", "effect": "NoSchedule"}
    nodes = Nodes((Offer({}, {"nvidia.com/gpu": 1}, (taint,)),))
    situation = a_videojob(scheduling=scheduling).with_store()
    situation = situation.with_settings(worker_pod_defaults=PodDefaults.model_validate(defaults))
    status = decide(replace(situation, nodes=nodes), NOW).status
    assert status is not None
    assert status.accelerator is not None
    assert status.accelerator.reason == reason
