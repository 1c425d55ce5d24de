"""Scheduling: which line a job stands in, and on which nodes its workers may run.

Pure. The shapes are Kubernetes' own, bounded, and without what would reach beyond the VideoJob's
namespace: no node past the scheduler, no service account, no pods of other namespaces.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, field_validator, model_validator

from .base import Model, Name, Subdomain

_SUBDOMAIN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
_QUALIFIED = rf"^({_SUBDOMAIN}/)?[A-Za-z0-9]([A-Za-z0-9._-]{{0,61}}[A-Za-z0-9])?$"
_VALUE = r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$"
_MAX_KEY = 316

_LABELS_MESSAGE = (
    "a label's key is at most 63 letters, digits, '-', '_' and '.', and may have a domain and a slash "
    "before it, such as topology.kubernetes.io/zone"
)


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    for key in labels:
        if len(key) > _MAX_KEY or not re.fullmatch(_QUALIFIED, key):
            raise ValueError(f"{_LABELS_MESSAGE}; not {key[:80]!r}")
    return labels


def _rules(*rules: tuple[str, str]) -> dict[str, JsonValue]:
    return {"x-kubernetes-validations": [{"rule": r, "message": m} for r, m in rules]}


_LABELS_RULE = f"self.all(key, key.size() <= {_MAX_KEY} && key.matches(r'{_QUALIFIED}'))"

LabelKey = Annotated[str, Field(pattern=_QUALIFIED, min_length=1, max_length=_MAX_KEY)]
LabelValue = Annotated[str, Field(pattern=_VALUE, max_length=63)]
Weight = Annotated[int, Field(ge=1, le=100)]
_Values = Annotated[list[LabelValue], Field(max_length=64)]
Labels = Annotated[
    dict[str, LabelValue],
    Field(max_length=32, json_schema_extra=_rules((_LABELS_RULE, _LABELS_MESSAGE))),
    AfterValidator(_check_labels),
]
"""Labels, or what selects by them; Kubernetes refuses others."""

_IN_MESSAGE = "operator In and NotIn compare with values: name at least one"
_ALONE_MESSAGE = "operator Exists and DoesNotExist look at the key alone: leave values out"
_NUMBER_MESSAGE = (
    "operator Gt and Lt compare with one whole number, and no other value, such as values: ['4']"
)
_NUMBER = "^[0-9]{1,18}$"
_VALUES_RULES = (
    (
        "!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)",
        _IN_MESSAGE,
    ),
    (
        "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || "
        "self.values.size() == 0",
        _ALONE_MESSAGE,
    ),
)
_NUMBER_RULE = (
    "!(self.operator in ['Gt', 'Lt']) || (has(self.values) && self.values.size() == 1 && "
    f"self.values[0].matches('{_NUMBER}'))",
    _NUMBER_MESSAGE,
)


def _check_values(operator: str, values: list[str]) -> None:
    if operator in ("In", "NotIn") and not values:
        raise ValueError(_IN_MESSAGE)
    if operator in ("Exists", "DoesNotExist") and values:
        raise ValueError(_ALONE_MESSAGE)
    if operator in ("Gt", "Lt") and not (len(values) == 1 and re.fullmatch(_NUMBER, values[0])):
        raise ValueError(_NUMBER_MESSAGE)


class TolerationOperator(StrEnum):
    """How a toleration's value is compared."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to a pod that does not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


_EXISTS_MESSAGE = (
    "a toleration with operator: Exists has no value: leave it out, or write operator: Equal"
)
_KEY_MESSAGE = (
    "a toleration without a key is of every taint: write operator: Exists, or the taint's key"
)
_SECONDS_MESSAGE = (
    "tolerationSeconds are for effect: NoExecute; write it, or leave tolerationSeconds out"
)


class Toleration(Model):
    """A taint that workers put up with, as in a pod."""

    key: LabelKey | None = Field(default=None, description="Empty with Exists: every taint.")
    operator: TolerationOperator | None = None
    value: LabelValue | None = Field(default=None, description="With Equal: the taint's value.")
    effect: TaintEffect | None = Field(default=None, description="Empty: every effect.")
    toleration_seconds: Annotated[int, Field(ge=0, le=604800)] | None = Field(
        default=None, description="With NoExecute: how long a worker stays; without it, for good."
    )

    model_config = ConfigDict(
        json_schema_extra=_rules(
            (
                "!has(self.value) || self.value == '' || !has(self.operator) || "
                "self.operator != 'Exists'",
                _EXISTS_MESSAGE,
            ),
            ("has(self.key) || (has(self.operator) && self.operator == 'Exists')", _KEY_MESSAGE),
            (
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                _SECONDS_MESSAGE,
            ),
        )
    )

    @model_validator(mode="after")
    def _is_one_of_kubernetes(self) -> Toleration:
        exists = self.operator is TolerationOperator.EXISTS
        if exists and self.value:
            raise ValueError(_EXISTS_MESSAGE)
        if self.key is None and not exists:
            raise ValueError(_KEY_MESSAGE)
        if self.toleration_seconds is not None and self.effect is not TaintEffect.NO_EXECUTE:
            raise ValueError(_SECONDS_MESSAGE)
        return self


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

    model_config = ConfigDict(json_schema_extra=_rules(*_VALUES_RULES, _NUMBER_RULE))

    @model_validator(mode="after")
    def _has_its_values(self) -> NodeRequirement:
        _check_values(self.operator, self.values or [])
        return self


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

    model_config = ConfigDict(json_schema_extra=_rules(*_VALUES_RULES))

    @model_validator(mode="after")
    def _has_its_values(self) -> LabelRequirement:
        _check_values(self.operator, self.values or [])
        return self


class LabelSelector(Model):
    """Pods by their labels; all of it must hold."""

    match_labels: Labels | None = None
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
    node_selector: Labels | None = Field(
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
