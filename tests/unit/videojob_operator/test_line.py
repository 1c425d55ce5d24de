"""The operator's own line: whose turn it is, and where the others stand."""

from __future__ import annotations

import random

import pytest

from videojob_operator.line import Line
from videojob_operator.observed import Key, Ticket


def a_ticket(name: str, namespace: str = "a", *, priority: int = 0, pods: int = 1) -> Ticket:
    """Names sort by age: what comes later in the alphabet was made later."""
    return Ticket(Key(namespace, name), f"{namespace}/{name}", priority, name, pods)


class Played:
    """A line with its calls remembered, played as ``reconcile`` does."""

    def __init__(self, limit: int = 0, namespace_limit: int = 0) -> None:
        self.called: list[Key] = []
        self.line = Line(limit, namespace_limit, self.called.append)

    def comes(self, ticket: Ticket) -> int:
        """It is looked at: it starts if it may, else it waits; its position."""
        position = self.line.look(ticket).position
        pods = 0 if position else ticket.pods
        self.line.settle(ticket.key, ticket.uid, pods, ticket if position else None)
        return position

    def ends(self, ticket: Ticket) -> None:
        """Its workers are gone."""
        self.line.settle(ticket.key, ticket.uid, 0, None)

    def order(self, tickets: list[Ticket], running: Ticket) -> list[str]:
        """Who starts one after the other, each as soon as it is called and ending at once."""
        by_key = {ticket.key: ticket for ticket in tickets}
        started: list[str] = []
        self.called.clear()
        self.ends(running)
        while self.called:
            ticket = by_key[self.called.pop(0)]
            if ticket.uid not in started and self.comes(ticket) == 0:
                started.append(ticket.uid)
                self.ends(ticket)
        return started


def test_without_limits_everybody_starts() -> None:
    played = Played()
    assert [played.comes(a_ticket(str(i), pods=500)) for i in range(3)] == [0, 0, 0]


def test_who_can_not_be_looked_at_stands_aside() -> None:
    played = Played(limit=1)
    first, second, third = (a_ticket(name) for name in ("1", "2", "3"))
    assert [played.comes(t) for t in (first, second, third)] == [0, 1, 2]
    played.ends(first)
    assert played.called == [second.key]
    played.line.stand_aside(second.uid)
    assert played.called == [second.key, third.key]
    assert played.comes(third) == 0
    played.ends(third)
    assert played.comes(second) == 0, "it may say its wish again"


def test_who_does_not_fit_waits_and_is_called_as_soon_as_it_does() -> None:
    played = Played(limit=2)
    first, second, third = (a_ticket(name) for name in ("1", "2", "3"))
    assert [played.comes(t) for t in (first, second, third)] == [0, 0, 1]
    assert played.called == []
    played.ends(first)
    assert played.called == [third.key]
    assert played.comes(third) == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_higher_priority_goes_first_and_then_the_older(seed: int) -> None:
    running = a_ticket("0")
    tickets = [a_ticket(str(i), priority=i % 3) for i in range(1, 9)]
    shuffled = random.Random(seed).sample(tickets, len(tickets))  # noqa: S311 (an order, no secret)
    played = Played(limit=1)
    played.comes(running)
    for ticket in shuffled:
        assert played.comes(ticket) > 0
    positions = {t.uid: played.line.look(t).position for t in tickets}
    wanted = ["a/2", "a/5", "a/8", "a/1", "a/4", "a/7", "a/3", "a/6"]
    assert sorted(positions, key=lambda uid: positions[uid]) == wanted
    assert sorted(positions.values()) == list(range(1, 9))
    assert played.order(tickets, running) == wanted


def test_the_namespace_with_the_fewest_pods_goes_first_whatever_the_priority() -> None:
    played = Played(limit=3)
    for name in ("1", "2", "3"):
        assert played.comes(a_ticket(name, "busy")) == 0
    played.comes(a_ticket("0", "busy", priority=9))
    assert played.comes(a_ticket("9", "idle")) == 1
    played.ends(a_ticket("1", "busy"))
    assert played.called == [Key("idle", "9")]


