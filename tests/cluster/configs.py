"""The configuration files of containerd, the CNI plugins, kubelet and kube-proxy.

Called by `local_cluster.py` before it starts them. Writes files below the state folder only.
Settings differ from the defaults where a comment says why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pki
import yaml
from places import (
    BRIDGE,
    BRIDGE_ADDRESS,
    CONFIG,
    CONTAINERD_SOCKET,
    CONTAINERD_STATE,
    DNS_DOMAIN,
    DNS_SERVICE_ADDRESS,
    IMAGE_STORE,
    KUBELET_PORT,
    KUBELET_ROOT,
    LOCAL_PORTS,
    LOGS,
    POD_RANGE,
    STATE,
)

_CNI_PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")
_CONTAINERD = """\
version = 2
root = "{root}"
state = "{state}"
# Pods could not be started where root has no CAP_SYS_RESOURCE, as in many containers.
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{opt}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  # Loopback is enough for `kubectl port-forward`: the kubelet passes the stream on.
  stream_server_address = "127.0.0.1"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_plugins}"
    conf_dir = "{cni_config}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{runc}"
"""


def write_all(pause_image: str) -> None:
    """Write all of them, those left alone that are as they should be."""
    containerd = _CONTAINERD.format(
        root=IMAGE_STORE,
        state=CONTAINERD_STATE,
        socket=CONTAINERD_SOCKET,
        opt=STATE / "opt",
        runc=STATE / "runc",
        pause=pause_image,
        cni_plugins=_cni_plugins(),
        cni_config=CONFIG / "cni",
    )
    _write("containerd.toml", containerd)
    _write("cni/10-videojob.conflist", json.dumps(build_cni(), indent=1))
    _write("kubelet.yaml", yaml.safe_dump(build_kubelet(), sort_keys=False))
    _write("kube-proxy.yaml", yaml.safe_dump(build_proxy(), sort_keys=False))


def _write(name: str, text: str) -> None:
    path = CONFIG / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # kube-proxy ends when its file is written, even with the same content.
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def build_cni() -> dict[str, Any]:
    """Pods on one bridge. Never masqueraded: no packet of theirs is to leave the machine."""
    return {
        "cniVersion": "0.4.0",
        "name": "videojob",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": True,
                "hairpinMode": True,
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(STATE / "addresses"),
                    "ranges": [[{"subnet": POD_RANGE}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        ],
    }


def build_kubelet() -> dict[str, Any]:
    """The kubelet's own settings."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": BRIDGE_ADDRESS,
        "port": KUBELET_PORT,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": LOCAL_PORTS["kubelet health"],
        "tlsCertFile": str(pki.certificate(pki.KUBELET)),
        "tlsPrivateKeyFile": str(pki.private_key(pki.KUBELET)),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.CA)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        # Machines that still have the first version of cgroups are welcome.
        "failCgroupV1": False,
        "failSwapOn": False,
        # Otherwise pods could ask the machine's own DNS servers.
        "resolvConf": "",
        "clusterDomain": DNS_DOMAIN,
        "clusterDNS": [DNS_SERVICE_ADDRESS],
        "podLogsDir": str(LOGS / "pods"),
        "volumePluginDir": str(KUBELET_ROOT / "volume-plugins"),
        # kube-proxy alone writes firewall rules, so that one clean-up gets them all.
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,
        # A developer's disk is full more often than a node's: images stay, pods run on.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "serializeImagePulls": False,
        "maxPods": 200,
    }


def build_proxy() -> dict[str, Any]:
    """The settings of kube-proxy."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(pki.kubeconfig("kube-proxy"))},
        "clusterCIDR": POD_RANGE,
        "healthzBindAddress": f"127.0.0.1:{LOCAL_PORTS['kube-proxy health']}",
        "metricsBindAddress": f"127.0.0.1:{LOCAL_PORTS['kube-proxy metrics']}",
        # Node ports on the bridge only.
        "nodePortAddresses": [POD_RANGE],
        "iptables": {"localhostNodePorts": False},
        # Zero leaves the kernel's settings alone.
        "conntrack": {
            "maxPerCore": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "oomScoreAdj": 0,
    }


def _cni_plugins() -> str:
    for folder in _CNI_PLUGINS:
        if Path(folder, "bridge").exists():
            return folder
    raise FileNotFoundError(f"no CNI plugins in {' or '.join(_CNI_PLUGINS)}")
