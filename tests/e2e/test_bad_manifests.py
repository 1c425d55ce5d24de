"""What kubectl apply refuses, on the real API server: each with a sentence that helps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from on_cluster import Kubectl, a_videojob
from wrong_specs import RIGHT_SPECS, WRONG_SPECS, a_transcode

Change = Callable[[dict[str, Any]], Any]


REFUSED: dict[str, tuple[Change, tuple[str, ...]]] = {
    "unknown step": (
        lambda spec: spec["steps"].append({"name": "x", "sharpen": {}}),
        ('unknown field "spec.steps[1].sharpen"',),
    ),
    "no kind in a step": (
        lambda spec: spec["steps"].append({"name": "x"}),
        ("spec.steps[1]", "exactly one kind: transcode, thumbnails"),
    ),
    "two kinds in one step": (
        lambda spec: spec["steps"][0].update(extractAudio={}),
        ("spec.steps[0]", "exactly one kind", "split two kinds into two steps"),
    ),
    "storeRef missing": (
        lambda spec: spec.pop("storeRef"),
        ("storeRef is missing", "for example storeRef: {name: media}"),
    ),
    "from a later step": (
        lambda spec: spec["steps"].insert(
            0, {"name": "early", "from": "poster", "thumbnails": {"count": 1}}
        ),
        ("spec.steps", "`from` must name an earlier step that yields video"),
    ),
    "from a missing step": (
        lambda spec: spec["steps"][0].update({"from": "nowhere"}),
        ("spec.steps", "`from` must name an earlier step", "leave `from` out"),
    ),
    "from a step that yields no video": (
        lambda spec: spec["steps"].append(
            {"name": "more", "from": "poster", "thumbnails": {"count": 1}}
        ),
        ("`from` must name an earlier step that yields video",),
    ),
    "quality of nothing": (
        lambda spec: spec["steps"].append({"name": "q", "quality": {}}),
        ("spec.steps", "name the transcode that makes them in its `from`"),
    ),
    "two ways to count pictures": (
        lambda spec: spec["steps"][0].update(thumbnails={"count": 1, "times": [1]}),
        ("spec.steps[0].thumbnails", "exactly one of count, intervalSeconds and times"),
    ),
    "501 inputs": (
        lambda spec: spec.update(inputs=[{"name": f"i{n}", "key": "k"} for n in range(501)]),
        ("spec.inputs: Too many: 501: must have at most 500 items",),
    ),
    "no input": (lambda spec: spec.update(inputs=[]), ("spec.inputs", "at least 1 items")),
    "a height of 0": (
        lambda spec: spec.update(
            steps=[{"name": "web", "transcode": {"renditions": [{"height": 0}]}}]
        ),
        ("renditions[0].height", "Invalid value: 0", "greater than or equal to 64"),
    ),
    "a priority class of the system": (
        lambda spec: spec.update(scheduling={"priorityClassName": "system-node-critical"}),
        ("spec.scheduling.priorityClassName", "can't be one of the system's own"),
    ),
    "a service account": (
        lambda spec: spec.update(scheduling={"serviceAccountName": "admin"}),
        ('unknown field "spec.scheduling.serviceAccountName"',),
    ),
    "a class of Kueue's without its queue": (
        lambda spec: spec.update(scheduling={"workloadPriorityClassName": "urgent"}),
        ("workloadPriorityClassName is for Kueue: set queueName too",),
    ),
    "an empty key": (
        lambda spec: spec["inputs"][0].update(key=""),
        ("spec.inputs[0].key", 'Invalid value: ""', "at least 1 chars long"),
    ),
    "a key that leaves the prefix": (
        lambda spec: spec["inputs"][0].update(key="a/../../b"),
        ("spec.inputs[0]", "can't leave the store's prefix"),
    ),
    "a key and a url": (
        lambda spec: spec["inputs"][0].update(url="https://example.com/a.mp4"),
        ("spec.inputs[0]", "exactly one of key (an object in the store) and url"),
    ),
    "neither of them": (
        lambda spec: spec["inputs"][0].pop("key"),
        ("spec.inputs[0]", "exactly one of key (an object in the store) and url"),
    ),
    "a url with a password": (
        lambda spec: spec.update(inputs=[{"name": "in", "url": "https://me:pw@example.com/a"}]),
        ("spec.inputs[0].url", "without a user, a password or a fragment, such as https://"),
    ),
    "two inputs of one name": (
        lambda spec: spec["inputs"].append({"name": "in0", "key": "b"}),
        ("spec.inputs[1]", "Duplicate value"),
    ),
    "two steps of one name": (
        lambda spec: spec["steps"].append({"name": "poster", "extractAudio": {}}),
        ("spec.steps[1]", "Duplicate value"),
    ),
    "a prefix without its slash": (
        lambda spec: spec["output"].update(prefix="results"),
        ("spec.output.prefix", "should match"),
    ),
    "neither count nor interval": (
        lambda spec: spec["steps"][0].update(thumbnails={}),
        ("exactly one of count, intervalSeconds and times", "for example count: 6"),
    ),
    "a bitrate for what loses nothing": (
        lambda spec: spec["steps"].append(
            {"name": "x", "extractAudio": {"format": "FLAC", "bitrateKbps": 128}}
        ),
        ("spec.steps[1].extractAudio", "FLAC, WAV and Copy have none: leave it out"),
    ),
    "a rate that Opus has not": (
        lambda spec: spec["steps"].append(
            {"name": "x", "extractAudio": {"format": "OPUS", "sampleRateHz": 44100}}
        ),
        ("spec.steps[1].extractAudio", "not for OPUS 11025, 22050, 32000, 44100"),
    ),
    "a loudness for a copy": (
        lambda spec: spec["steps"].append(
            {"name": "x", "extractAudio": {"format": "Copy", "loudness": {}}}
        ),
        ("spec.steps[1].extractAudio", "choose another format to set its loudness"),
    ),
    "a profile of 8 bit in 10": (
        lambda spec: spec.update(a_transcode({}, profile="main", bitDepth=10)),
        ("spec.steps[0].transcode", "profile and bitDepth do not fit: high10 and main10 are of 10"),
    ),
    "a profile of 10 bit in 8": (
        lambda spec: spec.update(a_transcode({"profile": "main10"}, codec="HEVC", bitDepth=8)),
        ("spec.steps[0].transcode", "profile and bitDepth do not fit: high10 and main10 are of 10"),
    ),
    "both count and interval": (
        lambda spec: spec["steps"][0]["thumbnails"].update(intervalSeconds=3),
        ("exactly one of count, intervalSeconds and times",),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_sentence(kube_readonly: Kubectl, case: str) -> None:
    body = a_videojob("refused", "uploads/a.mp4")
    change, wanted = REFUSED[case]
    change(body["spec"])
    done = kube_readonly.run("apply", "-f", "-", stdin=yaml.safe_dump(body))
    assert done.returncode != 0, "the API server took it"
    for text in wanted:
        assert text in done.stderr


@pytest.mark.parametrize("case", WRONG_SPECS)
def test_refused_in_the_words_of_the_models(kube_readonly: Kubectl, case: str) -> None:
    change, where, words = WRONG_SPECS[case]
    body = a_videojob("refused", "uploads/a.mp4", **change)
    done = kube_readonly.run("apply", "-f", "-", stdin=yaml.safe_dump(body))
    assert done.returncode != 0, "the API server took it"
    assert where in done.stderr
    assert words in done.stderr


@pytest.mark.parametrize("case", RIGHT_SPECS)
def test_what_is_right_is_taken(kube_readonly: Kubectl, case: str) -> None:
    body = a_videojob("taken", "uploads/a.mp4", **RIGHT_SPECS[case])
    kube_readonly.ok("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(body))


def test_the_manifest_that_all_of_them_change_is_accepted(kube_readonly: Kubectl) -> None:
    body = a_videojob("refused", "uploads/a.mp4")
    kube_readonly.ok("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(body))


CHANGES: dict[str, Any] = {
    "storeRef": {"name": "other"},
    "inputs": [{"name": "in0", "key": "uploads/other.mp4"}],
    "steps": [{"name": "poster", "thumbnails": {"count": 2}}],
    "templateRef": {"name": "other"},
    "params": {"height": "1080"},
    "limits": {"maxBytes": "1Gi"},
    "output": {"prefix": "elsewhere/"},
}


@pytest.mark.parametrize("field", CHANGES)
def test_the_work_itself_cannot_be_changed_during_a_run(kube: Kubectl, field: str) -> None:
    body = a_videojob("fixed", "uploads/a.mp4")
    if field in ("templateRef", "params"):
        del body["spec"]["steps"]
        body["spec"] |= {"templateRef": {"name": "lecture"}, "params": {"height": "720"}}
    kube.apply(body)
    changed = copy.deepcopy(body)
    changed["spec"][field] = CHANGES[field]
    done = kube.run("apply", "-f", "-", stdin=yaml.safe_dump(changed))
    assert done.returncode != 0
    named = "output.prefix" if field == "output" else field
    assert f"{named} can't be changed during a run; change runToken" in done.stderr
    changed["spec"]["runToken"] = "2"
    kube.ok("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(changed))
    changed["spec"]["cancel"] = True
    done = kube.run("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(changed))
    assert "set cancel: false in the same update" in done.stderr


def test_inputs_stay_in_their_order_during_a_run(kube: Kubectl) -> None:
    """Their places are what status and Jobs count by; a list of named items is equal in any order."""
    body = a_videojob("sorted", "uploads/a.mp4", "uploads/b.mp4")
    kube.apply(body)
    body["spec"]["inputs"].reverse()
    done = kube.run("apply", "-f", "-", stdin=yaml.safe_dump(body))
    assert "inputs can't be changed during a run; change runToken" in done.stderr
    body["spec"]["runToken"] = "2"
    kube.ok("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(body))


def test_a_new_object_is_never_taken_for_a_finished_one(kube_readonly: Kubectl) -> None:
    body = a_videojob("new", "uploads/a.mp4")
    done = kube_readonly.ok(
        "apply", "--dry-run=server", "-o", "json", "-f", "-", stdin=yaml.safe_dump(body)
    )
    assert yaml.safe_load(done)["status"] == {"observedGeneration": -1}