def test_places_are_counted_over_all_namespaces_turn_by_turn() -> None:
    played = Played(limit=1)
    played.comes(a_ticket("0", "c"))
    tickets = [a_ticket(f"{i}{n}", n) for n in "ab" for i in range(1, 4)]
    for ticket in tickets:
        played.comes(ticket)
    positions = {t.uid: played.line.look(t).position for t in tickets}
    assert positions == {
        "a/1a": 1,
        "b/1b": 2,
        "a/2a": 3,
        "b/2b": 4,
        "a/3a": 5,
        "b/3b": 6,
    }


def test_a_namespace_at_its_own_limit_is_passed_over() -> None:
    played = Played(limit=10, namespace_limit=2)
    assert [played.comes(a_ticket(n, "a")) for n in ("1", "2")] == [0, 0]
    assert played.comes(a_ticket("3", "a", priority=9)) == 1
    assert played.comes(a_ticket("4", "b")) == 0


def test_a_full_namespace_passes_its_turn_on_though_its_job_is_older() -> None:
    played = Played(limit=10, namespace_limit=4)
    for namespace in "ab":
        assert played.comes(a_ticket("1", namespace, pods=3)) == 0
    assert played.comes(a_ticket("2", "a", pods=2)) == 1
    assert played.comes(a_ticket("3", "b")) == 0


def test_in_a_full_namespace_a_small_job_does_not_overtake_a_large_one() -> None:
    played = Played(limit=10, namespace_limit=4)
    assert played.comes(a_ticket("1", pods=3)) == 0
    assert played.comes(a_ticket("2", pods=2)) == 1
    assert played.comes(a_ticket("3")) == 2


def test_a_large_job_of_the_next_namespace_is_not_overtaken_by_anothers_small_one() -> None:
    played = Played(limit=4)
    assert played.comes(a_ticket("1", "busy", pods=2)) == 0
    assert played.comes(a_ticket("2", "idle", pods=3)) == 1
    assert played.comes(a_ticket("0", "busy", priority=9)) == 2


def test_a_large_job_is_not_overtaken_for_ever() -> None:
    played = Played(limit=4)
    small = [a_ticket(f"0{i}") for i in range(4)]
    for ticket in small:
        played.comes(ticket)
    assert played.comes(large := a_ticket("1", pods=4)) == 1
    assert played.comes(late := a_ticket("2")) == 2
    for ticket in small[:3]:
        played.ends(ticket)
        assert played.called == []
        assert played.comes(late) == 2
    played.ends(small[3])
    assert played.called == [large.key]
    assert (played.comes(large), played.comes(late)) == (0, 1)


def test_who_has_its_places_keeps_them_for_its_next_attempt() -> None:
    played = Played(limit=1)
    played.comes(running := a_ticket("1"))
    played.comes(a_ticket("0", priority=9))
    assert played.line.look(running).position == 0


def test_who_is_deleted_frees_its_places_and_its_wish() -> None:
    played = Played(limit=1)
    tickets = [a_ticket(str(i)) for i in range(3)]
    for ticket in tickets:
        played.comes(ticket)
    played.line.forget(tickets[1].uid)
    assert played.called == []
    assert (played.line.pods, played.line.length) == (1, 1)
    played.line.keep_only({tickets[2].uid})
    assert played.called == [tickets[2].key]
    assert played.line.pods == 0


def test_who_changes_its_mind_stands_elsewhere() -> None:
    played = Played(limit=1)
    for i in range(4):
        played.comes(a_ticket(str(i)))
    assert played.comes(a_ticket("3", priority=5)) == 1
    assert played.line.length == 3


def test_nobody_is_let_in_beyond_the_limit_and_everybody_in_the_end() -> None:
    generator = random.Random(7)  # noqa: S311 (no secret)
    played = Played(limit=6, namespace_limit=4)
    tickets = {
        t.key: t
        for i in range(200)
        for t in [a_ticket(f"{i:03}", generator.choice("abcde"), pods=generator.randint(1, 4))]
    }
    running: list[Ticket] = []
    called = list(tickets)
    ended = 0
    while called or running:
        if called:
            ticket = tickets[called.pop(0)]
            if played.comes(ticket) == 0 and ticket not in running:
                running.append(ticket)
        else:
            played.ends(running.pop(generator.randrange(len(running))))
            ended += 1
        assert played.line.pods == sum(t.pods for t in running) <= 6
        called += played.called
        played.called.clear()
    assert (ended, played.line.length) == (200, 0)
