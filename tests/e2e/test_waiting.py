"""What a VideoJob says while it waits, and that it goes on by itself once that is mended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import deploy
import minio_server
import pytest
from minio import Minio
from on_cluster import (
    Kubectl,
    a_secret,
    a_store,
    a_videojob,
    condition,
    is_stalled,
    offered,
    published,
)

COLUMNS = ["NAME", "PHASE", "PROGRESS", "STEP", "INPUTS", "ACCELERATOR", "AGE", "MESSAGE", "PREFIX"]
"""What `kubectl get` shows of a VideoJob; the last two with `-o wide` only."""


def test_a_missing_store_is_named_and_waited_for(kube: Kubectl, store: Minio, clip: str) -> None:
    kube.apply(a_videojob("early", clip))
    status = kube.wait("early", is_stalled, seconds=20)
    assert status["phase"] == "Pending"
    assert condition(status, "Stalled")["reason"] == "StoreNotFound"
    assert "There is no VideoStore 'media'" in status["message"]
    assert kube.items("jobs") == [], "a Job was made before there was a store"
    assert kube.ok("get", "vj").splitlines()[0].split() == COLUMNS[:-2]
    header, row = kube.ok("get", "vj", "-o", "wide").splitlines()
    assert header.split() == COLUMNS
    assert row.split()[:2] == ["early", "Pending"]
    told = row[header.index("MESSAGE") : header.index("PREFIX")].strip()
    assert told == status["message"], "the list alone says why it waits"
    kube.apply(a_secret(), a_store())
    assert kube.wait_end("early", seconds=60)["phase"] == "Succeeded"


def test_a_missing_secret_is_named_and_waited_for(kube: Kubectl, store: Minio, clip: str) -> None:
    kube.apply(a_store(), a_videojob("early", clip))
    status = kube.wait("early", is_stalled, seconds=30)
    assert condition(status, "Stalled")["reason"] == "CreateContainerConfigError"
    assert 'secret "minio-credentials" not found' in status["message"]
    kube.apply(a_secret())
    assert kube.wait_end("early", seconds=90)["phase"] == "Succeeded"
    pods = kube.items("pods")
    assert len(pods) == 1, "the same pod should have started once the Secret was there"


def test_a_volume_that_does_not_come_is_named(kube: Kubectl, clip: str) -> None:
    """Neither pod nor Job has it in its status: only an Event tells."""
    with offered(kube, "disk") as folder:
        folder.rmdir()
        volume = a_store()
        volume["spec"] = {"volume": {"claimName": "disk"}}
        kube.apply(volume, a_videojob("unmounted", clip))
        status = kube.wait("unmounted", is_stalled, seconds=60)
        folder.mkdir()
    assert condition(status, "Stalled")["reason"] == "FailedMount"
    assert "A worker can't start: MountVolume.SetUp failed" in status["message"]
    assert "is not a directory" in status["message"]


@pytest.fixture
def dead_webhook(kube: Kubectl) -> Iterator[str]:
    """A policy for the Jobs of this test whose server does not answer."""
    name = f"dead-{kube.namespace}"
    of_here = {"matchLabels": {"kubernetes.io/metadata.name": kube.namespace}}
    webhook = {
        "name": "jobs.policy.example.com",
        "namespaceSelector": of_here,
        "rules": [
            {
                "apiGroups": ["batch"],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["jobs"],
            }
        ],
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
    }
    kube.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [webhook],
        }
    )
    yield name
    kube.ok("delete", "validatingwebhookconfiguration", name, "--ignore-not-found")


def test_a_policy_that_does_not_answer_is_named_and_waited_for(
    kube: Kubectl, store: Minio, clip: str, dead_webhook: str
) -> None:
    kube.apply(a_secret(), a_store(), a_videojob("policed", clip))
    status = kube.wait("policed", is_stalled, seconds=30)
    assert status["phase"] == "Pending"
    assert condition(status, "Stalled")["reason"] == "JobRefused"
    assert 'failed calling webhook "jobs.policy.example.com"' in status["message"]
    kube.ok("delete", "validatingwebhookconfiguration", dead_webhook)
    assert kube.wait_end("policed", seconds=90)["phase"] == "Succeeded"


def test_wrong_credentials_are_named_and_asked_again(
    kube: Kubectl, store: Minio, clip: str
) -> None:
    kube.apply(a_secret(key="wrong"), a_store(), a_videojob("locked", clip))
    status = kube.wait("locked", is_stalled, seconds=30)
    assert status["phase"] == "Pending"
    assert condition(status, "Stalled")["reason"] == "StorageRefused"
    assert "media" in status["message"]
    assert "Asked again at" in status["message"]
    kube.apply(a_secret(key=minio_server.SECRET_KEY))
    assert kube.wait_end("locked", seconds=90)["phase"] == "Succeeded"


def test_a_missing_bucket_is_named_and_no_pod_loops(kube: Kubectl, store: Minio, clip: str) -> None:
    kube.apply(a_secret(), a_store(bucket="nowhere-at-all"))
    kube.apply(a_videojob("lost", clip, activeDeadlineSeconds=25))
    status = kube.wait("lost", is_stalled, seconds=20)
    assert "nowhere-at-all" in status["message"]
    end = kube.wait_end("lost", seconds=60)
    assert end["phase"] == "Failed"
    assert end["failure"]["reason"] == "DeadlineExceeded"
    assert "nowhere-at-all" in end["message"], "the deadline hides why it waited"
    assert len(kube.items("pods")) <= 4, "asked more often than the back-off allows"


def test_a_deadline_ends_what_works_and_leaves_what_is_published(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    films, prefix = [clip] * 60, f"results/{kube.namespace}/"
    body = a_videojob("late", *films, prefix=prefix, parallelism=1, activeDeadlineSeconds=45)
    kube.apply(body)
    end = kube.wait_end("late", seconds=90)
    assert (end["phase"], end["failure"]["reason"]) == ("Failed", "DeadlineExceeded")
    done = end["inputCounts"]["succeeded"]
    assert 0 < done < len(films)
    assert kube.items("pods") == [], "it ends once its workers have stopped"
    manifests = {key for key in published(media, prefix) if key.endswith("/manifest.json")}
    assert len(manifests) == done, "what they published in that time counts"


@pytest.fixture
def no_such_image(installed: None) -> Iterator[str]:
    """The chart names an image of the workers that is nowhere to be had."""
    image = "localhost:9/videojob-worker:was-never-pushed"
    repository, _, tag = image.rpartition(":")
    deploy.ensure(values=[f"worker.image.repository={repository}", f"worker.image.tag={tag}"])
    yield image
    deploy.ensure()


@pytest.mark.alone
def test_an_image_that_cannot_be_pulled_is_named_until_the_deadline(
    no_such_image: str, kube: Kubectl, media: Minio, clip: str
) -> None:
    kube.apply(a_videojob("imageless", clip, activeDeadlineSeconds=40))
    status = kube.wait("imageless", is_stalled, seconds=35)
    assert status["phase"] == "Pending"
    assert condition(status, "Stalled")["reason"] == "ImagePullFailed"
    assert status["message"].startswith("A worker can't start: ")
    assert no_such_image in status["message"]
    end = kube.wait_end("imageless", seconds=60)
    assert (end["phase"], end["failure"]["reason"]) == ("Failed", "DeadlineExceeded")
    assert no_such_image in end["message"], "the deadline hides why it waited"
    assert end["attempt"] == 1


SMALL = [{"name": "web", "transcode": {"renditions": [{"height": 144}]}}]


def test_auto_works_on_the_cpu_where_the_namespace_may_have_no_gpu(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "no-gpu"}}
    kube.apply({**quota, "spec": {"hard": {"requests.nvidia.com/gpu": "0"}}})
    auto = {"mode": "Auto", "fallbackAfterSeconds": 5}
    kube.apply(a_videojob("poor", clip, steps=SMALL, accelerator=auto))
    firm = {"mode": "Required", "fallbackAfterSeconds": 5}
    kube.apply(a_videojob("firm", clip, steps=SMALL, accelerator=firm))
    status = kube.wait_end("poor", seconds=120)
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2), status
    assert status["accelerator"]["reason"] == "FallbackAfterWait"
    status = kube.wait("firm", is_stalled, seconds=60)
    assert "exceeded quota: no-gpu, requested: requests.nvidia.com/gpu=1" in status["message"]


def test_more_gpus_than_there_are_is_explained_in_the_schedulers_words(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    accelerator = {"mode": "Required", "count": 3}
    kube.apply(a_videojob("greedy", clip, accelerator=accelerator))
    status = kube.wait("greedy", lambda s: "No node" in s.get("message", ""), seconds=20)
    assert status["phase"] == "Pending"
    assert "Insufficient nvidia.com/gpu" in status["message"]
    assert condition(status, "Scheduled")["status"] == "False"
    assert status["accelerator"] == {
        "requested": "Required nvidia.com/gpu",
        "used": "nvidia.com/gpu",
        "reason": "Required",
    }


TRANSCODE = [{"name": "web", "transcode": {"renditions": [{"height": 144}]}}]


@pytest.mark.parametrize(
    ("spec", "resource", "reason"),
    [
        ({"steps": TRANSCODE}, "nvidia.com/gpu", "Offered"),
        ({"steps": TRANSCODE, "accelerator": {"mode": "Off"}}, None, "SwitchedOff"),
        ({"accelerator": {"mode": "Required"}}, "nvidia.com/gpu", "Required"),
        ({}, None, "NothingToGain"),
        (
            {"steps": TRANSCODE, "accelerator": {"resourceName": "amd.com/gpu"}},
            None,
            "NoGPUNodes",
        ),
    ],
    ids=["auto", "off", "required", "nothing to gain", "no such gpu"],
)
def test_placement(
    kube: Kubectl,
    media: Minio,
    clip: str,
    spec: dict[str, Any],
    resource: str | None,
    reason: str,
) -> None:
    kube.apply(a_videojob("placed", clip, **spec))
    status = kube.wait("placed", lambda s: "accelerator" in s, seconds=20)
    assert status["accelerator"]["reason"] == reason
    (job,) = kube.items("jobs")
    limits = job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits.get("nvidia.com/gpu") == ("1" if resource else None)
    end = kube.wait_end("placed")
    assert end["phase"] == "Succeeded", json.dumps(end)
    if resource:
        # The GPUs of the local cluster are made of air: the worker finds that out and says so.
        assert end["accelerator"]["used"] == "CPU"
        assert end["accelerator"]["reason"] not in ("Offered", "Required")
