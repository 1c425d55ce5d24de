"""GPU or CPU, and the reason in one word."""

from __future__ import annotations

from typing import Any

import pytest
from builders import NOW, a_spec, a_videojob, a_videojob_body, nodes_of, some_nodes

from videojob_api.status import AcceleratorStatus
from videojob_operator.nodes import Nodes
from videojob_operator.policies.placement import decide_placement, recall_placement
from videojob_operator.specs import parse_spec

GPU = "nvidia.com/gpu"
TWO = some_nodes({GPU: 2})
NONE = some_nodes()
OTHER = some_nodes({"amd.com/gpu": 8})
ENCODES = [{"name": "a", "transcode": {"renditions": [{"height": 360}]}}]
COMPUTES = [{"name": "a", "cloak": {"method": "Gradient"}}]
LOOKS = [{"name": "a", "thumbnails": {"count": 1}}, {"name": "b", "extractAudio": {}}]


@pytest.mark.parametrize(
    ("mode", "steps", "nodes", "assume", "resource", "reason"),
    [
        ("Auto", ENCODES, TWO, False, GPU, "Offered"),
        ("Auto", ENCODES, NONE, False, None, "NoGPUNodes"),
        ("Auto", ENCODES, OTHER, False, None, "NoGPUNodes"),
        ("Auto", ENCODES, None, False, None, "NodesUnknown"),
        ("Auto", ENCODES, NONE, True, GPU, "Assumed"),
        ("Auto", ENCODES, None, True, GPU, "Assumed"),
        ("Auto", COMPUTES, TWO, False, GPU, "Offered"),
        ("Auto", COMPUTES, NONE, False, None, "NoGPUNodes"),
        ("Auto", [{"name": "a", "cloak": {}}], TWO, False, None, "NothingToGain"),
        ("Auto", LOOKS, TWO, False, None, "NothingToGain"),
        ("Auto", LOOKS, None, True, None, "NothingToGain"),
        ("Required", ENCODES, TWO, False, GPU, "Required"),
        ("Required", ENCODES, NONE, False, GPU, "Required"),
        ("Required", ENCODES, None, False, GPU, "Required"),
        ("Required", LOOKS, TWO, False, GPU, "Required"),
        ("Off", ENCODES, TWO, False, None, "SwitchedOff"),
        ("Off", ENCODES, None, True, None, "SwitchedOff"),
    ],
)
def test_where_the_work_goes(
    mode: str,
    steps: list[dict[str, Any]],
    nodes: Nodes | None,
    assume: bool,
    resource: str | None,
    reason: str,
) -> None:
    spec = a_spec(steps=steps, accelerator={"mode": mode})
    placement = decide_placement(spec.accelerator, spec.steps, nodes, assume=assume)
    assert (placement.resource, placement.reason) == (resource, reason)
    assert placement.count == (1 if resource else 0)


@pytest.mark.parametrize(("count", "reason"), [(2, "Offered"), (3, "NoGPUNodes")])
def test_one_node_must_have_as_many_as_a_worker_needs(count: int, reason: str) -> None:
    spec = a_spec(accelerator={"count": count})
    assert decide_placement(spec.accelerator, spec.steps, TWO, assume=False).reason == reason


def a_node(gpus: int, **labels: str) -> dict[str, Any]:
    ready = [{"type": "Ready", "status": "True"}]
    status = {"conditions": ready, "allocatable": {"cpu": "8", GPU: str(gpus)}}
    return {"metadata": {"labels": labels}, "spec": {}, "status": status}


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        ({}, "Offered"),
        ({"pool": "large"}, "Offered"),
        ({"pool": "small"}, "NoGPUNodes"),
        ({"pool": "large", "zone": "b"}, "NoGPUNodes"),
    ],
)
def test_only_nodes_that_the_workers_may_run_on_are_counted(
    selector: dict[str, str], reason: str
) -> None:
    nodes = nodes_of(a_node(1, pool="small", zone="b"), a_node(4, pool="large", zone="a"))
    spec = a_spec(accelerator={"count": 2}, scheduling={"nodeSelector": selector})
    placement = decide_placement(
        spec.accelerator, spec.steps, nodes, assume=False, selector=spec.scheduling.node_selector
    )
    assert placement.reason == reason


def test_a_fallback_is_shown() -> None:
    spec = a_spec()
    shown = decide_placement(spec.accelerator, spec.steps, NONE, assume=False).to_status()
    assert shown == AcceleratorStatus(requested=f"Auto {GPU}", used="CPU", reason="NoGPUNodes")


def test_switched_off_is_shown_as_such() -> None:
    spec = a_spec(accelerator={"mode": "Off"})
    shown = decide_placement(spec.accelerator, spec.steps, TWO, assume=False).to_status()
    assert shown == AcceleratorStatus(requested="Off", used="CPU", reason="SwitchedOff")


def test_a_resource_with_a_very_long_name_fits_the_status() -> None:
    spec = a_spec(accelerator={"resourceName": "a" * 240 + "/gpu", "mode": "Required"})
    shown = decide_placement(spec.accelerator, spec.steps, None, assume=False).to_status()
    assert len(shown.requested or "") == 128


@pytest.mark.parametrize("mode", ["Auto", "Required", "Off"])
def test_a_job_that_is_there_tells_what_was_decided(mode: str) -> None:
    spec = parse_spec(a_videojob_body(accelerator={"mode": mode})).spec
    assert spec is not None
    decided = decide_placement(spec.accelerator, spec.steps, TWO, assume=False)
    situation = a_videojob().with_attempt(
        accelerator=decided.resource,
        accelerator_count=decided.count,
        accelerator_reason=decided.reason,
        created_at=NOW,
    )
    assert recall_placement(spec.accelerator, situation.attempts[0]) == decided
