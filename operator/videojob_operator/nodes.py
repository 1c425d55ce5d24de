"""Nodes: what they offer of extended resources, so that the choice of a device can be made.

Pure values, and how they are read from Kubernetes' Nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]

_KEEPS_OFF = ("NoSchedule", "NoExecute")
"""Effects of taints that keep a pod off a node; the third only prefers others."""


@dataclass(frozen=True)
class Offer:
    """What one node that takes pods has of extended resources, and what decides who may go there."""

    labels: Mapping[str, str]
    allocatable: Mapping[str, int]
    taints: tuple[Body, ...] = ()

    def takes(self, selector: Mapping[str, str], tolerations: Sequence[Body] | None) -> bool:
        """Whether the scheduler lets pods with these on the node; None puts up with any taint."""
        if not selector.items() <= self.labels.items():
            return False
        return tolerations is None or all(
            any(_tolerates(toleration, taint) for toleration in tolerations)
            for taint in self.taints
        )


@dataclass(frozen=True)
class Nodes:
    """What the nodes offer that offer something."""

    offers: tuple[Offer, ...] = ()

    def have(
        self,
        resource: str,
        count: int,
        *,
        selector: Mapping[str, str] | None = None,
        tolerations: Sequence[Body] | None = (),
    ) -> bool:
        """Whether one node has so much of a resource, and takes pods with these."""
        return any(
            offer.allocatable.get(resource, 0) >= count and offer.takes(selector or {}, tolerations)
            for offer in self.offers
        )


def parse_node(node: Body) -> Offer | None:
    """The extended resources of a node that is ready and takes pods; None where it has none."""
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    spec = node.get("spec", {})
    if not ready or spec.get("unschedulable"):
        return None
    offered = {
        name: int(amount)
        for name, amount in node["status"].get("allocatable", {}).items()
        if "/" in name and amount.isdigit()  # extended resources are whole numbers
    }
    if not offered:
        return None
    taints = tuple(taint for taint in spec.get("taints", ()) if taint["effect"] in _KEEPS_OFF)
    return Offer(node.get("metadata", {}).get("labels", {}), offered, taints)


def _tolerates(toleration: Body, taint: Body) -> bool:
    """As Kubernetes has it: what a toleration leaves out is any, but for a value with Equal."""
    if toleration.get("effect") not in (None, taint["effect"]):
        return False
    if toleration.get("key") not in (None, taint["key"]):
        return False
    exists = toleration.get("operator") == "Exists"
    return exists or toleration.get("value", "") == taint.get("value", "")
