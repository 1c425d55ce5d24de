"""Settings: environment variables → one frozen value. The chart sets every one of them.

Read once by ``__main__``; nothing else looks at the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from typing import Any

from pydantic import Field, ValidationError

from videojob_api.base import Subdomain
from videojob_api.scheduling import LabelKey, Labels, PodPlacement


class PodDefaults(PodPlacement):
    """What every worker's pod gets; set by the chart, not by tenants."""

    labels: Labels = Field(default={})
    annotations: dict[LabelKey, str] = Field(default={})
    gpu_runtime_class_name: Subdomain | None = None
    """RuntimeClass of workers that get a GPU."""


_NO_DEFAULTS = PodDefaults()


@dataclass(frozen=True)
class Settings:
    """How this operator runs. Field ``worker_image`` is read from ``VIDEOJOB_WORKER_IMAGE``, and so on."""

    namespace: str = "default"
    """The operator's own namespace."""
    pod_name: str = ""
    watch_namespaces: tuple[str, ...] = ()
    """Namespaces to serve; empty means the whole cluster."""
    worker_image: str = ""
    """Flavour base."""
    worker_image_speech: str = ""
    worker_image_gpu: str = ""
    worker_image_pull_policy: str = "IfNotPresent"
    worker_image_pull_secrets: tuple[str, ...] = ()
    worker_pod_defaults: PodDefaults = _NO_DEFAULTS
    """JSON: what every worker's pod gets unless its VideoJob says otherwise."""
    worker_allow_cidrs: tuple[str, ...] = ()
    """Networks that addresses in steps may lead to though they are not public."""
    reports_url: str = ""
    """Base URL that workers reach the reports endpoint by; empty switches reports off."""
    reports_ca_pem: str = ""
    """Filled in at start, when the certificate is known; not from the environment."""
    seed_key: str = field(default="", repr=False)
    """Filled in at start; what is left to chance in a run follows from it."""
    reports_port: int = 8443
    reports_secret: str = "videojob-reports"  # noqa: S105 (the name of a Secret)
    reports_auth: str = "TokenReview"
    """TokenReview, or JWKS where the operator has no cluster-wide rights."""
    http_port: int = 8080
    concurrency: int = 20
    """Reconciles at once."""
    log_level: str = "INFO"
    max_running: int = 0
    """Pods of workers in all; 0 is no limit. Jobs of Kueue's queues are not counted."""
    max_running_per_namespace: int = 0
    read_workloads: bool = False
    """Tell of a Job in a queue of Kueue why it waits."""
    accelerator_assume: bool = False
    """Ask for GPUs though no node offers one: an autoscaler will bring it."""
    read_nodes: bool = True
    children_keep_seconds: int = 3600
    """How long the Jobs and pods of an ended VideoJob stay for a look."""
    leader_elect: bool = False
    service_account: str = "videojob"
    """The operator's own, for the command that lets it read a signing Secret."""
    notify_allow_cidrs: tuple[str, ...] = ()
    """Networks that notifications may go to though they are not public."""
    lease: str = "videojob-operator"
    """Name of the Lease that replicas of one release share."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read ``VIDEOJOB_*``.

        Raises:
            ValueError: naming the variable, what it held and what it should hold.
        """
        values: dict[str, Any] = {}
        for each in fields(cls):
            variable = f"VIDEOJOB_{each.name.upper()}"
            if (text := environment.get(variable)) is not None:
                values[each.name] = _parse(variable, text, each.default)
        if values.get("concurrency", 1) < 1:
            raise ValueError(
                "VIDEOJOB_CONCURRENCY is 0; write how many to reconcile at once, say 20"
            )
        if values.get("reports_auth", "JWKS") not in ("TokenReview", "JWKS"):
            got = values["reports_auth"]
            raise ValueError(f"VIDEOJOB_REPORTS_AUTH is {got!r}; write TokenReview or JWKS")
        for name in ("notify_allow_cidrs", "worker_allow_cidrs"):
            for cidr in values.get(name, ()):
                try:
                    ip_network(cidr, strict=False)
                except ValueError as error:
                    raise ValueError(f"VIDEOJOB_{name.upper()} has {cidr!r}: {error}") from error
        return cls(**values)


def _parse(variable: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{variable} is {text!r}; write true or false")
        return text.lower() == "true"
    if isinstance(default, int):
        if not text.isdigit():
            raise ValueError(f"{variable} is {text!r}; write a whole number")
        return int(text)
    if isinstance(default, PodDefaults):
        try:
            return PodDefaults.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{variable}: {where}: {first['msg']}") from None
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text
