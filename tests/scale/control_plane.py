"""A control plane for measuring: the real API server, etcd, controllers and scheduler, and fake nodes.

Used by `make scale`, once anew for each run, so that no run pays for what another left. It listens on
loopback alone, has ports and files of its own (``VIDEOJOB_CLUSTER=scale``), and can't be mistaken for
the tests' cluster. Must not be used to run pods: kwok only says that they ran.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import binaries
import pki
import processes
from api import Api, wait_until
from components import (
    Component,
    build_api_server,
    build_controller_manager,
    build_etcd,
    build_scheduler,
)
from places import API_PORT, CONFIG, INSTANCE, LOCAL_PORTS, LOGS, REPOSITORY, STATE

from videojob_api.report import Result
from videojob_api.status import InputState

HERE = Path(__file__).parent
NAMESPACE = "scale"
NODES = tuple(f"gpu-{number}" for number in range(5))
OPERATOR = "videojob-operator"
"""The user that both the operator and the floor write as."""

_NODE_LIMITS = {"cpu": "16k", "memory": "64Ti", "pods": "4k", "nvidia.com/gpu": "4k"}
_STORE = {
    "apiVersion": "videojob.dev/v1alpha1",
    "kind": "VideoStore",
    "metadata": {"name": "media", "namespace": NAMESPACE},
    "spec": {
        "s3": {
            "endpoint": "http://minio.example.org:9000",
            "bucket": "media",
            "credentialsSecretRef": {"name": "media-credentials"},
        }
    },
}


class ScaleError(Exception):
    """It can't be measured here; the message says why."""


@dataclass(frozen=True)
class ControlPlane:
    """One that runs."""

    api: Api
    parts: dict[str, int]
    """Name → pid."""


@contextlib.contextmanager
def running() -> Iterator[ControlPlane]:
    """A new one, empty but for CRDs, nodes, a namespace and a store; ended afterwards."""
    if INSTANCE == "cluster":
        raise ScaleError("VIDEOJOB_CLUSTER must name an instance of its own; run `make scale`")
    tools = {name: binaries.ensure_tool(name) for name in ("kubernetes", "etcd", "kwok")}
    _end()
    _check_ports()
    shutil.rmtree(STATE, ignore_errors=True)
    for folder in (LOGS, CONFIG):
        folder.mkdir(parents=True)
    pki.write_all()
    try:
        parts = {}
        api: Api | None = None
        for component in _build(tools):
            parts[component.name] = processes.start(component.name, component.argv).pid
            api = api or (Api(pki.kubeconfig("admin")) if component.name != "etcd" else None)
            if component.name == "kube-apiserver":
                _wait_for_api(api)
        if api is None:
            raise ScaleError("there is no API server among the parts")
        _fill(api)
        yield ControlPlane(api, parts)
    finally:
        _end()


def _build(tools: dict[str, Path]) -> list[Component]:
    """The tests' parts, unthrottled; of flags given twice, the last one counts."""
    kubernetes = tools["kubernetes"]
    return [
        _with(build_etcd(tools["etcd"]), "--quota-backend-bytes=8589934592"),
        _with(
            build_api_server(kubernetes),
            "--bind-address=127.0.0.1",
            f"--audit-policy-file={HERE / 'audit-policy.yaml'}",
            "--audit-log-maxsize=16384",  # MB; a log begun anew would hide what was counted in it
            "--max-requests-inflight=2000",
            "--max-mutating-requests-inflight=1000",
        ),
        _with(
            build_controller_manager(kubernetes),
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--concurrent-job-syncs=20",
            # Late heartbeats of fake nodes must not fail pods.
            "--node-monitor-grace-period=600s",
        ),
        _with(build_scheduler(kubernetes), "--kube-api-qps=500", "--kube-api-burst=1000"),
        *_build_kwoks(tools["kwok"]),
    ]


def _with(component: Component, *flags: str) -> Component:
    return Component(component.name, [*component.argv, *flags], component.health)


def _build_kwoks(folder: Path) -> list[Component]:
    """One for each node, as kubelets are.

    A watch that the API server ends because kwok can't follow, it begins anew without a version, and so
    with all pods that it sees: one kwok for all nodes does stages again, and falls behind for good.
    """
    stages = CONFIG / "stages.yaml"
    result = _good_result().to_termination_message()
    stages.write_text((HERE / "stages.yaml").read_text().replace("RESULT", result))
    argv = [
        str(folder / "kwok"),
        f"--kubeconfig={pki.kubeconfig('kwok')}",
        f"--config={stages}",
        "--node-lease-duration-seconds=600",
        "--server-address=127.0.0.1:0",  # nobody asks it
    ]
    return [Component(f"kwok-{node}", [*argv, f"--manage-single-node={node}"]) for node in NODES]


