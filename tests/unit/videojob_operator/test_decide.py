"""The chain: the first policy with an opinion wins, and its name is on the decision."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import NOW, Situation, a_time, a_videojob

from videojob_api.status import Phase
from videojob_operator.attempt import Pause
from videojob_operator.decide import POLICIES, decide
from videojob_operator.observed import Place, Removal, StoreMissing, TemplateProblem


def waiting_in_line() -> Situation:
    return replace(a_videojob().with_settings(max_running=1), place=Place(7))


def asking_a_store_again() -> Situation:
    refused = a_videojob().running().with_index(0, exit_code=44)
    return refused.written(decide(refused, NOW)).with_attempt(waits=1, active=1)


def pausing() -> Situation:
    pause = Pause(0, 1, True, "StorageUnreachable", "no answer", NOW)
    return replace(a_videojob().running().with_newest(ready=0, active=0), pauses={0: pause})


@pytest.mark.parametrize(
    ("situation", "policy"),
    [
        (replace(a_videojob(), removal=Removal(NOW, True, workers=0)), "decide_removal"),
        (a_videojob(output={"prefix": "x/", "deletionPolicy": "Delete"}), "decide_hold"),
        (a_videojob(runToken="2").at_phase(Phase.FAILED, run_id="x-1"), "decide_rerun"),
        (a_videojob().at_phase(Phase.FAILED, finished_at=a_time()), "decide_finished"),
        (a_videojob(cancel=True).running(), "decide_cancel"),
        (replace(a_videojob(), spec=None, invalid="no"), "decide_accept"),
        (a_videojob(suspend=True).running(ago=86400), "decide_suspend"),
        (a_videojob().running(ago=86400), "decide_deadline"),
        (replace(a_videojob(), unknown=("spec.dryRun",)), "wait_for_upgrade"),
        (
            replace(a_videojob(), template=TemplateProblem("TemplateNotFound", "no")),
            "decide_template",
        ),
        (replace(a_videojob().running(), namespace_going=True), "decide_with_namespace"),
        (a_videojob().running().with_succeeded(0), "decide_outcome"),
        (a_videojob().running().with_newest(deleted_at=NOW), "decide_clear"),
        (waiting_in_line(), "decide_queue"),
        (a_videojob().with_store(), "decide_admit"),
        (a_videojob().with_store(StoreMissing("media")), "decide_admit"),
        (a_videojob().waiting_for_gpu(ago=300).with_store(), "decide_fallback"),
        (pausing(), "explain_pause"),
        (asking_a_store_again(), "decide_asking"),
        (a_videojob().waiting_for_worker().with_newest(suspended=True), "explain_kueue"),
        (a_videojob().waiting_for_worker(), "explain_wait"),
        (a_videojob().running(), "describe_running"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_situation_is_one_policys(situation: Situation, policy: str) -> None:
    assert decide(situation, NOW).policy == policy


def test_every_policy_is_one_that_a_test_above_names() -> None:
    assert [policy.__name__ for policy in POLICIES] == [
        "decide_removal",
        "decide_with_namespace",
        "decide_hold",
        "decide_rerun",
        "decide_finished",
        "decide_cancel",
        "decide_accept",
        "decide_suspend",
        "decide_deadline",
        "wait_for_upgrade",
        "decide_template",
        "decide_outcome",
        "decide_clear",
        "decide_queue",
        "decide_admit",
        "decide_fallback",
        "explain_pause",
        "decide_asking",
        "explain_kueue",
        "explain_wait",
        "describe_running",
    ]


@pytest.mark.parametrize("inputs", [1, 3, 120, 500])
def test_a_whole_life_settles_after_each_step(inputs: int) -> None:
    """Deciding twice about the same situation says nothing new the second time."""
    life = [
        a_videojob(inputs).waiting_for_worker(),
        a_videojob(inputs).waiting_for_worker().with_newest(active=1, ready=1),
        a_videojob(inputs).running().with_succeeded(*range(inputs)),
    ]
    for situation in life:
        first = decide(situation, NOW)
        assert first.status is not None
        second = decide(situation.written(first), NOW)
        assert (second.status, second.actions) == (None, ())
