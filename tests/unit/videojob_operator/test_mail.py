"""Who is told how it ended, when it is tried again, and when it is given up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from builders import NOW, Situation, a_time, a_videojob, seconds

from videojob_api import names
from videojob_api.status import NotificationState, NotificationStatus, Phase
from videojob_operator.decide import decide
from videojob_operator.observed import DeleteJob, DeleteVideoJob, Deliver, Delivery, EmitEvent
from videojob_operator.policies.mail import decide_mail, write_letters

URL = "https://hooks.example/videos"
DAY = 86400


def ended(
    *notify: dict[str, Any], phase: Phase = Phase.SUCCEEDED, ago: float = 0, **spec: Any
) -> Situation:
    asked = list(notify) or [{"url": URL}]
    situation = a_videojob(notify=asked, **spec).running().with_succeeded(0)
    return situation.with_status(phase=phase, finished_at=a_time(ago))


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


def test_what_could_not_be_tried_for_a_day_is_given_up_too() -> None:
    decision = decide(ended(ago=DAY), NOW)
    assert decision.status is not None
    assert [n.state for n in decision.status.notifications] == ["Failed"]
    assert [type(action) for action in decision.actions] == [DeleteJob, EmitEvent]


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


def test_what_is_written_while_it_runs_again_keeps_what_was_told() -> None:
    told = written(tried(ended(), 1)).status.notifications
    running = a_videojob().running(ago=seconds(60).seconds).with_status(notifications=told)
    status = decide(running.with_progress().with_status(message="old"), NOW).status
    assert status is not None
    assert status.notifications == told
