"""Every name that both sides must agree on: API group, labels, keys, child names.

Pure. A name that is spelled anywhere else in the code is a mistake.
"""

from __future__ import annotations

import hashlib

GROUP = "videojob.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

LABEL_JOB = f"{GROUP}/videojob"
"""Name of the VideoJob that a child belongs to, cut to a label's 63 characters."""
LABEL_UID = f"{GROUP}/uid"
"""UID of that VideoJob; the watch selects children by its presence."""
LABEL_RUN = f"{GROUP}/run"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LIVE_PODS = "status.phase!=Succeeded,status.phase!=Failed"
"""Field selector of the pods that the operator watches: ended ones cost nothing at rest."""
UNFINISHED = ",".join(
    f"status.phase!={phase}" for phase in ("Succeeded", "Failed", "Rejected", "Cancelled")
)
"""Field selector of the VideoJobs that are at work or wait; the CRD makes the phase selectable."""
ANNOTATION_INDEXES = f"{GROUP}/input-indexes"
"""Which inputs an attempt works on, as ranges: Job index i is the i-th of them."""
ANNOTATION_ACCELERATOR = f"{GROUP}/accelerator-reason"

ANNOTATION_CLEANS_UP = f"{GROUP}/cleans-up"
"""Name of the VideoJob whose outputs a Job deletes; such a Job has no owner, or it would go too soon."""
FINALIZER = f"{GROUP}/outputs"
"""Holds a VideoJob that is being deleted until its outputs are."""

ANNOTATION_FLAVOUR = f"{GROUP}/worker-flavour"
"""Which image the steps asked for."""

ANNOTATION_RUN_TOKEN = f"{GROUP}/run-token"
"""The runToken that the run of a Job was begun with: no status may have been written yet."""

ANNOTATION_SEEN = f"{GROUP}/seen-at"
"""When the operator last marked an ended pod, so that Kubernetes looks at its Job again."""

LABEL_KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"
LABEL_KUEUE_PRIORITY = "kueue.x-k8s.io/priority-class"
LABEL_KUEUE_JOB_UID = "kueue.x-k8s.io/job-uid"
"""On Kueue's Workload: the uid of the Job that it stands for."""

ENV_ORDER = "VIDEOJOB_ORDER"
ENV_ORDER_FILE = "VIDEOJOB_ORDER_FILE"
ENV_INDEX = "JOB_COMPLETION_INDEX"
ENV_CPU_LIMIT = "VIDEOJOB_CPU_LIMIT"
"""Whole cores that the container may use (downward API)."""
ENV_MEMORY_LIMIT = "VIDEOJOB_MEMORY_LIMIT_BYTES"
ENV_SCRATCH = "VIDEOJOB_SCRATCH"
ENV_SCRATCH_LIMIT = "VIDEOJOB_SCRATCH_LIMIT_BYTES"
"""Beyond it the kubelet evicts the pod, however much room the node's disk has."""
ENV_POD_NAME = "VIDEOJOB_POD_NAME"
ENV_TERMINATION_PATH = "VIDEOJOB_TERMINATION_PATH"
"""Where the termination message goes instead; for workers that run outside of a pod."""
ENV_ACCESS_KEY = "AWS_ACCESS_KEY_ID"
ENV_SECRET_KEY = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 (the name of a variable, not a secret)

SCRATCH_PATH = "/scratch"
VOLUME_PATH = "/volume"
TOKEN_PATH = "/var/run/secrets/videojob.dev/token"  # noqa: S105 (a path)
STORE_PATH = "/var/run/secrets/store.videojob.dev"
"""Where a bucket's CA and the token for its STS service are mounted."""
TERMINATION_PATH = "/dev/termination-log"

MANIFEST_FILE = "manifest.json"
LOGS_FOLDER = ".logs"
STEPS_FOLDER = ".steps"
"""Markers of finished steps, by which a later attempt knows what it need not do again."""
PRIVATE_FOLDERS = (LOGS_FOLDER, STEPS_FOLDER)
"""Folders in an input's own whose objects no manifest lists, though we made them."""

MAX_CHILD_NAME_PREFIX = 46


def child_name(name: str, uid: str, run: int, attempt: int) -> str:
    """The one name of the Job (and its ConfigMap) of an attempt.

    At most 46 characters of the VideoJob's name plus 8 hex digits, so that the pods of an
    Indexed Job (``NAME-499-abcde``) stay DNS labels.
    """
    digest = hashlib.sha256(f"{uid}/{run}/{attempt}".encode()).hexdigest()[:8]
    stem = name[:MAX_CHILD_NAME_PREFIX].replace(".", "-").rstrip("-")
    return f"{stem}-{digest}"


def clean_up_name(name: str, uid: str) -> str:
    """The one name of the Job that deletes a VideoJob's outputs."""
    digest = hashlib.sha256(f"{uid}/clean-up".encode()).hexdigest()[:8]
    return f"{name[:MAX_CHILD_NAME_PREFIX].replace('.', '-').rstrip('-')}-{digest}"


def run_id(uid: str, number: int) -> str:
    """Names one run of a VideoJob; runs count from 1."""
    return f"{uid[:8]}-{number}"


def run_number(run: str) -> int:
    """Which run an ID names."""
    number = run.rpartition("-")[2]
    return int(number) if number.isdigit() else 1


def reports_audience(uid: str) -> str:
    """The token audience under which the workers of one VideoJob may report, and no others."""
    return f"{GROUP}/{uid}"


def notification_id(uid: str, run_id: str, event: str, url: str) -> str:
    """The stable id of a notification: a receiver that sees it twice has seen it once."""
    return "vj_" + hashlib.sha256(f"{uid}/{run_id}/{event}/{url}".encode()).hexdigest()[:32]


def input_folder(prefix: str, input_name: str) -> str:
    """Where everything of one input is published, with a slash at the end."""
    return f"{prefix}{input_name}/"


def is_inside(key: str, folder: str) -> bool:
    """Whether a key lies in a folder, however it is written: on a volume, it is a path."""
    return key.startswith(folder) and ".." not in key.split("/") and key != folder


def marker_key(folder: str, step: str) -> str:
    """Where it is noted that a step of an input is finished."""
    return f"{folder}{STEPS_FOLDER}/{step}.json"


def manifest_key(prefix: str, input_name: str) -> str:
    """The predictable key of an input's manifest."""
    return f"{input_folder(prefix, input_name)}{MANIFEST_FILE}"
