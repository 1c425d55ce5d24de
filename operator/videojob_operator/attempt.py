"""An attempt: one Job of ours and its pods, reduced to what decisions need. Values only.

Built by ``facts``, part of ``Observed``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

EVICTED = "Evicted"
"""The kubelet's reason of a pod that it stopped for want of room, its own or the node's."""


@dataclass(frozen=True)
class Ending:
    """How the last pod of an index ended, as the kubelet tells it."""

    exit_code: int | None
    reason: str = ""
    """Of the container or the pod: OOMKilled, Evicted, Error, …"""
    message: str = ""
    """Termination message as it stands, when it is no Result."""
    pod: str = ""

    @property
    def outgrew_scratch(self) -> bool:
        """Whether it was evicted for what it had written itself; a node's full disk is another matter."""
        limits = ("exceeds the limit", "exceeds the total limit", "exceeded its local ephemeral")
        return self.reason == EVICTED and any(words in self.message for words in limits)

    @property
    def last_words(self) -> str:
        """What a worker that could not say more left behind: its exit code and its last line."""
        lines = [line.strip() for line in self.message.splitlines() if line.strip()]
        said = f": {lines[-1]}" if lines else ""
        return f"the worker ended with exit code {self.exit_code}{said}"


def name_claims(templates: Iterable[str]) -> str | None:
    """How devices by claim are called where an extended resource would be named."""
    told = ", ".join(templates)
    return f"ResourceClaim {told}" if told else None


@dataclass(frozen=True)
class Attempt:
    """One Job of ours, reduced to what decisions need. Indexes are those of the VideoJob's inputs."""

    name: str
    uid: str
    number: int
    run_id: str
    indexes: tuple[int, ...]
    """The inputs it works on: Job index i is the i-th of them."""
    created_at: datetime
    active: int = 0
    ready: int = 0
    completed: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    ended_at: datetime | None = None
    """When it was seen to be over."""
    pods_failed: int = 0
    """Pods of it that failed so far."""
    kills: int = 0
    """Attempts of this run, this one included, made because a pod was killed from outside."""
    waits: int = 0
    """Attempts of this run made because the store refused."""
    run_token: str | None = None
    """What its run was begun with; None where an operator made it that did not write that down."""
    memory_bytes: int = 0
    """The memory limit of its workers."""
    given_up: frozenset[int] = frozenset()
    """Inputs (among the failed ones) that the Job would go on with for ever, and we do not."""
    accelerator_reason: str = ""
    accelerator: str | None = None
    """The extended resource its pods ask for."""
    accelerator_count: int = 0
    claims: tuple[tuple[str, str], ...] = ()
    """Devices its pods claim: name and ResourceClaimTemplate."""
    parallelism: int = 1
    """Pods that it has at once, at most."""
    queue: str = ""
    """The LocalQueue of Kueue that it stands in."""
    suspended: bool = False
    """Whether it may have no pods now: Kueue has not let it in, or has put it out again."""
    deleted_at: datetime | None = None
    """When it was told to stop its workers and go."""
    order_in_config_map: bool = False
    """Whether its work order travels in a ConfigMap."""

    @property
    def deleted(self) -> bool:
        """Whether it stays only until its pods have stopped."""
        return self.deleted_at is not None

    @property
    def open(self) -> frozenset[int]:
        """Inputs it has not ended yet."""
        return frozenset(self.indexes) - self.completed - self.failed

    def input_of(self, job_index: int) -> int | None:
        """The input that the pod at this place in the Job works on; None where it has no such place."""
        return self.indexes[job_index] if 0 <= job_index < len(self.indexes) else None

    @property
    def gpus(self) -> int:
        """How many accelerators each worker holds."""
        return self.accelerator_count or len(self.claims)

    @property
    def device(self) -> str | None:
        """What its workers get, in words; None is the CPU."""
        return self.accelerator or name_claims(template for _, template in self.claims)

    @property
    def pods(self) -> int:
        """Places that it takes up among the operator's own; those of Kueue are not counted."""
        return 0 if self.queue or self.is_over else min(self.parallelism, len(self.open))

    def differs_in_counters_alone(self, other: Attempt) -> bool:
        """Whether only other numbers of pods are active and ready."""
        return replace(self, active=other.active, ready=other.ready) == other

    @property
    def may_work(self) -> bool:
        """Whether it may have workers: over for us, one is given up that Kubernetes goes on with."""
        return not self.is_over or bool(self.given_up)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.ended_at is not None or not self.open


@dataclass(frozen=True)
class WaitingPod:
    """A pod of ours that is not running yet, and why."""

    name: str
    reason: str
    message: str
    since: datetime
    """When it was made."""


@dataclass(frozen=True)
class Pause:
    """An input whose worker has failed, and whose next one its Job does not start at once."""

    index: int
    tries: int
    """Those that count, so far."""
    counts: bool
    """Whether the last one does."""
    reason: str
    """How the last one ended, in one word."""
    message: str
    until: datetime
    """When the next one begins."""


@dataclass(frozen=True)
class Warned:
    """What keeps a worker from its start, in the words of whoever keeps it."""

    reason: str
    message: str


@dataclass(frozen=True)
class Silence:
    """A Job without a pod, or a pod whose volumes do not come: why, Events alone tell."""

    name: str
    is_pod: bool
    is_asked: bool = False
    """Whether Events have been asked; for thousands of Jobs that takes its time."""
    warned: Warned | None = None
    """What they say."""


@dataclass(frozen=True)
class HangingPod:
    """A pod that was told to stop and has not said that it has."""

    name: str
    uid: str
    grace_ends_at: datetime
