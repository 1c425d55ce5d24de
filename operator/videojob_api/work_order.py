"""The work order: everything a worker is told, as one JSON document in its environment.

Pure. The operator builds it, the worker obeys it; credentials are never in it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Tolerant
from .ending import SubjectRef
from .inputs import Input
from .output import IfExists
from .steps import Step
from .videojob import Limits
from .videostore import AddressingStyle

ORDER_VERSION: Literal[1] = 1
LOCAL = "local"
"""Stands for uid and run where there is no cluster: nothing tells one such run from another."""


class JobIdentity(Tolerant):
    """Which VideoJob, run and attempt this is."""

    namespace: str
    name: str
    uid: str
    run_id: Annotated[str, Field(alias="runID")]
    attempt: int


class OrderInput(Input):
    """An input with its place in the VideoJob's list."""

    index: int


class CaFile(Tolerant):
    """Certificate authorities, mounted from a ConfigMap."""

    path: str
    config_map: str
    """For sentences, as is ``key``: the file is missing where they are."""
    key: str


class TokenLogin(Tolerant):
    """How to get credentials for a token (AssumeRoleWithWebIdentity)."""

    role_arn: str
    sts_endpoint: str
    token_path: str
    """Re-read each time: the kubelet renews it."""


class S3Target(Tolerant):
    """A bucket; without ``web_identity`` the credentials are in the worker's environment."""

    endpoint: str
    bucket: str
    region: str = "us-east-1"
    prefix: str = ""
    addressing_style: AddressingStyle = AddressingStyle.AUTO
    ca: CaFile | None = None
    """To trust for it and its STS endpoint, and no other; None: the public ones."""
    web_identity: TokenLogin | None = None


class FolderTarget(Tolerant):
    """A folder: a mounted volume, or a local run's."""

    path: str
    prefix: str = ""


class ReportsTarget(Tolerant):
    """Where progress goes. Losing it loses the live percent and nothing else."""

    url: str
    """Full URL to POST reports of this VideoJob to (https)."""
    ca_pem: str
    """The certificate authority to trust for it, and no other."""
    token_path: str
    """File with the projected service-account token; re-read for each report (it is rotated)."""


class WorkOrder(Tolerant):
    """What one attempt does. Job index i works on ``inputs[i]``."""

    version: Literal[1] = ORDER_VERSION
    job: JobIdentity
    inputs: list[OrderInput]
    steps: list[Step]
    limits: Limits
    output_prefix: str
    """Below the store's own prefix."""
    if_exists: IfExists = IfExists.OVERWRITE
    s3: S3Target | None = None
    folder: FolderTarget | None = None
    accelerator: str | None = None
    """The extended resource that the pod was given, or None: work on the CPU."""
    reports: ReportsTarget | None = None
    subject_refs: list[SubjectRef] = []
    """For the manifest, as is ``user_metadata``."""
    user_metadata: dict[str, str] = {}
    allowed_networks: list[str] = []
    """CIDRs that addresses in inputs and steps may lead to though they are not public."""
    seed: str = Field(default="", repr=False)
    """What the run leaves to chance follows from it; the same for each attempt, and told to nobody."""
