"""The schedule follows from the seed, and leaves room for what each injection needs."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from chaos.schedule import RULES, Injection, Kind, build_schedule

WHOLE = [build_schedule(seed, 200) for seed in range(200)]


def outages(schedule: tuple[Injection, ...]) -> list[Injection]:
    return [one for one in schedule if RULES[one.kind].alone]


def test_a_seed_gives_the_same_schedule_again_and_another_seed_another() -> None:
    assert build_schedule(7, 200) == build_schedule(7, 200)
    assert build_schedule(7, 200) != build_schedule(8, 200)


def test_outages_come_one_after_the_other() -> None:
    for schedule in WHOLE:
        for one, other in pairwise(outages(schedule)):
            assert one.ends_at < other.at_seconds


def test_what_is_done_by_a_request_finds_an_api_server() -> None:
    for schedule in WHOLE:
        deaf = [one for one in schedule if RULES[one.kind].ends_api]
        asking = [one for one in schedule if RULES[one.kind].needs_api]
        assert deaf
        assert not [
            one
            for one in asking
            if any(each.at_seconds <= one.at_seconds <= each.ends_at for each in deaf)
        ]


def test_a_whole_run_has_every_kind_as_often_as_its_rule_says_within_six_minutes() -> None:
    for schedule in WHOLE:
        assert Counter(one.kind for one in schedule) == {k: r.times for k, r in RULES.items()}
        assert all(one.at_seconds > 0 for one in schedule)
        assert max(one.ends_at for one in schedule) < 360
        assert [one.number for one in schedule] == list(range(1, len(schedule) + 1))
        assert list(schedule) == sorted(schedule, key=lambda one: one.at_seconds)


def test_a_short_run_has_each_kind_once() -> None:
    assert Counter(one.kind for one in build_schedule(1, 20)) == dict.fromkeys(Kind, 1)


def test_only_what_is_asked_for() -> None:
    schedule = build_schedule(1, 200, [Kind.WORKER_OOM, Kind.ETCD_STOP])
    assert {one.kind for one in schedule} == {Kind.WORKER_OOM, Kind.ETCD_STOP}
