"""A real Kubernetes of one node, run as plain processes of this machine.

Called by `cluster.py` where Docker does not answer. `up` leaves alone what works, starts again
what died or is out of date, and begins anew when that does not help; `down` removes all but the
image store and the logs. Must end only processes that it started.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import ssl
import string
import sys
import time
import urllib.request

import binaries
import components
import configs
import containerd
import leftovers
import network
import packages
import pki
import places
import processes
from api import Api, wait_until
from components import Component
from scratch_image import ScratchImage, ensure_archive

# The order to go down in; up is arranged in `_bring_up`, by who waits for whom.
_NAMES = (
    "kubelet",
    "kube-proxy",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
)


class ClusterError(Exception):
    """The cluster can't be brought up; the message says why and what to do."""


def up() -> None:
    """Bring the cluster to a state in which pods run and names resolve."""
    if os.geteuid() != 0:
        raise ClusterError(
            "The local cluster starts containers, a bridge and firewall rules itself and so needs "
            "root. Run this as root, or start Docker, through which it runs in kind instead."
        )
    packages.ensure(packages.CLUSTER)
    started = time.monotonic()
    survivors = [name for name in (*_NAMES, "containerd") if processes.running(name)]
    # etcd without its node, or the other way round, is no cluster: only the rest can be mended.
    if "etcd" in survivors and pki.CA.exists():
        try:
            _bring_up()
            return
        except (ClusterError, network.NetworkError, containerd.ContainerdError) as error:
            _say(f"the running cluster can't be repaired ({error}); starting a new one")
    down()
    shutil.rmtree(places.LOGS, ignore_errors=True)
    _bring_up()
    _say(f"cluster up in {time.monotonic() - started:.0f} s")


def down() -> None:
    """End and remove everything of the cluster but images and logs; fine when there is none."""
    for name in _NAMES[:3]:
        processes.stop(name)
    # Nothing of what these hold is wanted any more, so they need no grace.
    for name in _NAMES[3:]:
        processes.stop(name, grace_seconds=0)
    leftovers.end_containers()
    if processes.running("containerd"):
        containerd.remove_containers()
    processes.stop("containerd")
    leftovers.unmount(places.STATE, places.IMAGE_STORE)
    network.down()
    leftovers.remove_cgroups()
    leftovers.remove_files()


def crash(name: str) -> None:
    """End one part of the control plane or the node at once; `revive` brings it back."""
    processes.stop(name, grace_seconds=0)


def revive(name: str) -> None:
    """Start a part that has ended, and wait until it is healthy."""
    tools = binaries.ensure_tool("kubernetes")
    builders = {
        "etcd": lambda: components.build_etcd(binaries.ensure_tool("etcd")),
        "kube-apiserver": lambda: components.build_api_server(tools),
        "kubelet": lambda: components.build_kubelet(tools),
    }
    component = builders[name]()
    _ensure(component)
    _wait_healthy(component, 60)


def report() -> list[tuple[str, str]]:
    """Each part and its state in a word or two."""
    rows = []
    for name in ("etcd", "kube-apiserver", *reversed(_NAMES[:4]), "containerd"):
        record = processes.running(name)
        rows.append((name, f"running, pid {record.process.pid}" if record else "not running"))
    return rows


def _bring_up() -> None:
    tools, etcd = binaries.ensure_tool("kubernetes"), binaries.ensure_tool("etcd")
    pause, coredns = _pause(), _coredns()
    if not pki.CA.exists():
        network.check_ranges()
        pki.write_all()
    network.up()
    configs.write_all(pause.reference())
    _ensure(components.build_etcd(etcd))
    _ensure(components.build_containerd())
    _ensure(components.build_api_server(tools))
    _wait_healthy(components.build_etcd(etcd), 20)
    _ready_containerd()
    _load([pause, coredns])
    api = _wait_api()
    rest = [
        components.build_kubelet(tools),
        components.build_proxy(tools),
        components.build_controller_manager(tools),
        components.build_scheduler(tools),
    ]
    for component in rest:
        _ensure(component)
    template = string.Template((places.HERE / "coredns.yaml").read_text())
    api.apply(template.substitute(vars(places), COREDNS_IMAGE=coredns.reference()))
    for component in rest:
        _wait_healthy(component, 30)
    _wait_node(api)