def _good_result() -> Result:
    """What a worker says of a film with an MP4 and six pictures; kwok fills in the job's name."""
    folder = "results/{{ $job }}/film"
    pictures = [(f"pictures-{number}.jpg", "image/jpeg") for number in range(1, 7)]
    outputs = [
        {
            "name": name,
            "input": "film",
            "step": name.partition("-")[0].partition(".")[0],
            "key": f"{folder}/{name}",
            "bytes": 48_213_377,
            "sha256": "3f" * 32,
            "mimeType": mime_type,
            "width": 1280,
            "height": 720,
        }
        for name, mime_type in [("web.mp4", "video/mp4"), *pictures]
    ]
    return Result.model_validate(
        {
            "index": 0,
            "input": "film",
            "state": InputState.SUCCEEDED,
            "facts": {"durationSeconds": 634.5, "width": 1920, "height": 1080},
            "manifestKey": f"{folder}/manifest.json",
            "manifestSha256": "a7" * 32,
            "outputCount": len(outputs),
            "outputBytes": 48_213_377 * len(outputs),
            "outputs": outputs,
            "usage": {"cpuSeconds": 12.5, "bytesIn": 91_000_000, "bytesOut": 337_493_639},
        }
    )


def _fill(api: Api) -> None:
    """CRDs, namespace, store, nodes, and the Secret that the chart makes for the operator."""
    for path in sorted((REPOSITORY / "crds").glob("*.yaml")):
        api.apply(path.read_text())
    api.apply(_document("v1", "Namespace", NAMESPACE, namespaced=False))
    api.apply(_document("v1", "Secret", "videojob-reports"))
    if not wait_until(
        lambda: bool(api.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default")), 60
    ):
        raise ScaleError(
            f"no service account after a minute\n{processes.log_tail('kube-controller-manager')}"
        )
    if not wait_until(lambda: _is_applied(api, json.dumps(_STORE)), 30):
        raise ScaleError("the CRDs are not served after half a minute")
    for name in NODES:
        status = {"capacity": _NODE_LIMITS, "allocatable": _NODE_LIMITS}
        api.apply(_document("v1", "Node", name, namespaced=False))
        api.merge(f"/api/v1/nodes/{name}/status", {"status": status})
    if not wait_until(lambda: _ready_nodes(api) == len(NODES), 60, 0.5):
        log = processes.log_tail(f"kwok-{NODES[0]}")
        raise ScaleError(f"the fake nodes are not ready\n{log}")


def _is_applied(api: Api, document: str) -> bool:
    """True once the API server takes it; until then it raises what the server says."""
    api.apply(document)
    return True


def _document(version: str, kind: str, name: str, *, namespaced: bool = True) -> str:
    meta = {"name": name, **({"namespace": NAMESPACE} if namespaced else {})}
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": meta})


def _ready_nodes(api: Api) -> int:
    nodes = api.get("/api/v1/nodes")["items"]
    good = [
        node
        for node in nodes
        if not node["spec"].get("taints")
        and any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in node["status"].get("conditions", [])
        )
    ]
    return len(good)


def _wait_for_api(api: Api | None) -> None:
    if api is None or not wait_until(lambda: api.text("GET", "/readyz") == "ok", 90, 0.2):
        raise ScaleError(f"the API server is not ready\n{processes.log_tail('kube-apiserver')}")


def _check_ports() -> None:
    names = ("etcd client", "etcd peer", "kube-controller-manager", "kube-scheduler")
    for port in (API_PORT, LOCAL_PORTS["operator"], *(LOCAL_PORTS[name] for name in names)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise ScaleError(f"port {port} of 127.0.0.1 is taken: {error}") from error


def _end() -> None:
    """End what an earlier or this run has started; the newest first."""
    kwoks = [f"kwok-{node}" for node in NODES]
    for name in ("operator", *kwoks, "kube-scheduler", "kube-controller-manager"):
        processes.stop(name)
    processes.stop("kube-apiserver", grace_seconds=1)
    processes.stop("etcd", grace_seconds=1)


@contextlib.contextmanager
def operator(**settings: str) -> Iterator[int]:
    """The operator of this checkout as a plain process, with the chart's settings; its pid."""
    environment = {
        "KUBECONFIG": str(pki.kubeconfig(OPERATOR)),
        "VIDEOJOB_NAMESPACE": NAMESPACE,
        "VIDEOJOB_WORKER_IMAGE": "videojob-worker:scale",
        "VIDEOJOB_HTTP_PORT": str(LOCAL_PORTS["operator"]),
        **{f"VIDEOJOB_{name.upper()}": value for name, value in settings.items()},
    }
    variables = [f"{name}={value}" for name, value in environment.items()]
    # As in the image, where all is compiled already.
    argv = ["env", "-u", "PYTHONDONTWRITEBYTECODE", *variables]
    argv += [sys.executable, "-m", "videojob_operator"]
    process = processes.start("operator", argv)
    try:
        yield process.pid
    finally:
        processes.stop("operator", grace_seconds=15)
