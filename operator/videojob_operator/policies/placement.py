"""Placement: whether the workers ask for a GPU, and the reason in one word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from videojob_api.status import AcceleratorStatus
from videojob_api.steps import Step
from videojob_api.videojob import Accelerator, AcceleratorMode, ResourceClaim

from ..attempt import Attempt, name_claims
from ..nodes import Body, Nodes

CPU = "CPU"
"""What is used where no device is."""


class PlacementReason(StrEnum):
    """Why it is a GPU or the CPU. Stable words: users and dashboards match on them."""

    OFFERED = "Offered"
    """A node that workers may run on has as many as one needs."""
    REQUIRED = "Required"
    ASSUMED = "Assumed"
    """No node was asked: an autoscaler will bring one."""
    CLAIMED = "Claimed"
    """By dynamic resource allocation; what it finds shows when a pod is scheduled."""
    SWITCHED_OFF = "SwitchedOff"
    NOTHING_TO_GAIN = "NothingToGain"
    NO_GPU_NODES = "NoGPUNodes"
    NODES_UNKNOWN = "NodesUnknown"
    FALLBACK_AFTER_WAIT = "FallbackAfterWait"


@dataclass(frozen=True)
class Placement:
    """What to ask for: without ``resource`` and ``claims`` it is the CPU."""

    resource: str | None
    count: int
    requested: str
    reason: str
    claims: tuple[ResourceClaim, ...] = ()

    @property
    def on_gpu(self) -> bool:
        """Whether workers get an accelerator."""
        return self.device is not None

    @property
    def device(self) -> str | None:
        """What workers get, in words; None is the CPU."""
        return self.resource or name_claims(c.resource_claim_template_name for c in self.claims)

    def to_status(self) -> AcceleratorStatus:
        """As it is shown on the VideoJob."""
        return AcceleratorStatus(
            requested=self.requested[:128],
            used=(self.device or CPU)[:128],
            reason=self.reason,
        )


def depends_on_nodes(wanted: Accelerator, steps: list[Step]) -> bool:
    """Whether the choice between GPU and CPU depends on what nodes offer."""
    chosen = wanted.mode is AcceleratorMode.AUTO and not wanted.resource_claims
    return chosen and any(can_use_gpu(step) for step in steps)


def can_use_gpu(step: Step) -> bool:
    """Whether a step runs faster on a GPU."""
    return step.spec.gains_from_gpu


def decide_placement(
    wanted: Accelerator,
    steps: list[Step],
    nodes: Nodes | None,
    *,
    assume: bool,
    selector: Mapping[str, str] | None = None,
    tolerations: Sequence[Body] | None = (),
) -> Placement:
    """GPU or CPU.

    Args:
        wanted: the VideoJob's ``accelerator``.
        steps: what is to be done.
        nodes: what the nodes offer; None when that may not be read.
        assume: take it that nodes with GPUs will come (an autoscaler).
        selector: labels that a node must have for these workers.
        tolerations: which taints of nodes those with a GPU put up with; None where that is not known.
    """
    if wanted.mode is AcceleratorMode.OFF:
        return on_cpu(wanted, PlacementReason.SWITCHED_OFF)
    if wanted.mode is AcceleratorMode.REQUIRED:
        return _on_gpu(wanted, PlacementReason.REQUIRED)
    if not any(can_use_gpu(step) for step in steps):
        return on_cpu(wanted, PlacementReason.NOTHING_TO_GAIN)
    if wanted.resource_claims:
        return _on_gpu(wanted, PlacementReason.CLAIMED)
    if assume:
        return _on_gpu(wanted, PlacementReason.ASSUMED)
    if nodes is None:
        return on_cpu(wanted, PlacementReason.NODES_UNKNOWN)
    if nodes.have(wanted.resource_name, wanted.count, selector=selector, tolerations=tolerations):
        return _on_gpu(wanted, PlacementReason.OFFERED)
    return on_cpu(wanted, PlacementReason.NO_GPU_NODES)


def on_cpu(wanted: Accelerator, reason: PlacementReason) -> Placement:
    """No accelerator, and why."""
    return Placement(None, 0, _asked(wanted), reason)


def _on_gpu(wanted: Accelerator, reason: PlacementReason) -> Placement:
    if wanted.resource_claims:
        return Placement(None, 0, _asked(wanted), reason, tuple(wanted.resource_claims))
    return Placement(wanted.resource_name, wanted.count, _asked(wanted), reason)


def keep_fallback(
    wanted: Accelerator, attempt: Attempt | None, told: AcceleratorStatus | None
) -> Placement | None:
    """The CPU, if an earlier attempt of this run has waited for a GPU in vain.

    Args:
        wanted: the VideoJob's ``accelerator``.
        attempt: the newest Job; None where a suspension has taken it away.
        told: what the status says of it.
    """
    reasons = (told.reason if told else None, attempt.accelerator_reason if attempt else None)
    if any(keeps_off_gpu(wanted, reason) for reason in reasons):
        return on_cpu(wanted, PlacementReason.FALLBACK_AFTER_WAIT)
    return None


def keeps_off_gpu(wanted: Accelerator, reason: str | None) -> bool:
    """Whether a run that need not have a GPU has waited for one in vain, by the reason of its placement."""
    in_vain = reason == PlacementReason.FALLBACK_AFTER_WAIT
    return in_vain and wanted.mode is AcceleratorMode.AUTO


def recall_placement(wanted: Accelerator, attempt: Attempt) -> Placement:
    """What a Job that is there was given: it remembers though no status was written."""
    count = attempt.accelerator_count if attempt.accelerator else 0
    asked, reason = _asked(wanted), attempt.accelerator_reason
    claims = tuple(
        ResourceClaim(name=name, resource_claim_template_name=template)
        for name, template in attempt.claims
    )
    return Placement(attempt.accelerator, count, asked, reason, claims)


def _asked(wanted: Accelerator) -> str:
    if wanted.mode is AcceleratorMode.OFF:
        return str(wanted.mode)
    claims = name_claims(c.resource_claim_template_name for c in wanted.resource_claims)
    return f"{wanted.mode} {claims or wanted.resource_name}"