def _ensure(component: Component) -> None:
    """Start it unless it runs already, with this command and configuration."""
    digest = hashlib.sha256("\0".join(component.argv).encode())
    for path in component.config:
        digest.update(path.read_bytes())
    key = digest.hexdigest()
    record = processes.running(component.name)
    if record is not None and record.key == key:
        return
    processes.stop(component.name)
    for address, port in component.ports:
        _check_free(component.name, address, port)
    processes.start(component.name, component.argv, key)


def _check_free(name: str, address: str, port: int) -> None:
    with socket.socket() as probe:
        # As servers do: a connection that only lingers is no clash.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise ClusterError(
                f"Port {port} on {address}, for {name}, is taken ({error.strerror}). End what "
                f"listens there (`ss -ltnp 'sport = :{port}'` shows it) and try again."
            ) from error


def _wait_healthy(component: Component, seconds: float) -> None:
    # Their serving certificates are self-signed; this is loopback, and nothing secret is sent.
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE

    def healthy() -> bool:
        _fail_if_ended(component.name)
        with urllib.request.urlopen(component.health, timeout=5, context=tls) as answer:
            return bool(answer.status == 200)

    if not wait_until(healthy, seconds):
        raise ClusterError(_not_well(component.name, f"is not healthy after {seconds:.0f} s"))


def _ready_containerd() -> None:
    """Wait for it and, after a crash, make it forget the containers of the cluster before."""

    def ready() -> bool:
        _fail_if_ended("containerd")
        return containerd.answers()

    if not wait_until(ready, 20):
        raise ClusterError(_not_well("containerd", "does not answer after 20 s"))
    fresh = processes.running("kubelet") is None and not places.KUBELET_ROOT.exists()
    if fresh and containerd.remove_containers():
        # It read them into memory at its start.
        processes.stop("containerd")
        _ensure(components.build_containerd())
        wait_until(ready, 20)


def _load(images: list[ScratchImage]) -> None:
    present = containerd.images()
    for image in images:
        if image.reference() not in present:
            containerd.import_archive(ensure_archive(image))


def _wait_api() -> Api:
    api = Api(places.KUBECONFIG)

    def ready() -> bool:
        _fail_if_ended("kube-apiserver")
        return api.text("GET", "/readyz") == "ok"

    if not wait_until(ready, 60):
        raise ClusterError(_not_well("kube-apiserver", "is not ready after 60 s"))
    return api


def _wait_node(api: Api) -> None:
    """Until the node takes pods, offers its GPUs, and names resolve."""
    path = f"/api/v1/nodes/{places.NODE_NAME}"

    def ready() -> bool:
        conditions = api.get(path)["status"].get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    if not wait_until(ready, 60):
        raise ClusterError(_not_well("kubelet", "did not make the node ready in 60 s"))
    advertise_gpus(api, places.NODE_NAME)

    def serves() -> bool:
        api.get("/api/v1/namespaces/default/serviceaccounts/default")
        coredns = api.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns")
        status = coredns["status"]
        return bool(
            status.get("observedGeneration") == coredns["metadata"]["generation"]
            and status.get("updatedReplicas") == status.get("readyReplicas") == 1
        )

    if not wait_until(serves, 60):
        raise ClusterError(_not_well("kubelet", "did not get CoreDNS ready in 60 s"))


def advertise_gpus(api: Api, node: str) -> None:
    """Make the node offer GPUs that it does not have, and wait until they can be scheduled on."""
    path = f"/api/v1/nodes/{node}"
    wanted = {places.GPU_RESOURCE: str(places.FAKE_GPUS)}

    def offered() -> bool:
        status = api.get(path)["status"]
        if status["allocatable"].get(places.GPU_RESOURCE) == str(places.FAKE_GPUS):
            return True
        # Allocatable would follow capacity by itself, but only at the kubelet's next report.
        api.merge(f"{path}/status", {"status": {"capacity": wanted, "allocatable": wanted}})
        return False

    if not wait_until(offered, 30, interval=0.5):
        raise ClusterError(f"Node {node} does not offer {places.FAKE_GPUS} {places.GPU_RESOURCE}.")


def _pause() -> ScratchImage:
    return ScratchImage("pause", {"pause": binaries.ensure_binary("pause")}, ["/pause"])


def _coredns() -> ScratchImage:
    return ScratchImage("coredns", {"coredns": binaries.ensure_binary("coredns")}, ["/coredns"])


def _fail_if_ended(name: str) -> None:
    if processes.running(name) is None:
        raise ClusterError(_not_well(name, "ended"))


def _not_well(name: str, what: str) -> str:
    return f"{name} {what}. The last of {processes.log_of(name)}:\n{processes.log_tail(name)}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
