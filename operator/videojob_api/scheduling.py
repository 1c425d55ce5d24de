"""Scheduling: which line a job stands in, and on which nodes its workers may run.

Pure. The shapes are Kubernetes' own, bounded, and without what would reach beyond the VideoJob's
namespace: no node past the scheduler, no service account, no pods of other namespaces.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator

from .base import Model, Name, Subdomain

_QUALIFIED = r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
_VALUE = r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$"

LabelKey = Annotated[str, Field(pattern=_QUALIFIED, min_length=1, max_length=316)]
LabelValue = Annotated[str, Field(pattern=_VALUE, max_length=63)]
Weight = Annotated[int, Field(ge=1, le=100)]
_Values = Annotated[list[LabelValue], Field(max_length=64)]
_Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=32)]


class TolerationOperator(StrEnum):
    """How a toleration's value is compared."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to a pod that does not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """A taint that workers put up with, as in a pod."""

    key: LabelKey | None = Field(default=None, description="Empty with Exists: every taint.")
    operator: TolerationOperator | None = None
    value: LabelValue | None = Field(default=None, description="With Equal: the taint's value.")
    effect: TaintEffect | None = Field(default=None, description="Empty: every effect.")
    toleration_seconds: Annotated[int, Field(ge=0, le=604800)] | None = Field(
        default=None, description="With NoExecute: how long a worker stays; without it, for good."
    )


class NodeOperator(StrEnum):
    """How a node's label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


class LabelOperator(StrEnum):
    """How a pod's label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class NodeRequirement(Model):
    """A label of a node."""

    key: LabelKey
    operator: NodeOperator
    values: _Values | None = None


class NodeTerm(Model):
    """All of these must hold."""

    match_expressions: Annotated[list[NodeRequirement], Field(max_length=16)] | None = None


class NodeSelectorTerms(Model):
    """One of these terms must hold."""

    node_selector_terms: Annotated[list[NodeTerm], Field(min_length=1, max_length=16)]


class PreferredNode(Model):
    """A preference among nodes."""

    weight: Weight
    preference: NodeTerm


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


class NodeAffinity(Model):
    """Nodes that workers must or should run on."""

    required: NodeSelectorTerms | None = Field(default=None, alias=_REQUIRED)
    preferred: Annotated[list[PreferredNode], Field(max_length=16)] | None = Field(
        default=None, alias=_PREFERRED
    )


class LabelRequirement(Model):
    """A label of a pod."""

    key: LabelKey
    operator: LabelOperator
    values: _Values | None = None


class LabelSelector(Model):
    """Pods by their labels; all of it must hold."""

    match_labels: _Labels | None = None
    match_expressions: Annotated[list[LabelRequirement], Field(max_length=16)] | None = None


class PodTerm(Model):
    """Pods of the VideoJob's own namespace, and how near is near."""

    label_selector: LabelSelector | None = None
    topology_key: LabelKey = Field(description="Nodes with the same value of it are one place.")


class PreferredPod(Model):
    """A preference for being near to (or far from) pods."""

    weight: Weight
    pod_affinity_term: PodTerm


class PodAffinity(Model):
    """Pods that workers must or should be near to, or far from."""

    required: Annotated[list[PodTerm], Field(max_length=8)] | None = Field(
        default=None, alias=_REQUIRED
    )
    preferred: Annotated[list[PreferredPod], Field(max_length=8)] | None = Field(
        default=None, alias=_PREFERRED
    )


class Affinity(Model):
    """As in a pod; terms on pods see the VideoJob's own namespace only."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class PodPlacement(Model):
    """Where pods may run: what a VideoJob asks for, and what the chart gives all workers."""

    priority_class_name: Subdomain | None = Field(
        default=None,
        description="PriorityClass of the workers' pods. The system's own (system-…) are refused.",
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!self.startsWith('system-')",
                    "message": "priorityClassName can't be one of the system's own (system-…), "
                    "which are for the cluster itself; name another PriorityClass",
                }
            ]
        },
    )
    scheduler_name: Subdomain | None = Field(
        default=None, description="Another scheduler than the cluster's default."
    )
    runtime_class_name: Subdomain | None = Field(
        default=None, description="RuntimeClass of the workers' pods, such as nvidia."
    )
    node_selector: _Labels | None = Field(
        default=None, description="Labels that a node must have to run workers."
    )
    tolerations: Annotated[list[Toleration], Field(max_length=16)] | None = Field(
        default=None,
        description="Taints that workers put up with. A taint named like the GPU's resource is "
        "always put up with by workers that get that GPU.",
    )
    affinity: Affinity | None = None


class Scheduling(PodPlacement):
    """Which line the job stands in, and where its workers may run. A change counts from the next Job on."""

    queue_name: Name | None = Field(
        default=None,
        description="A LocalQueue of Kueue in this namespace. Then Kueue alone decides when the job "
        "starts, and the operator's own line is passed by.",
    )
    workload_priority_class_name: Name | None = Field(
        default=None, description="WorkloadPriorityClass that Kueue orders the job by."
    )
    priority: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        default=0,
        description="Place in the operator's own line: higher goes first among the jobs of a "
        "namespace, and among namespaces with as many workers at work. It stops nobody's worker.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.workloadPriorityClassName) || has(self.queueName)",
                    "message": "workloadPriorityClassName is for Kueue: set queueName too, or use "
                    "priority for the operator's own line",
                }
            ]
        }
    )

    @field_validator("priority_class_name")
    @classmethod
    def _is_no_system_class(cls, name: str | None) -> str | None:
        if name is not None and name.startswith("system-"):
            raise ValueError(f"{name!r} is one of the system's own; name another PriorityClass")
        return name
