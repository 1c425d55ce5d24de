"""Who is told how it ended, when it is tried again, and when it is given up."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from builders import NOW, RUN_ID, Situation, a_time, a_videojob

from videojob_api import names
from videojob_api.status import NotificationState, NotificationStatus, Phase
from videojob_operator.cloud_event import build_cloud_event
from videojob_operator.decide import decide
from videojob_operator.observed import (
    CreateJob,
    DeleteJob,
    DeleteVideoJob,
    Deliver,
    Delivery,
    EmitEvent,
)
from videojob_operator.policies.mail import MAX_KEPT, decide_mail, write_letters

URL = "https://hooks.example/videos"
DAY = 86400


def ended(
    *notify: dict[str, Any], phase: Phase = Phase.SUCCEEDED, ago: float = 0, **spec: Any
) -> Situation:
    asked = list(notify) or [{"url": URL}]
    situation = a_videojob(notify=asked, **spec).running().with_succeeded(0)
    return situation.with_status(run_id=RUN_ID, phase=phase, finished_at=a_time(ago))


def tried(situation: Situation, attempts: int, problem: str = "", **changes: Any) -> Situation:
    """The courier has ended so many attempts, the last just now."""
    (letter,) = write_letters(situation)
    return situation.__class__(
        **{
            **vars(situation),
            "deliveries": {letter.id: Delivery(attempts, NOW, problem, **changes)},
        }
    )


def written(situation: Situation) -> Situation:
    """What is decided was written, and the courier has forgotten it."""
    decision = decide(situation, NOW)
    assert decision.status is not None
    return situation.__class__(**{**vars(situation), "status": decision.status, "deliveries": {}})


def only(situation: Situation) -> NotificationStatus:
    (status,) = decide_mail(situation, NOW).statuses
    return status


# ---- who


@pytest.mark.parametrize(
    ("events", "phase", "told"),
    [
        (None, Phase.SUCCEEDED, True),
        (None, Phase.REJECTED, True),
        (["Failed"], Phase.SUCCEEDED, False),
        (["Failed"], Phase.FAILED, True),
        (["Succeeded", "Failed"], Phase.REJECTED, False),
        (None, Phase.RUNNING, False),
    ],
)
def test_those_are_told_who_asked(events: list[str] | None, phase: Phase, told: bool) -> None:
    notify = {"url": URL, **({"events": events} if events else {})}
    assert bool(write_letters(ended(notify, phase=phase))) is told


def test_the_id_follows_from_job_run_event_and_url_alone() -> None:
    first, second = (write_letters(ended(ago=ago))[0].id for ago in (0, 500))
    assert first == second
    ids = {
        names.notification_id(*parts)
        for parts in [
            ("uid", "run", "Succeeded", URL),
            ("other", "run", "Succeeded", URL),
            ("uid", "other", "Succeeded", URL),
            ("uid", "run", "Failed", URL),
            ("uid", "run", "Succeeded", URL + "2"),
        ]
    }
    assert len(ids) == 5


def test_two_to_the_same_url_are_one() -> None:
    assert len(write_letters(ended({"url": URL}, {"url": URL}, {"url": URL + "/b"}))) == 2


# ---- when


def test_the_first_attempt_is_made_at_once_and_nothing_is_written_for_it() -> None:
    decision = decide(ended(), NOW)
    (action,) = decision.actions
    assert isinstance(action, Deliver)
    assert (action.letter.url, action.attempt) == (URL, 1)
    assert decision.status is None
    assert decision.requeue_seconds == 60


def test_what_is_delivered_is_written_once_and_never_sent_again() -> None:
    situation = written(tried(ended(), 1))
    (one,) = situation.status.notifications
    assert (one.state, one.attempts, one.receiver) == ("Delivered", 1, "hooks.example")
    decision = decide(situation, NOW)
    assert (decision.actions, decision.status) == ((), None)


@pytest.mark.parametrize(
    ("attempts", "least"), [(1, 5), (2, 10), (3, 20), (8, 640), (11, 3600), (40, 3600)]
)
def test_it_is_tried_again_ever_more_slowly(attempts: int, least: float) -> None:
    situation = written(tried(ended(), attempts, "It answered 500."))
    (one,) = situation.status.notifications
    assert (one.state, one.attempts, one.message) == ("Pending", attempts, "It answered 500.")
    wait = decide_mail(situation, NOW).next_at
    assert wait is not None
    assert least - 1 <= (wait - NOW).total_seconds() <= least * 1.2
    assert decide(situation, NOW).actions == ()
    later = decide(situation, NOW + timedelta(seconds=least * 1.2 + 1))
    (attempt,) = (action.attempt for action in later.actions if isinstance(action, Deliver))
    assert attempt == attempts + 1


def test_a_first_failure_and_giving_up_are_events_and_nothing_else_is() -> None:
    def events(situation: Situation) -> list[str]:
        actions = decide(situation, NOW).actions
        return [action.reason for action in actions if isinstance(action, EmitEvent)]

    first = tried(ended(), 1, "It answered 500.")
    assert events(first) == ["NotificationFailed"]
    again = written(first)
    assert events(tried(again, 2, "It answered 500.")) == []
    gone = tried(again, 2, "It answered 410.", is_final=True)
    assert events(gone) == ["NotificationGivenUp"]
    assert only(gone).state is NotificationState.FAILED


def test_it_is_given_up_after_a_day() -> None:
    late = tried(ended(ago=DAY - 1000), 30, "It answered 500.")
    assert only(late).state is NotificationState.FAILED
    assert only(late).message == "It answered 500."
    early = tried(ended(ago=DAY - 4400), 30, "It answered 500.")
    assert only(early).state is NotificationState.PENDING


def test_of_an_end_of_long_ago_one_is_told_once_at_least() -> None:
    """The operator was away for a day, or whom to tell was added later."""
    situation = ended(ago=9 * DAY)
    assert [type(action) for action in decide(situation, NOW).actions] == [DeleteJob, Deliver]
    assert only(tried(situation, 1)).state is NotificationState.DELIVERED
    assert only(tried(situation, 1, "It answered 500.")).state is NotificationState.FAILED


@pytest.mark.parametrize("attempts", [1, 2])
def test_an_attempt_that_is_recorded_already_counts_once(attempts: int) -> None:
    situation = written(tried(ended(), 2, "It answered 500."))
    again = tried(situation, attempts, "It answered 503.")
    assert decide(again, NOW).status is None


def test_one_that_is_asked_for_no_more_is_forgotten() -> None:
    situation = written(tried(ended(), 1, "It answered 500."))
    edited = a_videojob().spec
    decision = decide(situation.__class__(**{**vars(situation), "spec": edited}), NOW)
    assert decision.status is not None
    assert decision.status.notifications == []


# ---- beside the TTL


def test_the_ttl_waits_until_everybody_is_told() -> None:
    ttl = {"secondsAfterSucceeded": 0}
    situation = ended(ttl=ttl, ago=10)
    assert [type(action) for action in decide(situation, NOW).actions] == [Deliver]
    waiting = written(tried(situation, 1, "It answered 500."))
    assert decide(waiting, NOW).actions == ()
    assert decide(waiting, NOW).requeue_seconds is not None
    assert decide(tried(situation, 1), NOW).actions == (DeleteVideoJob(),)


# ---- beside another run


def run_again(situation: Situation, **spec: Any) -> Situation:
    """Another runToken was applied, and the operator has seen it."""
    assert situation.spec is not None
    again = a_videojob(notify=[n.wire() for n in situation.spec.notify], runToken="2", **spec)
    asked = replace(situation, spec=again.spec)
    decision = decide(asked, NOW)
    assert decision.policy == "decide_rerun"
    stopped = replace(asked.written(decision), deliveries={}, attempts=(), earlier=())
    return stopped.with_store()


@pytest.mark.parametrize("attempts", [0, 3])
def test_a_new_run_goes_on_telling_of_the_one_before(attempts: int) -> None:
    before = ended(ago=30)
    (letter,) = write_letters(before)
    if attempts:
        before = written(tried(before, attempts, "It answered 500."))
    again = run_again(before)
    (one,) = again.status.notifications
    told = (one.id, one.event, one.run_id, one.attempts, one.ended_at)
    assert told == (letter.id, "Succeeded", before.run_id, attempts, a_time(30))
    later = decide(again, NOW + timedelta(seconds=60))
    (delivery,) = (action for action in later.actions if isinstance(action, Deliver))
    assert (delivery.letter, delivery.attempt) == (letter, attempts + 1)
    assert [action for action in later.actions if isinstance(action, CreateJob)]

    delivered = replace(again, deliveries={letter.id: Delivery(attempts + 1, NOW, "")})
    status = decide(delivered, NOW).status
    assert status is not None
    assert [n.state for n in status.notifications] == ["Delivered"]
    assert decide(replace(again, status=status), NOW + timedelta(days=1)).actions[1:] == ()


def test_both_runs_are_told_each_with_its_own_id() -> None:
    again = run_again(written(tried(ended(ago=30), 2, "It answered 500.")))
    over = again.running().with_succeeded(0).with_status(phase=Phase.FAILED, finished_at=a_time())
    decision = decide(over, NOW + timedelta(seconds=60))
    letters = [action.letter for action in decision.actions if isinstance(action, Deliver)]
    assert [(letter.event, names.run_number(letter.run_id)) for letter in letters] == [
        ("Succeeded", 1),
        ("Failed", 2),
    ]


def test_who_is_named_no_more_is_told_no_more_of_runs_before() -> None:
    again = run_again(written(tried(ended(ago=30), 2, "It answered 500.")))
    assert again.spec is not None
    other = replace(again, spec=a_videojob(notify=[{"url": URL + "/b"}], runToken="2").spec)
    decision = decide(other, NOW + timedelta(seconds=60))
    assert not [action for action in decision.actions if isinstance(action, Deliver)]
    assert decision.status is not None
    assert decision.status.notifications == []


def test_what_is_told_of_a_run_before_is_not_the_new_ones() -> None:
    before = ended(ago=30)
    (letter,) = write_letters(before)
    again = run_again(before).running().with_status(message="Run 2 is at work.")
    event = json.loads(build_cloud_event(again, letter))
    assert (event["id"], event["time"]) == (letter.id, a_time(30))
    data = event["data"]
    assert (data["runID"], data["phase"], data["finishedAt"]) == (
        before.run_id,
        "Succeeded",
        a_time(30),
    )
    assert "Another run has begun since" in data["message"]
    assert "outputs" not in data


def test_a_letter_of_a_run_before_is_given_up_a_day_after_that_run() -> None:
    again = run_again(written(tried(ended(ago=DAY - 60), 3, "It answered 500.")))
    status = decide(again, NOW + timedelta(seconds=120)).status
    assert status is not None
    assert [n.state for n in status.notifications] == ["Failed"]


def test_many_runs_keep_the_newest_letters_only() -> None:
    urls = [{"url": f"{URL}/{n}"} for n in range(8)]
    situation = ended(*urls, ago=30)
    again = run_again(situation)
    assert len(again.status.notifications) == MAX_KEPT


@pytest.mark.parametrize("url", ["https://[1:2:3]/", "https://exa\u2100mple.com/"])
def test_what_only_looks_like_a_url_is_the_couriers_to_refuse(url: str) -> None:
    """The pattern lets it pass; the VideoJob's Jobs, ttl and next run don't wait for it."""
    assert only(ended({"url": url})).receiver == "?"
