"""What the parts of the local cluster are: command lines of each and how its health is asked.

Read by `local_cluster.py`, which starts them in this order. Pure: builds values and touches
nothing; the configuration files the command lines name are written by `configs.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pki
from places import (
    API_PORT,
    AUDIT_LOG,
    BRIDGE_ADDRESS,
    CLUSTER_NAME,
    CONFIG,
    DNS_DOMAIN,
    HERE,
    KUBELET_PORT,
    KUBELET_ROOT,
    LOCAL_PORTS,
    NODE_NAME,
    SERVICE_RANGE,
    STATE,
)


@dataclass(frozen=True)
class Component:
    """One process of the cluster."""

    name: str
    argv: list[str]
    health: str = ""
    """URL that answers 200 when it works; empty where another way is used."""
    ports: tuple[tuple[str, int], ...] = ()
    """Address and port of each socket it listens on."""
    config: tuple[Path, ...] = ()
    """Files it reads at its start: when one changes, it is started again."""


def build_etcd(binaries: Path) -> Component:
    """The store. Loses nothing but a machine's crash, which throws the cluster away anyway."""
    client, peer = (
        f"http://127.0.0.1:{LOCAL_PORTS[f'etcd {side}']}" for side in ("client", "peer")
    )
    argv = [
        str(binaries / "etcd"),
        f"--data-dir={STATE / 'etcd'}",
        "--unsafe-no-fsync",
        "--name=local",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
        "--log-level=warn",
    ]
    ports = tuple(("127.0.0.1", LOCAL_PORTS[f"etcd {side}"]) for side in ("client", "peer"))
    return Component("etcd", argv, f"{client}/health", ports)


def build_api_server(binaries: Path) -> Component:
    """The API server. Listens on all addresses for the bridge's; a firewall rule guards it."""
    argv = [
        str(binaries / "kube-apiserver"),
        "--bind-address=0.0.0.0",
        # Loopback is refused here, so the bridge's address is the one that pods are told.
        f"--advertise-address={BRIDGE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--etcd-servers=http://127.0.0.1:{LOCAL_PORTS['etcd client']}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki.CA}",
        f"--tls-cert-file={pki.certificate(pki.SERVER)}",
        f"--tls-private-key-file={pki.private_key(pki.SERVER)}",
        f"--kubelet-certificate-authority={pki.CA}",
        f"--kubelet-client-certificate={pki.certificate(pki.KUBELET_CLIENT)}",
        f"--kubelet-client-key={pki.private_key(pki.KUBELET_CLIENT)}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-issuer=https://kubernetes.default.svc.{DNS_DOMAIN}",
        f"--service-account-key-file={pki.SERVICE_ACCOUNT_PUBLIC_KEY}",
        f"--service-account-signing-key-file={pki.SERVICE_ACCOUNT_KEY}",
        f"--audit-policy-file={HERE / 'audit-policy.yaml'}",
        f"--audit-log-path={AUDIT_LOG}",
        "--profiling=false",
    ]
    return Component(
        "kube-apiserver",
        argv,
        f"https://127.0.0.1:{API_PORT}/readyz",
        (("0.0.0.0", API_PORT),),  # noqa: S104
        (HERE / "audit-policy.yaml",),
    )


def build_controller_manager(binaries: Path) -> Component:
    """All controllers, each under its own service account as in any cluster."""
    port = LOCAL_PORTS["kube-controller-manager"]
    argv = [
        str(binaries / "kube-controller-manager"),
        *_client("kube-controller-manager"),
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--cluster-name={CLUSTER_NAME}",
        f"--root-ca-file={pki.CA}",
        f"--service-account-private-key-file={pki.SERVICE_ACCOUNT_KEY}",
        # The defaults (20, 30, 5) are for a control plane that many share.
        "--kube-api-qps=100",
        "--kube-api-burst=200",
        "--concurrent-job-syncs=10",
        "--profiling=false",
    ]
    health = f"https://127.0.0.1:{port}/healthz"
    return Component("kube-controller-manager", argv, health, (("127.0.0.1", port),))


def build_scheduler(binaries: Path) -> Component:
    """The scheduler with its default profile."""
    port = LOCAL_PORTS["kube-scheduler"]
    argv = [
        str(binaries / "kube-scheduler"),
        *_client("kube-scheduler"),
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--leader-elect=false",
        "--profiling=false",
    ]
    health = f"https://127.0.0.1:{port}/healthz"
    return Component("kube-scheduler", argv, health, (("127.0.0.1", port),))


def build_containerd() -> Component:
    """The container runtime, apart from any other containerd of the machine."""
    config = CONFIG / "containerd.toml"
    return Component("containerd", ["containerd", f"--config={config}"], config=(config,))


def build_kubelet(binaries: Path) -> Component:
    """The kubelet of the only node."""
    config = CONFIG / "kubelet.yaml"
    port = LOCAL_PORTS["kubelet health"]
    argv = [
        str(binaries / "kubelet"),
        f"--kubeconfig={pki.kubeconfig(pki.KUBELET)}",
        f"--config={config}",
        f"--root-dir={KUBELET_ROOT}",
        f"--cert-dir={KUBELET_ROOT / 'pki'}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={BRIDGE_ADDRESS}",
    ]
    ports = (("127.0.0.1", port), (BRIDGE_ADDRESS, KUBELET_PORT))
    return Component("kubelet", argv, f"http://127.0.0.1:{port}/healthz", ports, (config,))


def build_proxy(binaries: Path) -> Component:
    """Service addresses, by iptables."""
    config = CONFIG / "kube-proxy.yaml"
    ports = tuple(("127.0.0.1", LOCAL_PORTS[f"kube-proxy {use}"]) for use in ("health", "metrics"))
    argv = [
        str(binaries / "kube-proxy"),
        f"--config={config}",
        f"--hostname-override={NODE_NAME}",
    ]
    health = f"http://127.0.0.1:{ports[0][1]}/livez"
    return Component("kube-proxy", argv, health, ports, (config,))


def _client(name: str) -> list[str]:
    path = pki.kubeconfig(name)
    return [f"--{flag}kubeconfig={path}" for flag in ("", "authentication-", "authorization-")]
