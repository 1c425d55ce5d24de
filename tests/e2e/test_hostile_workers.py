"""A worker that was taken over: what its token is good for, against the real endpoint and API server."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import deploy
import jwt
import places
import pytest
from minio import Minio
from on_cluster import Kubectl, a_secret, a_store, a_videojob, metrics_of
from port_forward import forwarded

from videojob_api import names


@pytest.fixture(scope="module")
def endpoint(installed: None) -> Iterator[str]:
    """The reports endpoint as reached from this machine."""
    with forwarded(deploy.NAMESPACE, "videojob", 8443) as address:
        yield f"https://{address}"


def connect(endpoint: str) -> http.client.HTTPSConnection:
    """The certificate is for the Service's name, and not the matter here."""
    context = ssl._create_unverified_context()  # noqa: S323
    return http.client.HTTPSConnection(urlsplit(endpoint).netloc, context=context, timeout=30)


def send(
    connection: http.client.HTTPSConnection, kube: Kubectl, name: str, token: str, body: bytes
) -> int:
    """The status that a report gets."""
    path = f"/v1/namespaces/{kube.namespace}/videojobs/{name}/reports"
    connection.request("POST", path, body, {"Authorization": f"Bearer {token}"})
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def post(endpoint: str, kube: Kubectl, name: str, token: str, body: bytes) -> int:
    """The same, on a connection of its own."""
    with contextlib.closing(connect(endpoint)) as connection:
        return send(connection, kube, name, token, body)


@contextlib.contextmanager
def flooded(
    endpoint: str, kube: Kubectl, name: str, token: str, body: bytes
) -> Iterator[Counter[int]]:
    """As many reports as four connections let through until the end of the block; their statuses."""
    answers: Counter[int] = Counter()
    over = threading.Event()

    def flood() -> None:
        with contextlib.closing(connect(endpoint)) as connection:
            while not over.is_set():
                answers[send(connection, kube, name, token, body)] += 1

    with ThreadPoolExecutor(4) as pool:
        floods = [pool.submit(flood) for _ in range(4)]
        try:
            yield answers
        finally:
            over.set()
    for one in floods:
        one.result()


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


def refusals() -> dict[str, float]:
    """Status of refused reports → how many so far."""
    pattern = re.compile(r'videojob_operator_reports_total{result="(4\d\d)"}')
    metrics = metrics_of(deploy.NAMESPACE).items()
    return {found[1]: count for name, count in metrics if (found := pattern.fullmatch(name))}


def reports_taken() -> float:
    """How many so far."""
    name = 'videojob_operator_reports_total{result="taken"}'
    return metrics_of(deploy.NAMESPACE).get(name, 0.0)


def claims_dropped() -> float:
    """How many outputs that were not their workers' own were claimed so far."""
    return metrics_of(deploy.NAMESPACE)["videojob_operator_claims_dropped_total"]


def resigned(token: str, *, ended_seconds_ago: int) -> str:
    """The same token with another end, signed with the cluster's own key."""
    claims = jwt.decode(token, options={"verify_signature": False})
    header = jwt.get_unverified_header(token)
    ends = int(time.time()) - ended_seconds_ago
    begins = ends - int(claims["exp"] - claims["iat"])
    past = {**claims, "exp": ends, "iat": begins, "nbf": begins}
    return jwt.encode(past, service_account_key(), "RS256", {"kid": header["kid"]})


def service_account_key() -> str:
    """What the cluster signs its tokens with; in kind it is in the node's container."""
    path = places.PKI / "sa.key"
    if path.exists():
        return path.read_text()
    node = f"{places.CLUSTER_NAME}-control-plane"
    command = ["docker", "exec", node, "cat", "/etc/kubernetes/pki/sa.key"]
    return subprocess.check_output(command, text=True)


