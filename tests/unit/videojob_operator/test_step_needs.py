"""What steps need of a pod: the image by the steps, keys as variables, volumes read only."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_videojob

from videojob_api import names
from videojob_api.work_order import WorkOrder
from videojob_operator.manifests import build_attempt
from videojob_operator.policies.placement import Placement

CPU = Placement(None, 0, "Auto nvidia.com/gpu", "NothingToGain")
IMAGES = {"worker_image": "w:1", "worker_image_speech": "w:1-speech", "worker_image_gpu": "w:1-gpu"}
MP4 = {"name": "web", "transcode": {"renditions": [{"height": 360}]}}
WORDS = {"name": "words", "transcribe": {}}
ENDPOINT = {"url": "https://api.openai.com/v1", "model": "whisper-1"}
ASKED = {"name": "asked", "transcribe": {"endpoint": ENDPOINT}}
KEYED = {
    "name": "with-key",
    "transcribe": {"endpoint": {**ENDPOINT, "secretRef": {"name": "openai", "key": "token"}}},
}


def mounted(name: str, claim: str) -> dict[str, Any]:
    return {"name": name, "transcribe": {"model": {"claimName": claim, "path": "small"}}}


def job_of(*steps: dict[str, Any], **settings: Any) -> dict[str, Any]:
    situation = a_videojob(steps=list(steps)).with_store().with_settings(**IMAGES, **settings)
    made = build_attempt(
        situation, (0,), number=1, placement=CPU, kills=0, waits=0, memory_bytes=2 << 30
    )
    return made.manifest


def pod_of(*steps: dict[str, Any], **settings: Any) -> dict[str, Any]:
    pod: dict[str, Any] = job_of(*steps, **settings)["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize(
    ("steps", "flavour", "image"),
    [
        ((MP4,), "base", "w:1"),
        ((MP4, WORDS), "speech", "w:1-speech"),
        ((WORDS, MP4), "speech", "w:1-speech"),
        ((MP4, ASKED), "base", "w:1"),
        ((ASKED, WORDS), "speech", "w:1-speech"),
        ((mounted("a", "models"),), "speech", "w:1-speech"),
        (({"name": "a", "cloak": {}},), "base", "w:1"),
        (({"name": "a", "cloak": {"method": "Gradient"}}, WORDS), "gpu", "w:1-gpu"),
        (({"name": "a", "cloak": {"report": True}},), "gpu", "w:1-gpu"),
    ],
    ids=["film", "model", "model first", "server", "both", "volume", "noise", "gradient", "report"],
)
def test_the_steps_choose_the_image(steps: Any, flavour: str, image: str) -> None:
    job = job_of(*steps)
    assert job["metadata"]["annotations"][names.ANNOTATION_FLAVOUR] == flavour
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == image


def test_a_key_is_given_to_the_worker_and_to_nobody_else() -> None:
    (container,) = pod_of(KEYED, ASKED)["containers"]
    told = [entry for entry in container["env"] if "API_KEY" in entry["name"]]
    reference = {"secretKeyRef": {"name": "openai", "key": "token"}}
    assert told == [{"name": "VIDEOJOB_API_KEY_WITH_KEY", "valueFrom": reference}]


def test_a_volume_is_mounted_once_and_to_be_read_only() -> None:
    pod = pod_of(mounted("a", "models"), mounted("b", "models"), mounted("c", "more"))
    claims = [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    assert claims == [
        {"name": "claim-0", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}},
        {"name": "claim-1", "persistentVolumeClaim": {"claimName": "more", "readOnly": True}},
    ]
    (container,) = pod["containers"]
    mounts = [mount for mount in container["volumeMounts"] if mount["name"].startswith("claim")]
    assert mounts == [
        {"name": "claim-0", "mountPath": "/volumes/models", "readOnly": True},
        {"name": "claim-1", "mountPath": "/volumes/more", "readOnly": True},
    ]


def test_networks_that_are_allowed_travel_in_the_order() -> None:
    (container,) = pod_of(ASKED, worker_allow_cidrs=("10.0.0.0/8",))["containers"]
    text = next(e["value"] for e in container["env"] if e["name"] == names.ENV_ORDER)
    order = WorkOrder.model_validate_json(text.replace("$$", "$"))
    assert order.allowed_networks == ["10.0.0.0/8"]
