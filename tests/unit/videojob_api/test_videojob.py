"""Which manifests are understood, and what the others are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import a_manifest, a_spec
from pydantic import ValidationError

from videojob_api.status import Phase, VideoJobStatus
from videojob_api.videojob import AcceleratorMode, MalwareScan, VideoJob, VideoJobSpec


def test_what_is_left_out_is_filled() -> None:
    spec = a_spec()
    assert spec.accelerator.mode is AcceleratorMode.AUTO
    assert spec.accelerator.resource_name == "nvidia.com/gpu"
    assert (spec.parallelism, spec.retry.limit, spec.max_failed_inputs) == (4, 3, 0)
    assert spec.limits.max_bytes == "2Gi"
    assert spec.active_deadline_seconds == 86400
    assert spec.resources.limits.memory == "2Gi"


def test_what_the_api_server_adds_is_passed_over() -> None:
    body = a_manifest() | {"somethingNew": 1}
    body["metadata"] |= {"uid": "u", "managedFields": []}
    job = VideoJob.model_validate(body)
    assert job.status == VideoJobStatus()
    assert (job.status.phase, job.status.observed_generation) == (Phase.PENDING, -1)


def an_input(**changes: Any) -> dict[str, Any]:
    return {"name": "in", "key": "in.mp4", **changes}


def a_link(url: str) -> dict[str, Any]:
    return {"name": "in", "url": url}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"inputs": []}, "at least 1 item"),
        ({"inputs": [an_input(name=f"i{i}") for i in range(501)]}, "at most 500 items"),
        ({"inputs": [an_input(), an_input()]}, "two inputs have the same name; give each its own"),
        ({"inputs": [an_input(key="")]}, "at least 1 character"),
        ({"inputs": [an_input(key="/absolute.mp4")]}, "should match pattern"),
        ({"inputs": [an_input(key="line\nbreak.mp4")]}, "should match pattern"),
        ({"inputs": [an_input(key="x" * 1025)]}, "at most 1024 characters"),
        ({"inputs": [an_input(key="../secret.mp4")]}, r"write it without \.\./"),
        ({"inputs": [an_input(key="a/../../b.mp4")]}, r"write it without \.\./"),
        ({"inputs": [an_input(sha256="abc")]}, "should match pattern"),
        ({"inputs": [an_input(sha256="AB" * 32)]}, "should match pattern"),
        ({"inputs": [an_input(name="In")]}, "should match pattern"),
        ({"inputs": [an_input(url="http://x")]}, "exactly one of key .* and url"),
        ({"inputs": [{"name": "in"}]}, "exactly one of key .* and url"),
        ({"inputs": [a_link("ftp://example.com/a.mp4")]}, "url must be a whole http or https URL"),
        ({"inputs": [a_link("https://me:word@example.com/a")]}, "without a user, a password"),
        ({"inputs": [a_link("https://me@example.com/a")]}, "without a user, a password"),
        ({"inputs": [a_link("https://example.com/a#t=3")]}, "without a user.* or a fragment"),
        ({"inputs": [a_link("https://example.com/a b.mp4")]}, "url must be a whole"),
        ({"inputs": [a_link("https://bücher.example/a.mp4")]}, "URL in ASCII"),
        ({"inputs": [a_link("https:///a.mp4")]}, "url must be a whole"),
        ({"inputs": [a_link("/a.mp4")]}, "url must be a whole"),
        ({"inputs": [a_link("https://example.com/" + "x" * 1792)]}, "at most 1792 characters"),
        ({"steps": []}, "at least 1 item"),
        ({"steps": [{"name": "s"}]}, "needs exactly one of transcode, thumbnails, extractAudio"),
        ({"steps": [{"name": "s", "from": "t", "extractAudio": {}}]}, "no earlier step"),
        ({"templateRef": {"name": "web"}}, "exactly one of steps and templateRef"),
        ({"templateRef": {"name": "web", "kind": "Secret"}}, "'VideoTemplate' or"),
        ({"templateRef": {"name": "../web"}}, "should match pattern"),
        ({"params": {"height": "1080"}}, "params are for a template: add templateRef"),
        ({"params": {"height": 1080}}, "valid string"),
        ({"output": {"prefix": "no-slash"}}, "should match pattern"),
        ({"output": {"prefix": "/absolute/"}}, "should match pattern"),
        ({"output": {"prefix": "a/../../b/"}}, r"write it without \.\./"),
        ({"output": {}}, "Field required"),
        ({"storeRef": None}, "valid dictionary"),
        ({"storeRef": {"name": ""}}, "at least 1 character"),
        ({"parallelism": 0}, "greater than or equal to 1"),
        ({"retry": {"limit": 11}}, "less than or equal to 10"),
        ({"maxFailedInputs": -1}, "greater than or equal to 0"),
        ({"activeDeadlineSeconds": 5}, "greater than or equal to 10"),
        ({"limits": {"maxBytes": "2GB"}}, "should match pattern"),
        ({"limits": {"maxPixels": 1}}, "greater than or equal to 4096"),
        ({"accelerator": {"mode": "On"}}, "'Auto', 'Required' or 'Off'"),
        ({"accelerator": {"resourceName": "gpu"}}, "should match pattern"),
        ({"accelerator": {"count": 0}}, "greater than or equal to 1"),
        ({"resources": {"limits": {"memory": "lots"}}}, "should match pattern"),
        (
            {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "256Mi"}}},
            r"requests.memory \(1Gi\) is more than limits.memory \(256Mi\); lower the request",
        ),
        ({"resources": {"requests": {"cpu": "3"}}}, r"requests.cpu \(3\) is more than"),
        ({"priority": 3}, "Extra inputs are not permitted"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_manifest_is_refused_with_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        VideoJobSpec.model_validate(a_manifest()["spec"] | change)


def test_a_store_must_be_named() -> None:
    spec = a_manifest()["spec"]
    del spec["storeRef"]
    with pytest.raises(ValidationError, match="storeRef"):
        VideoJobSpec.model_validate(spec)


def test_a_limit_that_is_not_given_is_the_default() -> None:
    spec = a_spec(resources={"limits": {"cpu": "4"}})
    assert spec.resources.limits.memory == "2Gi"


def test_a_small_limit_alone_is_fine() -> None:
    spec = a_spec(resources={"limits": {"memory": "256Mi"}})
    assert spec.resources.requests.memory is None


def test_five_hundred_inputs_are_fine() -> None:
    assert len(a_spec(500).inputs) == 500


def test_a_spec_comes_back_from_its_wire_form() -> None:
    spec = a_spec(3)
    assert VideoJobSpec.model_validate(spec.wire()) == spec


@pytest.mark.parametrize("address", ["clamd.security.svc:3310", "10.0.0.7:3310", "[fd00::1]:3310"])
def test_a_scanner_has_a_host_and_a_port(address: str) -> None:
    assert MalwareScan(address=address).on_unavailable == "Fail"


@pytest.mark.parametrize("address", ["clamd", "tcp://clamd:3310", "/run/clamd", "clamd:", ":3310"])
def test_an_address_of_no_scanner_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        MalwareScan(address=address)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ({"key": "a/b?c.mp4"}, "a/b?c.mp4"),
        ({"url": "https://example.com"}, "https://example.com"),
        ({"url": "http://[2001:db8::1]:8080/a/b.mp4"}, "http://[2001:db8::1]:8080/a/b.mp4"),
        ({"url": "https://e.example/a?X-Amz-Signature=secret"}, "https://e.example/a?…"),
        ({"url": "https://e.example?token=secret@x/y"}, "https://e.example?…"),
    ],
)
def test_a_source_is_shown_without_what_may_be_a_credential(
    source: dict[str, str], shown: str
) -> None:
    (item,) = VideoJobSpec.model_validate(
        a_manifest()["spec"] | {"inputs": [{"name": "in", **source}]}
    ).inputs
    assert item.place == shown
    assert item.location == next(iter(source.values()))


def test_five_hundred_of_the_longest_links_fit_into_a_config_map() -> None:
    longest = "https://example.com/" + "x" * (1792 - 20)
    inputs = [
        {"name": "x" * 57 + f"{n:06d}", "url": longest, "sha256": "0" * 64} for n in range(500)
    ]
    spec = VideoJobSpec.model_validate(a_manifest()["spec"] | {"inputs": inputs})
    assert len(json.dumps(spec.wire()["inputs"])) < (1 << 20) - 30_000
