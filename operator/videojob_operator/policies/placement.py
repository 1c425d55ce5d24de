"""Placement: whether the workers ask for a GPU, and the reason in one word."""

from __future__ import annotations

from dataclasses import dataclass

from videojob_api.status import AcceleratorStatus
from videojob_api.steps import Step
from videojob_api.videojob import Accelerator, AcceleratorMode

from ..observed import Attempt, Nodes


@dataclass(frozen=True)
class Placement:
    """What to ask for: ``resource`` is None for the CPU."""

    resource: str | None
    count: int
    requested: str
    reason: str

    def to_status(self) -> AcceleratorStatus:
        """As it is shown on the VideoJob."""
        return AcceleratorStatus(
            requested=self.requested[:128],
            used=(self.resource or "CPU")[:128],
            reason=self.reason,
        )


def depends_on_nodes(wanted: Accelerator, steps: list[Step]) -> bool:
    """Whether the choice between GPU and CPU depends on what nodes offer."""
    return wanted.mode is AcceleratorMode.AUTO and any(can_use_gpu(step) for step in steps)


def can_use_gpu(step: Step) -> bool:
    """Whether a step runs faster on a GPU: encoding does; pictures and sound do not."""
    return step.transcode is not None


def decide_placement(
    wanted: Accelerator, steps: list[Step], nodes: Nodes | None, *, assume: bool
) -> Placement:
    """GPU or CPU.

    Args:
        wanted: the VideoJob's ``accelerator``.
        steps: what is to be done.
        nodes: what the nodes offer; None when that may not be read.
        assume: take it that nodes with GPUs will come (an autoscaler).
    """
    asked = _asked(wanted)
    gpu = Placement(wanted.resource_name, wanted.count, asked, "Offered")
    cpu = Placement(None, 0, asked, "")
    if wanted.mode is AcceleratorMode.OFF:
        return Placement(None, 0, asked, "SwitchedOff")
    if wanted.mode is AcceleratorMode.REQUIRED:
        return Placement(gpu.resource, gpu.count, asked, "Required")
    if not any(can_use_gpu(step) for step in steps):
        return Placement(cpu.resource, 0, asked, "NothingToGain")
    if assume:
        return Placement(gpu.resource, gpu.count, asked, "Assumed")
    if nodes is None:
        return Placement(cpu.resource, 0, asked, "NodesUnknown")
    if nodes.allocatable.get(wanted.resource_name, 0) >= wanted.count:
        return gpu
    return Placement(cpu.resource, 0, asked, "NoGPUNodes")


def recall_placement(wanted: Accelerator, attempt: Attempt) -> Placement:
    """What a Job that is there was given: it remembers though no status was written."""
    count = wanted.count if attempt.accelerator else 0
    return Placement(attempt.accelerator, count, _asked(wanted), attempt.accelerator_reason)


def _asked(wanted: Accelerator) -> str:
    if wanted.mode is AcceleratorMode.OFF:
        return str(wanted.mode)
    return f"{wanted.mode} {wanted.resource_name}"
