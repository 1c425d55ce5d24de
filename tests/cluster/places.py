"""Where the local cluster keeps its files and which addresses it uses.

Read by every other module here. Constants and path arithmetic only: nothing is created,
started or looked up.
"""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "videojob"
BINARIES = CACHE / "bin"
IMAGES = CACHE / "images"

# Another control plane beside the tests' one (`make scale`) has files and ports of its own.
INSTANCE = os.environ.get("VIDEOJOB_CLUSTER") or "cluster"
_PORT_SHIFT = 0 if INSTANCE == "cluster" else 1000

# Everything of a running cluster. `down` removes it all but the image store and the logs.
STATE = CACHE / INSTANCE
LOGS = STATE / "logs"
PIDS = STATE / "pids"
PKI = STATE / "pki"
CONFIG = STATE / "config"
KUBECONFIG = STATE / "kubeconfig"
AUDIT_LOG = LOGS / "audit.log"
KUBELET_ROOT = STATE / "kubelet"
CONTAINERD_STATE = STATE / "containerd"
CONTAINERD_SOCKET = CONTAINERD_STATE / "containerd.sock"
# Kept over `down`, so that the next `up` need not import the images again.
IMAGE_STORE = CACHE / "containerd"
# Folders that tests offer to pods as volumes; at the same path inside a kind node.
VOLUMES = CACHE / "volumes"

CLUSTER_NAME = "videojob"
NODE_NAME = "videojob-node"
FAKE_GPUS = 2
GPU_RESOURCE = "nvidia.com/gpu"

BRIDGE = "videojob0"
BRIDGE_ADDRESS = "10.244.0.1"
POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_SERVICE_ADDRESS = "10.96.0.10"
DOCKER_RANGE = "172.16.0.0/12"
DNS_DOMAIN = "cluster.local"

# Far from the usual ones (6443, 2379, 10250 …), so that another cluster's parts don't clash.
API_PORT = 16443 + _PORT_SHIFT
KUBELET_PORT = 16250
LOCAL_PORTS = {
    name: port + _PORT_SHIFT
    for name, port in {
        "etcd client": 16379,
        "etcd peer": 16380,
        "kube-controller-manager": 16257,
        "kube-scheduler": 16259,
        "kubelet health": 16248,
        "kube-proxy health": 16256,
        "kube-proxy metrics": 16249,
        "operator": 16080,
    }.items()
}
