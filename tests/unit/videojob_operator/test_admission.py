"""The next attempt: over what is left, with its counters; or what is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from builders import NOW, Situation, a_videojob

from videojob_api import names
from videojob_api.status import Phase
from videojob_operator.decide import decide
from videojob_operator.manifests import ANNOTATION_KILLS, ANNOTATION_WAITS
from videojob_operator.observed import CreateJob, Decision, DeleteJob, StoreMissing
from videojob_operator.policies.admission import decide_admit, needs_job


def the_job(decision: Decision | None) -> CreateJob:
    assert decision is not None
    (create,) = decision.actions
    assert isinstance(create, CreateJob)
    return create


def notes(create: CreateJob) -> dict[str, str]:
    found: dict[str, str] = create.manifest["metadata"]["annotations"]
    return found


def order_of(create: CreateJob) -> dict[str, Any]:
    environment = create.manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    values = {e["name"]: e.get("value") for e in environment}
    order: dict[str, Any] = json.loads(values[names.ENV_ORDER])
    return order


def test_a_new_videojob_gets_a_job_over_all_its_inputs() -> None:
    decision = decide(a_videojob(3).with_store(), NOW)
    assert decision.policy == "decide_admit"
    create = the_job(decision)
    assert notes(create)[names.ANNOTATION_INDEXES] == "0-2"
    assert create.manifest["spec"]["completions"] == 3
    assert (notes(create)[ANNOTATION_KILLS], notes(create)[ANNOTATION_WAITS]) == ("0", "0")
    status = decision.status
    assert status is not None
    assert (status.phase, status.attempt) == (Phase.PENDING, 1)
    assert status.message == "Accepted; waiting for a worker to start."
    assert status.accepted_at == "2026-03-01T12:00:00Z"
    assert status.observed_generation == 1


def test_while_an_attempt_is_at_work_no_other_is_made() -> None:
    assert decide_admit(a_videojob(2).running().with_store(), NOW) is None
    partly = a_videojob(2).running().with_succeeded(0).with_store()
    assert decide_admit(partly, NOW) is None


def test_a_missing_store_is_named_and_looked_for_again() -> None:
    decision = decide(a_videojob().with_store(StoreMissing("media")), NOW)
    assert decision.actions == ()
    assert decision.requeue_seconds == 5
    status = decision.status
    assert status is not None
    assert status.phase is Phase.PENDING
    assert "There is no VideoStore 'media' in namespace 'films'; create it" in (
        status.message or ""
    )
    stalled = next(c for c in status.conditions if c.type == "Stalled")
    assert (stalled.status, stalled.reason) == ("True", "StoreNotFound")


def test_a_missing_store_is_said_once_and_still_looked_for() -> None:
    situation = a_videojob().with_store(StoreMissing("media"))
    again = decide(situation.written(decide(situation, NOW)), NOW)
    assert (again.status, again.requeue_seconds) == (None, 5)


@pytest.mark.parametrize(("ago", "wait"), [(300, 30), (36_000, 60), (86_390, 10)])
def test_thousands_that_wait_for_a_store_are_no_burden(ago: float, wait: float) -> None:
    waiting = a_videojob().at_phase(Phase.PENDING, ago=ago).with_store(StoreMissing("media"))
    assert decide(waiting, NOW).requeue_seconds == wait


def test_when_the_store_appears_the_wait_is_over() -> None:
    missing = a_videojob().with_store(StoreMissing("media"))
    decision = decide(missing.written(decide(missing, NOW)).with_store(), NOW)
    the_job(decision)
    assert decision.status is not None
    conditions = {c.type: c.status for c in decision.status.conditions}
    assert (conditions["Stalled"], conditions["Reconciling"]) == ("False", "True")


def test_the_store_must_have_been_looked_up() -> None:
    with pytest.raises(LookupError, match="observe did not look up the store"):
        decide_admit(a_videojob(), NOW)


def a_killed_one() -> Situation:
    """Of five: two done, one rejected, two killed."""
    return (
        a_videojob(5)
        .running()
        .with_succeeded(0, 3)
        .with_index(1, exit_code=42)
        .with_index(2, exit_code=137)
        .with_index(4, exit_code=None)
        .with_store()
    )


def test_the_next_attempt_is_only_over_what_is_left() -> None:
    create = the_job(decide(a_killed_one(), NOW))
    assert notes(create)[names.ANNOTATION_INDEXES] == "2,4"
    assert create.manifest["spec"]["completions"] == 2
    assert [i["index"] for i in order_of(create)["inputs"]] == [2, 4]
    assert [i["name"] for i in order_of(create)["inputs"]] == ["in-2", "in-4"]


def test_the_next_attempt_has_its_own_name_and_number() -> None:
    first = the_job(decide(a_videojob(5).with_store(), NOW))
    decision = decide(a_killed_one(), NOW)
    second = the_job(decision)
    assert second.manifest["metadata"]["name"] != first.manifest["metadata"]["name"]
    assert second.manifest["metadata"]["labels"][names.LABEL_ATTEMPT] == "2"
    assert order_of(second)["job"]["attempt"] == 2
    assert decision.status is not None
    assert (decision.status.attempt, decision.status.phase) == (2, Phase.RUNNING)


def test_what_was_done_stays_on_the_resource() -> None:
    status = decide(a_killed_one(), NOW).status
    assert status is not None
    assert status.input_counts is not None
    assert (status.input_counts.succeeded, status.input_counts.rejected) == (2, 1)
    assert status.input_counts.failed == 0
    assert status.output_count == 2


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [(137, (0, 0), ("1", "0")), (137, (3, 2), ("4", "2")), (44, (3, 2), ("3", "3"))],
)
def test_the_new_job_remembers_kills_and_waits(
    code: int, before: tuple[int, int], after: tuple[str, str]
) -> None:
    kills, waits = before
    situation = a_videojob().running().with_newest(kills=kills, waits=waits)
    situation = situation.with_index(0, exit_code=code).with_store()
    situation = situation.with_newest(ended_at=NOW.replace(year=2025))
    noted = notes(the_job(decide_admit(situation, NOW)))
    assert (noted[ANNOTATION_KILLS], noted[ANNOTATION_WAITS]) == after


def test_a_job_that_somebody_deleted_is_made_again_under_a_new_name() -> None:
    situation = replace(a_videojob().running(), attempts=()).with_store()
    create = the_job(decide(situation, NOW))
    assert create.manifest["metadata"]["labels"][names.LABEL_ATTEMPT] == "2"


def refused_often(times: int) -> Situation:
    """The store refused so many attempts."""
    situation = a_videojob().running().with_index(0, exit_code=44)
    for waits in range(1, times):
        situation = situation.with_attempt(waits=waits).with_index(0, exit_code=44)
    return situation.with_newest(ended_at=NOW.replace(year=2025)).with_store()


def test_attempts_that_ended_nothing_go_when_a_new_one_is_made() -> None:
    first = decide_admit(refused_often(1), NOW)
    assert first is not None
    assert len(first.actions) == 1, "the last one stays for a look"
    decision = decide_admit(refused_often(4), NOW)
    assert decision is not None
    create, *deletes = decision.actions
    assert isinstance(create, CreateJob)
    jobs = refused_often(4).attempts
    assert deletes == [DeleteJob(job.name, job.uid) for job in jobs[:3]]


def test_attempts_that_ended_something_or_are_on_their_way_are_left() -> None:
    second = a_killed_one().with_attempt(indexes=(2, 4), kills=1)
    second = second.with_index(2, exit_code=137).with_index(4, exit_code=137)
    assert [type(a) for a in decide(second, NOW).actions] == [CreateJob]
    situation = refused_often(2)
    first, last = situation.attempts
    going = replace(situation, attempts=(replace(first, deleted_at=NOW), last))
    assert len(decide(going, NOW).actions) == 1


@pytest.mark.parametrize(
    ("situation", "needed"),
    [
        (a_videojob(), True),
        (replace(a_videojob(), deleting=True), False),
        (a_videojob().with_status(phase=Phase.FAILED), False),
        (a_videojob().running(), False),
        (a_videojob().running().with_succeeded(0), False),
        (a_videojob().running().with_index(0, exit_code=42), False),
        (a_videojob().running().with_index(0, exit_code=137), True),
        (a_videojob().running().with_index(0, exit_code=44), True),
        (replace(a_videojob().running(), attempts=()), True),
        (a_videojob().with_status(indexes={"succeeded": "0"}), False),
    ],
)
def test_a_job_is_due_when_none_runs_and_inputs_are_left(
    situation: Situation, needed: bool
) -> None:
    assert needs_job(situation) is needed


def test_a_store_that_is_not_understood_is_told_apart_from_a_missing_one() -> None:
    decision = decide(a_videojob().with_store(StoreMissing("media", invalid="no tapes")), NOW)
    assert (decision.actions, decision.requeue_seconds) == ((), 5)
    assert decision.status is not None
    assert decision.status.message == "The VideoStore 'media' is not understood: no tapes; mend it."
    stalled = next(c for c in decision.status.conditions if c.type == "Stalled")
    assert (stalled.status, stalled.reason) == ("True", "StoreInvalid")


def test_a_short_order_travels_in_the_environment() -> None:
    create = the_job(decide(a_videojob(3).with_store(), NOW))
    assert create.config_map is None
    assert order_of(create)["version"] == 1


def test_an_order_of_five_hundred_inputs_travels_in_a_config_map() -> None:
    create = the_job(decide(a_videojob(500).with_store(), NOW))
    assert create.config_map is not None
    assert create.config_map["immutable"] is True
    assert create.config_map["metadata"]["name"] == create.manifest["metadata"]["name"]
    order = json.loads(create.config_map["data"]["order.json"])
    assert len(order["inputs"]) == 500
    pod = create.manifest["spec"]["template"]["spec"]
    environment = {e["name"]: e.get("value") for e in pod["containers"][0]["env"]}
    assert environment[names.ENV_ORDER_FILE] == "/order/order.json"
    assert names.ENV_ORDER not in environment
    volume = next(v for v in pod["volumes"] if v["name"] == "order")
    assert volume["configMap"]["name"] == create.config_map["metadata"]["name"]
    assert len(json.dumps(create.manifest)) < 16 * 1024


def test_the_same_situation_makes_the_same_job() -> None:
    assert decide(a_killed_one(), NOW) == decide(a_killed_one(), NOW)


def test_a_store_that_may_not_be_read_is_explained() -> None:
    forbidden = StoreMissing("media", forbidden="videostores is forbidden")
    status = decide(a_videojob().with_store(forbidden), NOW).status
    assert status is not None
    told = next(c for c in status.conditions if c.type == "Stalled")
    assert (told.status, told.reason) == ("True", "StoreForbidden")
    assert "may not read the VideoStore 'media'" in (status.message or "")
    assert "(videostores is forbidden)" in (status.message or "")
