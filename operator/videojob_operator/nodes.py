"""Nodes: what they offer of extended resources, so that the choice of a device can be made.

Pure values, and how they are read from Kubernetes' Nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True)
class Offer:
    """What one node that takes pods has of extended resources, and its labels."""

    labels: Mapping[str, str]
    allocatable: Mapping[str, int]


@dataclass(frozen=True)
class Nodes:
    """What the nodes offer that offer something."""

    offers: tuple[Offer, ...] = ()

    @cached_property
    def allocatable(self) -> dict[str, int]:
        """The most that one node has of each resource."""
        most: dict[str, int] = {}
        for offer in self.offers:
            for name, count in offer.allocatable.items():
                most[name] = max(most.get(name, 0), count)
        return most

    def most(self, resource: str, selector: Mapping[str, str]) -> int:
        """The most that one node with these labels has of a resource."""
        if not selector:
            return self.allocatable.get(resource, 0)
        fitting = (offer for offer in self.offers if selector.items() <= offer.labels.items())
        return max((offer.allocatable.get(resource, 0) for offer in fitting), default=0)


def parse_node(node: Body) -> Offer | None:
    """The extended resources of a node that is ready and takes pods; None where it has none."""
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    if not ready or node.get("spec", {}).get("unschedulable"):
        return None
    offered = {
        name: int(amount)
        for name, amount in node["status"].get("allocatable", {}).items()
        if "/" in name and amount.isdigit()  # extended resources are whole numbers
    }
    return Offer(node.get("metadata", {}).get("labels", {}), offered) if offered else None
