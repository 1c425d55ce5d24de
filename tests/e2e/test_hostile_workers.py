"""A worker that was taken over: what its token is good for, against the real endpoint and API server."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import deploy
import pytest
from minio import Minio
from on_cluster import Kubectl, a_secret, a_store, a_videojob


@pytest.fixture(scope="module")
def endpoint(installed: None) -> Iterator[str]:
    """The reports endpoint as reached from this machine."""
    command = ["kubectl", "--namespace", deploy.NAMESPACE, "port-forward", "service/videojob"]
    with subprocess.Popen(
        [*command, ":8443", "--address", "127.0.0.1"],
        env=deploy.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as forward:
        try:
            line = forward.stdout.readline() if forward.stdout else ""
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert found, line
            yield f"https://127.0.0.1:{found[1]}"
        finally:
            forward.terminate()


def post(endpoint: str, kube: Kubectl, name: str, token: str, body: bytes) -> int:
    """The status of a report; the certificate is for the Service's name, and not the matter here."""
    url = f"{endpoint}/v1/namespaces/{kube.namespace}/videojobs/{name}/reports"
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, body, headers)
    context = ssl._create_unverified_context()  # noqa: S323
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


def a_report(run: str, percent: float = 12, index: int = 0) -> bytes:
    progress = {"percent": percent, "stage": "Processing"}
    return json.dumps({"runID": run, "attempt": 1, "index": index, "progress": progress}).encode()


@contextlib.contextmanager
def held(kube: Kubectl, clip: str, *names: str) -> Iterator[dict[str, dict[str, Any]]]:
    """VideoJobs whose pods are there and wait for a Secret; their pods by name."""
    kube.apply(a_secret(), a_store("locked", credentialsSecretRef={"name": "nobody-makes-it"}))
    kube.apply(
        *(a_videojob(n, clip, clip, storeRef={"name": "locked"}, parallelism=1) for n in names)
    )
    for name in names:
        kube.wait(name, lambda s: "nobody-makes-it" in s.get("message", ""), seconds=60)
    pods = kube.items("pods")
    yield {p["metadata"]["labels"]["videojob.dev/videojob"]: p for p in pods}


def test_a_token_is_good_for_its_own_input_and_nothing_else(
    kube: Kubectl, media: Minio, clip: str, endpoint: str
) -> None:
    with held(kube, clip, "mine", "theirs") as pods:
        uid = kube.get("videojob", "mine")["metadata"]["uid"]
        run = kube.status("mine")["runID"]
        (volume,) = (v for v in pods["mine"]["spec"]["volumes"] if "projected" in v)
        (source,) = (
            s["serviceAccountToken"]
            for s in volume["projected"]["sources"]
            if "serviceAccountToken" in s
        )
        assert uid in source["audience"]

        def token(audience: str, pod: dict[str, Any] | None) -> str:
            bound = (
                ()
                if pod is None
                else (
                    "--bound-object-kind=Pod",
                    f"--bound-object-name={pod['metadata']['name']}",
                    f"--bound-object-uid={pod['metadata']['uid']}",
                )
            )
            made = kube.ok("create", "token", "default", f"--audience={audience}", *bound)
            return made.strip()

        mine = token(source["audience"], pods["mine"])
        assert post(endpoint, kube, "mine", mine, a_report(run)) == 204
        refused = {
            "another VideoJob's": post(endpoint, kube, "theirs", mine, a_report(run)),
            "for the API server": post(
                endpoint, kube, "mine", token("https://kubernetes.default.svc", pods["mine"]), b"{}"
            ),
            "of another pod": post(
                endpoint, kube, "mine", token(source["audience"], pods["theirs"]), a_report(run)
            ),
            "of no pod": post(
                endpoint, kube, "mine", token(source["audience"], None), a_report(run)
            ),
            "forged": post(endpoint, kube, "mine", mine[:-8] + "AAAAAAAA", a_report(run)),
            "another input": post(endpoint, kube, "mine", mine, a_report(run, index=1)),
            "10 MB": post(endpoint, kube, "mine", mine, b" " * 10_000_000),
            "1e308 percent": post(endpoint, kube, "mine", mine, a_report(run, percent=1e308)),
        }
        assert refused == {
            "another VideoJob's": 401,
            "for the API server": 401,
            "of another pod": 403,
            "of no pod": 401,
            "forged": 401,
            "another input": 403,
            "10 MB": 413,
            "1e308 percent": 400,
        }
        flood = [post(endpoint, kube, "mine", mine, a_report(run, percent=13)) for _ in range(60)]
        assert 429 in flood
        kube.ok("delete", "pod", pods["mine"]["metadata"]["name"], "--wait=true")
        assert kube.status("theirs").get("progress", {}).get("percent", 0) == 0


def test_a_job_cannot_name_another_namespaces_store_or_secret(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    reaching = [
        a_videojob("reaching", clip, storeRef={"name": "media", "namespace": "videojob-e2e"}),
        a_store("reaching", credentialsSecretRef={"name": "s", "namespace": "videojob-e2e"}),
        a_videojob("reaching", clip, storeRef={"name": "videojob-e2e/media"}),
    ]
    for body in reaching:
        done = kube.run("apply", "--validate=strict", "-f", "-", stdin=json.dumps(body))
        assert done.returncode != 0, body
        assert "namespace" in done.stderr or "Invalid value" in done.stderr, done.stderr
    kube.ok("delete", "videostore", "media")
    kube.apply(a_videojob("alone", clip))
    status = kube.wait("alone", lambda s: "VideoStore" in s.get("message", ""), seconds=30)
    assert status["phase"] == "Pending", "a store of that name in other namespaces is of no use"
