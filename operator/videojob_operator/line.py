"""The operator's own line: which VideoJob may start workers next, when there may only be so many.

An index in memory, kept by ``reconcile`` (who waits, who holds places) and asked by ``observe``; it is
counted afresh from the Jobs when the operator starts. It decides order and nothing else: it reaches
neither the cluster nor the clock.

Namespaces with the fewest pods go first, then the higher priority, then the older VideoJob. Who is at
the head and does not fit waits until it does, so that a large job is never overtaken for ever; only a
namespace that is at its own limit is passed over.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from .observed import Key, Place, Ticket


class _Rank(NamedTuple):
    """The order within a namespace."""

    minus_priority: int
    since: str
    uid: str


class _Head(NamedTuple):
    """The order among namespaces."""

    pods: int
    rank: _Rank
    namespace: str


@dataclass
class _Holding:
    """Places that a VideoJob's workers take up."""

    namespace: str
    pods: int


def _rank(ticket: Ticket) -> _Rank:
    return _Rank(-ticket.priority, ticket.since, ticket.uid)


class Line:
    """Who holds places, who waits for some, and whose turn it is. A limit of 0 is none."""

    def __init__(self, limit: int, namespace_limit: int, wake: Callable[[Key], None]) -> None:
        self._limit = limit
        self._namespace_limit = namespace_limit
        self._wake = wake
        self._holdings: dict[str, _Holding] = {}
        self._pods: Counter[str] = Counter()
        """By namespace."""
        self._total = 0
        self._tickets: dict[str, Ticket] = {}
        self._waiting: dict[str, list[_Rank]] = {}
        """By namespace, in order; never empty lists."""
        self._heads: list[_Head] = []
        """The first of each namespace that is not full, in order."""
        self._head_of: dict[str, _Head] = {}

    @property
    def is_open(self) -> bool:
        """Whether nobody ever has to wait."""
        return not (self._limit or self._namespace_limit)

    @property
    def length(self) -> int:
        """How many wait."""
        return len(self._tickets)

    @property
    def pods(self) -> int:
        """How many pods are held for those that do not wait."""
        return self._total

    def look(self, ticket: Ticket) -> Place:
        """Where a VideoJob stands or would stand, and whether it is its turn.

        Whose turn it is costs the logarithm of the jobs that wait; the place of one whose turn it
        is not, that times the namespaces in line.
        """
        held = self._holdings.get(ticket.uid)
        if self.is_open or (held is not None and held.pods >= ticket.pods):
            return Place(0)  # who has its places keeps them
        if self._goes_first(ticket) and self._fits(ticket):
            return Place(0)
        return Place(self._ahead(ticket) + 1)

    def settle(self, key: Key, uid: str, pods: int, ticket: Ticket | None) -> None:
        """What a VideoJob has now: places for so many pods, and perhaps a wish for others."""
        if self.is_open:
            return
        before = self._holdings.get(uid)
        if pods == (before.pods if before else 0) and ticket == self._tickets.get(uid):
            return
        self._hold(uid, key.namespace, pods)
        if ticket != self._tickets.get(uid):
            self._leave(uid)
            if ticket is not None:
                self._tickets[uid] = ticket
                insort(self._waiting.setdefault(key.namespace, []), _rank(ticket))
                self._sort(key.namespace)
        self._call_next()

    def forget(self, uid: str) -> None:
        """Its places and its wish are gone."""
        if uid in self._holdings or uid in self._tickets:
            self._hold(uid, "", 0)
            self._leave(uid)
            self._call_next()

    def stand_aside(self, uid: str) -> None:
        """Its wish is gone until it is said again, and those behind it go on. Its places it keeps."""
        if uid in self._tickets:
            self._leave(uid)
            self._call_next()

    def keep_only(self, uids: Collection[str]) -> None:
        """Forget all others: VideoJobs that went while nobody watched."""
        for uid in {*self._holdings, *self._tickets} - set(uids):
            self.forget(uid)

    def _hold(self, uid: str, namespace: str, pods: int) -> None:
        if (old := self._holdings.pop(uid, None)) is not None:
            self._pods[old.namespace] -= old.pods
            self._total -= old.pods
            if not self._pods[old.namespace]:
                del self._pods[old.namespace]
            self._sort(old.namespace)
        if pods:
            self._holdings[uid] = _Holding(namespace, pods)
            self._pods[namespace] += pods
            self._total += pods
            self._sort(namespace)

    def _leave(self, uid: str) -> None:
        if (ticket := self._tickets.pop(uid, None)) is None:
            return
        ranks = self._waiting[ticket.key.namespace]
        del ranks[bisect_left(ranks, _rank(ticket))]
        if not ranks:
            del self._waiting[ticket.key.namespace]
        self._sort(ticket.key.namespace)

    def _sort(self, namespace: str) -> None:
        """Put a namespace where it belongs: its pods or its first has changed."""
        if (old := self._head_of.pop(namespace, None)) is not None:
            del self._heads[bisect_left(self._heads, old)]
        ranks = self._waiting.get(namespace)
        if ranks and self._fits_namespace(self._tickets[ranks[0].uid]):
            head = _Head(self._pods[namespace], ranks[0], namespace)
            self._head_of[namespace] = head
            insort(self._heads, head)

    def _call_next(self) -> None:
        """Have the one whose turn it is looked at; when it has started, the next is called."""
        if self._limit and self._total >= self._limit:
            return
        if self._heads and self._fits(ticket := self._tickets[self._heads[0].rank.uid]):
            self._wake(ticket.key)

    def _goes_first(self, ticket: Ticket) -> bool:
        """Whether nobody who could start goes before it; it need not stand in the line yet."""
        namespace, rank = ticket.key.namespace, _rank(ticket)
        siblings = self._waiting.get(namespace)
        if siblings and siblings[0] < rank:
            return False
        return not self._heads or (self._pods[namespace], rank) <= self._heads[0][:2]

    def _ahead(self, ticket: Ticket) -> int:
        """How many go before it, as if every job were one pod.

        Its namespace has its turn once more with each of its jobs that start, and in the meantime
        every other namespace starts as many as bring it to the same number of pods.
        """
        own = ticket.key.namespace
        index = bisect_left(self._waiting.get(own, []), _rank(ticket))
        turn = self._pods[own] + index
        ahead = index
        for namespace, ranks in self._waiting.items():
            if namespace != own:
                rounds = turn - self._pods[namespace]
                tied = 0 <= rounds < len(ranks) and ranks[rounds] < _rank(ticket)
                ahead += min(len(ranks), max(0, rounds)) + tied
        return ahead

    def _fits(self, ticket: Ticket) -> bool:
        room = not self._limit or self._total + ticket.pods <= self._limit
        return room and self._fits_namespace(ticket)

    def _fits_namespace(self, ticket: Ticket) -> bool:
        if not self._namespace_limit:
            return True
        return self._pods[ticket.key.namespace] + ticket.pods <= self._namespace_limit