@pytest.mark.alone
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
        counted = refusals()
        assert post(endpoint, kube, "mine", mine, a_report(run)) == 204
        fresh = resigned(mine, ended_seconds_ago=-600)
        assert post(endpoint, kube, "mine", fresh, a_report(run)) == 204, "signed as it should be"
        late = token(source["audience"], pods["mine"])
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
            "expired": post(
                endpoint, kube, "mine", resigned(mine, ended_seconds_ago=60), a_report(run)
            ),
            "another input": post(endpoint, kube, "mine", mine, a_report(run, index=1)),
            "10 MB": post(endpoint, kube, "mine", mine, b" " * 10_000_000),
            "1e308 percent": post(endpoint, kube, "mine", mine, a_report(run, percent=1e308)),
            "no number": post(endpoint, kube, "mine", mine, a_report(run, percent=float("nan"))),
        }
        assert refused == {
            "another VideoJob's": 401,
            "for the API server": 401,
            "of another pod": 403,
            "of no pod": 401,
            "forged": 401,
            "expired": 401,
            "another input": 403,
            "10 MB": 413,
            "1e308 percent": 400,
            "no number": 400,
        }
        taken = reports_taken()
        with flooded(endpoint, kube, "mine", mine, a_report(run, percent=13)) as answers:
            kube.apply(a_videojob("meanwhile", clip))
            assert kube.wait_end("meanwhile")["phase"] == "Succeeded"
        assert set(answers) == {204, 429}
        assert answers[429] > 10 * answers[204], answers
        assert reports_taken() - taken > answers[204], "another's reports drown in the flood"
        grown = {status for status, count in refusals().items() if count > counted[status]}
        assert grown >= {"400", "401", "403", "413", "429"}, "not counted"
        kube.ok("delete", "pod", pods["mine"]["metadata"]["name"], "--wait=true")
        assert post(endpoint, kube, "mine", late, a_report(run)) in (401, 403), "its pod is gone"
        assert kube.status("theirs").get("progress", {}).get("percent", 0) == 0


def test_what_a_worker_claims_is_cut_to_what_is_its_own(
    kube: Kubectl, media: Minio, clip: str, endpoint: str
) -> None:
    prefix = f"results/{kube.namespace}/"
    web = [{"name": "web", "transcode": {"renditions": [{"height": 720}], "preset": "slow"}}]
    kube.apply(a_videojob("taken-over", clip, prefix=prefix, steps=web))
    status = kube.wait("taken-over", lambda s: s.get("phase") == "Running")
    (pod,) = kube.items("pods")
    uid, meta = kube.get("videojob", "taken-over")["metadata"]["uid"], pod["metadata"]
    bound = (
        "--bound-object-kind=Pod",
        f"--bound-object-name={meta['name']}",
        f"--bound-object-uid={meta['uid']}",
    )
    token = kube.ok(
        "create", "token", "default", f"--audience={names.reports_audience(uid)}", *bound
    )
    output = {"name": "x.mp4", "input": "in0", "step": "web", "bytes": 1, "sha256": "ab" * 32}
    foreign = (
        "results/of-others/film.mp4",
        f"{prefix}../../secret.mp4",
        f"{prefix}in0/../../other/secret.mp4",  # begins with the input's own folder, and leaves it
    )
    result = {
        "index": 0,
        "input": "in0",
        "state": "Succeeded",
        "message": "\x1b[2Jdone\u202e",
        "outputCount": len(foreign),
        "outputBytes": len(foreign),
        "outputs": [{**output, "key": key} for key in foreign],
    }
    progress = {"percent": 77, "stage": "Processing", "step": "\x1b[31mred\x07\u202e"}
    known = {"runID": status["runID"], "attempt": 1, "index": 0}
    before = claims_dropped()
    for more in ({"progress": progress}, {"progress": progress, "result": result}):
        body = json.dumps({**known, **more}).encode()
        assert post(endpoint, kube, "taken-over", token.strip(), body) == 204
    kube.wait("taken-over", lambda s: s.get("progress", {}).get("percent", 0) >= 77)
    status = kube.wait_end("taken-over")
    assert status["phase"] == "Succeeded", status
    assert {output["key"] for output in status["outputs"]} == {f"{prefix}in0/web/720p.mp4"}
    assert not re.search(r"\\u00[01]|\\u202e", json.dumps(status))
    assert claims_dropped() == before + len(foreign), "nobody is told that a worker is hostile"


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
