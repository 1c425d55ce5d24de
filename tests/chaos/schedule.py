"""What is done to the cluster and when: a schedule that follows from a seed.

Pure. Read by ``run.py``, which carries it out; the same seed and number of jobs give the same schedule,
so that a failure can be replayed.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What can be done; the values are what ``--only`` takes."""

    OPERATOR_KILL = "operator-kill"
    LEADER_KILL = "leader-kill"
    LEADER_FREEZE = "leader-freeze"
    API_SERVER_STOP = "api-server-stop"
    ETCD_STOP = "etcd-stop"
    WATCH_CUT = "watch-cut"
    API_429 = "api-429"
    API_500 = "api-500"
    STORE_STOP = "store-stop"
    KUBELET_RESTART = "kubelet-restart"
    REPORTS_GONE = "reports-gone"
    CLOCK_APART = "clock-apart"
    WORKER_KILL = "worker-kill"
    WORKER_DELETE = "worker-delete"
    WORKER_EVICT = "worker-evict"
    WORKER_OOM = "worker-oom"


@dataclass(frozen=True)
class Rule:
    """How an injection of a kind takes place."""

    seconds: float
    """How long it lasts; for one of a moment, how long the next outage waits."""
    times: int
    """In a whole run."""
    alone: bool = True
    """Outages come one after the other; the rest strikes at any moment, beside them too."""
    ends_api: bool = False
    """No request to the API server succeeds meanwhile."""
    needs_api: bool = False
    """It is done by a request."""


RULES: dict[Kind, Rule] = {
    Kind.OPERATOR_KILL: Rule(6, 2),
    Kind.LEADER_KILL: Rule(15, 2, needs_api=True),
    Kind.LEADER_FREEZE: Rule(15, 1, needs_api=True),
    Kind.API_SERVER_STOP: Rule(30, 1, ends_api=True),
    Kind.ETCD_STOP: Rule(20, 1, ends_api=True),
    Kind.WATCH_CUT: Rule(2, 3),
    Kind.API_429: Rule(15, 1),
    Kind.API_500: Rule(15, 1),
    Kind.STORE_STOP: Rule(30, 1),
    Kind.KUBELET_RESTART: Rule(10, 1),
    Kind.REPORTS_GONE: Rule(15, 1, needs_api=True),
    Kind.CLOCK_APART: Rule(60, 1, alone=False),
    Kind.WORKER_KILL: Rule(0, 4, alone=False),
    Kind.WORKER_DELETE: Rule(0, 3, alone=False, needs_api=True),
    Kind.WORKER_EVICT: Rule(0, 3, alone=False, needs_api=True),
    Kind.WORKER_OOM: Rule(0, 3, alone=False),
}
WHOLE_RUN_JOBS = 100
"""From so many jobs on every kind strikes as often as its rule says; below, once."""
_FIRST_SECONDS = 5.0
_PAUSE_SECONDS = (2.0, 9.0)
_MARGIN_SECONDS = 6.0
"""Around an outage of the API server in which no request is sure to succeed."""


@dataclass(frozen=True)
class Injection:
    """One thing that is done."""

    number: int
    """Its place in the schedule; what is left to chance in it follows from seed and number."""
    kind: Kind
    at_seconds: float
    """From the start of the stream of jobs."""
    seconds: float

    @property
    def ends_at(self) -> float:
        """When it is over."""
        return self.at_seconds + self.seconds


def build_schedule(seed: int, jobs: int, only: Collection[Kind] = ()) -> tuple[Injection, ...]:
    """The injections in order of time.

    Args:
        seed: everything follows from it.
        jobs: how many jobs the stream has; a short one gets each kind once.
        only: the kinds; none means all.
    """
    chance = random.Random(f"{seed}/schedule")  # noqa: S311
    kinds = [kind for kind in Kind if not only or kind in only]
    whole = jobs >= WHOLE_RUN_JOBS
    wanted = [kind for kind in kinds for _ in range(RULES[kind].times if whole else 1)]
    outages = [kind for kind in wanted if RULES[kind].alone]
    chance.shuffle(outages)
    planned: list[tuple[float, Kind]] = []
    free_from = _FIRST_SECONDS
    for kind in outages:
        at = free_from + chance.uniform(*_PAUSE_SECONDS)
        planned.append((at, kind))
        free_from = at + RULES[kind].seconds
    deaf = [
        (at - _MARGIN_SECONDS, at + RULES[kind].seconds + _MARGIN_SECONDS)
        for at, kind in planned
        if RULES[kind].ends_api
    ]
    end = max(free_from, _FIRST_SECONDS + jobs)
    for kind in (kind for kind in wanted if not RULES[kind].alone):
        latest = max(_FIRST_SECONDS, end - RULES[kind].seconds)
        at = chance.uniform(_FIRST_SECONDS, latest)
        while RULES[kind].needs_api and any(begin < at < over for begin, over in deaf):
            at = chance.uniform(_FIRST_SECONDS, latest)
        planned.append((at, kind))
    return tuple(
        Injection(number, kind, round(at, 1), RULES[kind].seconds)
        for number, (at, kind) in enumerate(sorted(planned), start=1)
    )
