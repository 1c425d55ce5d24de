"""The next attempt after memory ran out: just the inputs that need it, with more, up to the cap."""

from __future__ import annotations

from typing import Any

import pytest
from builders import NOW, Situation, a_videojob

from videojob_api import names
from videojob_operator.decide import decide
from videojob_operator.manifests import build_attempt
from videojob_operator.memory import format_memory, more_memory
from videojob_operator.observed import CreateJob, DeleteJob, EmitEvent
from videojob_operator.policies.placement import Placement
from videojob_operator.policies.retries import wanted_memory

GI = 1 << 30


def next_job(situation: Situation) -> tuple[str, str]:
    """The inputs of the next attempt, and its memory."""
    create = decide(situation.with_store(), NOW).actions[0]
    assert isinstance(create, CreateJob)
    container = create.manifest["spec"]["template"]["spec"]["containers"][0]
    indexes = create.manifest["metadata"]["annotations"][names.ANNOTATION_INDEXES]
    return indexes, container["resources"]["limits"]["memory"]


def test_out_of_memory_raises_memory_for_the_failed_inputs_only() -> None:
    situation = a_videojob(3).running().with_succeeded(0, 2).with_index(1, exit_code=45)
    assert next_job(situation) == ("1", "3Gi")


def test_it_grows_from_try_to_try_up_to_the_cap() -> None:
    situation = a_videojob(retry={"outOfMemory": {"factor": 2, "max": "5Gi"}}).running()
    seen = []
    for size in (2 * GI, 4 * GI, 5 * GI):
        situation = situation.with_newest(memory_bytes=size).with_index(0, exit_code=45)
        decision = decide(situation.with_store(), NOW)
        seen.append(decision.policy)
        if decision.policy == "decide_admit":
            assert next_job(situation) == ("0", format_memory(min(size * 2, 5 * GI)))
        situation = situation.with_attempt()
    assert seen == ["decide_admit", "decide_admit", "decide_outcome"]


def test_those_that_need_no_more_go_first_and_none_is_forgotten() -> None:
    situation = a_videojob(4).running().with_succeeded(0)
    situation = situation.with_index(1, exit_code=45).with_index(2, exit_code=137)
    situation = situation.with_index(3, exit_code=45)
    assert next_job(situation) == ("2", "2Gi")
    second = situation.with_attempt(indexes=(2,), kills=1).with_succeeded(2)
    assert next_job(second) == ("1,3", "3Gi")


def test_what_was_once_given_is_kept_for_later_tries() -> None:
    situation = a_videojob().running().with_newest(memory_bytes=6 * GI).with_index(0, exit_code=137)
    assert next_job(situation) == ("0", "6Gi")


def test_a_raised_limit_in_the_manifest_counts_at_once() -> None:
    situation = a_videojob(resources={"limits": {"memory": "8Gi"}}).running()
    situation = situation.with_newest(memory_bytes=2 * GI).with_index(0, exit_code=45)
    assert next_job(situation) == ("0", "8Gi")


def test_an_attempt_that_remembers_others_is_kept() -> None:
    """It alone knows how much the inputs had that are not in the next one."""
    long_ago = NOW.replace(year=2025)
    situation = a_videojob(2).running().with_succeeded(0).with_index(1, exit_code=44)
    situation = situation.with_newest(ended_at=long_ago)
    for waits in (1, 2):
        situation = situation.with_attempt(indexes=(1,), waits=waits).with_index(1, exit_code=44)
        situation = situation.with_newest(ended_at=long_ago)
    actions = decide(situation.with_store(), NOW).actions
    deleted = [a.name for a in actions if isinstance(a, DeleteJob)]
    assert deleted == [situation.attempts[1].name]


def test_one_that_a_store_refuses_for_ever_does_not_hold_up_another_that_needs_more_memory() -> (
    None
):
    """A 403 may be about one object alone."""
    long_ago = NOW.replace(year=2025)
    situation = a_videojob(2).running().with_index(0, exit_code=45).with_index(1, exit_code=44)
    situation = situation.with_newest(ended_at=long_ago)
    taken = []
    for waits in (1, 2, 3):
        indexes, memory = next_job(situation)
        taken.append((indexes, memory))
        had = {"indexes": (int(indexes),), "memory_bytes": int(memory[0]) * GI, "waits": waits}
        code = 44 if indexes == "1" else 45
        situation = situation.with_attempt(**had).with_index(int(indexes), exit_code=code)
        situation = situation.with_newest(ended_at=long_ago)
    assert taken == [("1", "2Gi"), ("0", "3Gi"), ("1", "2Gi")]


def test_more_memory_is_told_as_an_event() -> None:
    situation = a_videojob(3).running().with_succeeded(0)
    situation = situation.with_index(1, exit_code=45).with_index(2, exit_code=45)
    (_, event) = decide(situation.with_store(), NOW).actions
    message = "in-1 and 1 more ran out of memory with 2Gi; trying again with 3Gi."
    assert event == EmitEvent("Warning", "OutOfMemory", message)


def test_an_input_that_no_attempt_had_gets_what_the_manifest_says() -> None:
    assert wanted_memory(a_videojob(2), 1) == 2 * GI


@pytest.mark.parametrize(
    ("before", "after"), [(2 * GI, 3 * GI), (12 * GI, 16 * GI), (16 * GI, None), (20 * GI, None)]
)
def test_more_is_a_factor_and_ends_at_the_cap(before: int, after: int | None) -> None:
    spec = a_videojob().spec
    assert spec is not None
    assert more_memory(spec, before) == after


@pytest.mark.parametrize(
    ("size", "text"), [(3 * GI, "3Gi"), (3 * GI + 1, "3073Mi"), (1, "1Mi"), (1536 << 20, "1536Mi")]
)
def test_memory_is_written_as_kubernetes_writes_it(size: int, text: str) -> None:
    assert format_memory(size) == text


def resources_with(memory_bytes: int, **spec: Any) -> dict[str, Any]:
    situation = a_videojob(**spec).with_store()
    made = build_attempt(
        situation,
        (0,),
        number=2,
        placement=Placement(None, 0, "Off", "SwitchedOff"),
        memory_bytes=memory_bytes,
        kills=0,
        waits=0,
    )
    (container,) = made.manifest["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container["resources"]
    return found


def test_more_memory_is_also_requested_so_that_the_node_has_it() -> None:
    resources = {"limits": {"memory": "2Gi"}, "requests": {"memory": "1Gi"}}
    grown = resources_with(3 << 30, resources=resources)
    assert (grown["limits"]["memory"], grown["requests"]["memory"]) == ("3Gi", "1536Mi")
    same = resources_with(2 << 30, resources=resources)
    assert (same["limits"]["memory"], same["requests"]["memory"]) == ("2Gi", "1Gi")


def test_a_guaranteed_pod_stays_guaranteed_with_more_memory() -> None:
    resources = {"limits": {"memory": "100M"}, "requests": {"memory": "100M"}}
    grown = resources_with(150_000_001, resources=resources)
    assert grown["limits"]["memory"] == grown["requests"]["memory"] == "144Mi"


def test_an_inputs_attempts_are_those_that_had_it() -> None:
    situation = a_videojob(2).running().with_index(0, exit_code=45).with_index(1, exit_code=137)
    situation = situation.with_attempt(indexes=(1,), kills=1).with_succeeded(1)
    situation = situation.with_attempt(indexes=(0,)).with_succeeded(0)
    status = decide(situation, NOW).status
    assert status is not None
    assert {i.name: i.attempts for i in status.inputs} == {"in-0": 2, "in-1": 2}
