"""Observed: everything one decision may look at, frozen; and Decision, everything it may say.

Built by ``observe``, read by ``decide`` and the policies, carried out by ``act``. Values only: nothing
here reaches the cluster or the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from videojob_api import names
from videojob_api.clean_up import CleanUpResult
from videojob_api.conditions import ConditionType
from videojob_api.report import ProgressReport, Result
from videojob_api.status import Phase, TemplateStatus, Usage, VideoJobStatus
from videojob_api.videojob import VideoJobSpec
from videojob_api.videostore import VideoStoreSpec

from .attempt import Attempt, Ending, HangingPod, Pause, Silence, WaitingPod
from .nodes import Nodes
from .settings import Settings

_SOON_SECONDS = 1.0
"""After the end only children and letters are left."""


class Key(NamedTuple):
    """Which VideoJob: the unit of the queue."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Ticket:
    """What a VideoJob waits for in the operator's own line."""

    key: Key
    uid: str
    priority: int
    since: str
    """When it was made, as Kubernetes writes it: that sorts by age."""
    pods: int
    """Places for so many, all at once."""


@dataclass(frozen=True)
class Place:
    """Where it stands in the line: 1 is next, 0 is its turn."""

    position: int


@dataclass(frozen=True)
class StoreMissing:
    """There is no VideoStore of that name, or none that may be read and is understood."""

    name: str
    invalid: str = ""
    """Why it is not understood."""
    forbidden: str = ""
    """Why it may not be read."""


@dataclass(frozen=True)
class TemplateProblem:
    """Why no steps can be taken from the template that the VideoJob names."""

    reason: str
    """CamelCase word for the conditions."""
    message: str
    is_final: bool = False
    """Whether the VideoJob itself is to blame; otherwise it waits until the template is mended."""


@dataclass(frozen=True)
class CleanUp:
    """The Job that deletes a VideoJob's outputs."""

    name: str
    uid: str
    created_at: datetime
    is_over: bool = False
    result: CleanUpResult | None = None
    """What its last pod said."""
    stuck: str = ""
    """Why its pod can't start, where only a person can mend that."""


@dataclass(frozen=True)
class Removal:
    """The VideoJob is being deleted, and waits for our finalizer."""

    since: datetime
    """The first look at it by this operator."""
    is_namespace_going: bool
    workers: int
    """Pods that have not ended yet."""
    clean_up: CleanUp | None = None


@dataclass(frozen=True)
class Delivery:
    """How an attempt to deliver a notification ended."""

    attempts: int
    """With this one."""
    at: datetime
    problem: str = ""
    """Why it failed; empty when it did not."""
    is_final: bool = False
    """Whether no other attempt is wanted."""


@dataclass(frozen=True)
class Letter:
    """A notification to deliver."""

    id: str
    event: str
    url: str
    run_id: str
    """The run that it tells of; another one may have begun since."""
    ended_at: str | None = None
    """When that run ended, as Kubernetes writes it."""
    secret: str | None = None
    """Name of the Secret that it is signed with."""


@dataclass(frozen=True)
class Observed:
    """One VideoJob and everything around it."""

    key: Key
    uid: str
    generation: int
    resource_version: str
    status: VideoJobStatus
    settings: Settings
    spec: VideoJobSpec | None
    """None when the manifest is not understood; then ``invalid`` says why."""
    invalid: str = ""
    unknown: tuple[str, ...] = ()
    """Fields of the manifest that only another version of the operator knows."""
    deleting: bool = False
    namespace_going: bool = False
    """Whether its whole namespace is being deleted; asked only where a Job has lost a pod."""
    finalizers: tuple[str, ...] = ()
    removal: Removal | None = None
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    """Notification id → how its last attempt ended, where the status does not know yet."""
    attempts: tuple[Attempt, ...] = ()
    """All Jobs of the current run that still exist, oldest first."""
    earlier: tuple[Attempt, ...] = ()
    """Jobs of the runs before."""
    results: Mapping[int, Result] = field(default_factory=dict)
    """What workers said of inputs that have ended."""
    endings: Mapping[int, Ending] = field(default_factory=dict)
    """How the last pod of each failed input ended."""
    progress: Mapping[int, ProgressReport] = field(default_factory=dict)
    """Live reports of the newest attempt."""
    usage: Usage | None = None
    """What all pods that ended have cost, as far as it is known."""
    waiting: tuple[WaitingPod, ...] = ()
    pauses: Mapping[int, Pause] = field(default_factory=dict)
    """Inputs of the newest attempt that will be tried again, and have no pod."""
    hanging: tuple[HangingPod, ...] = ()
    idle_since: datetime | None = None
    """Since when the newest attempt has been seen without a pod that lives, though it may have one."""
    silence: Silence | None = None
    """What Events say of the newest attempt, where nothing else tells why no worker is at work."""
    quiet_since: datetime | None = None
    """Since when no worker of the newest attempt has been seen at work."""
    at_work_since: datetime | None = None
    """Since when one has been."""
    store: VideoStoreSpec | StoreMissing | None = None
    """Looked up only when a Job is to be made."""
    nodes: Nodes | None = None
    """None when nobody looked or may look."""
    created_at: str = ""
    """When the VideoJob was made, as Kubernetes writes it."""
    place: Place | None = None
    """In the operator's own line, when a Job is due; None where there is no line for it."""
    workload: str = ""
    """Why Kueue does not let the newest Job in, in its own words."""
    template: TemplateStatus | TemplateProblem | None = None
    """What was taken from the template, now or earlier; None for a VideoJob with steps of its own."""

    @property
    def is_accepted(self) -> bool:
        """Whether it is known what is to be done."""
        return (
            self.spec is not None
            and not isinstance(self.template, TemplateProblem)
            and not self.waits_for_upgrade
        )

    @property
    def waits_for_upgrade(self) -> bool:
        """Whether it asks for what is not known here, and has not begun or can't go on without it.

        What has begun goes on without defaults that have come to it since.
        """
        begun = bool(self.attempts or self.status.attempt)
        return bool(self.unknown) and (self.spec is None or not begun)

    @property
    def attempt(self) -> Attempt | None:
        """The newest Job."""
        return self.attempts[-1] if self.attempts else None

    @property
    def run_id(self) -> str:
        """Names this run; stable for its whole life."""
        return self.status.run_id or names.run_id(self.uid, 1)

    @property
    def run(self) -> int:
        """The run's number, from 1."""
        return names.run_number(self.run_id)

    @property
    def run_token(self) -> str:
        """What this run was begun with, or will be: its Job tells before the status does."""
        if self.status.run_id is not None:
            return self.status.observed_run_token or ""
        if self.attempt is not None and self.attempt.run_token is not None:
            return self.attempt.run_token
        return self.spec.run_token if self.spec else ""

    @property
    def told_reason(self) -> str:
        """The reason that stands on the resource."""
        ready = (c.reason for c in self.status.conditions if c.type == ConditionType.READY)
        return next(ready, "")

    @property
    def is_due_to_rerun(self) -> bool:
        """Whether another runToken asks for a new run."""
        return self.spec is not None and not self.deleting and self.spec.run_token != self.run_token

    @property
    def is_held(self) -> bool:
        """Whether nothing may be started: suspended, cancelled, or gone."""
        if self.deleting or self.status.phase.is_terminal:
            return True
        told = self.spec is not None and (self.spec.suspend or self.spec.cancel)
        return told or self.status.phase is Phase.CANCELLING

    @property
    def stopping(self) -> tuple[Attempt, ...]:
        """Jobs whose workers have been told to stop and have not all done so."""
        return tuple(a for a in (*self.earlier, *self.attempts) if a.deleted and a.may_work)

    @property
    def input_count(self) -> int:
        """How many inputs the job has."""
        if self.spec is not None:
            return len(self.spec.inputs)
        return self.status.input_counts.total if self.status.input_counts else 0


@dataclass(frozen=True)
class CreateJob:
    """Make the Job, after its ConfigMap if the order is too long for the environment."""

    manifest: dict[str, Any]
    config_map: dict[str, Any] | None = None

    @property
    def pods(self) -> int:
        """Places that it takes up among the operator's own; those of Kueue are not counted."""
        spec: dict[str, Any] = self.manifest["spec"]
        return 0 if spec.get("suspend") else int(spec["parallelism"])


@dataclass(frozen=True)
class DeleteJob:
    """Delete exactly that Job, its pods and the ConfigMap with its order."""

    name: str
    uid: str
    has_config_map: bool = False
    stays_for_pods: bool = False
    """Whether the Job stays, as being deleted, until the last of its pods has gone."""
    may_fail: bool = False
    """Whether what follows is done though the Job can't be deleted."""

    @classmethod
    def of(cls, attempt: Attempt) -> DeleteJob:
        """The Job of an attempt; it stays until one can tell that no worker of it is left."""
        return cls(
            attempt.name,
            attempt.uid,
            attempt.order_in_config_map,
            stays_for_pods=attempt.may_work,
        )


@dataclass(frozen=True)
class DeleteVideoJob:
    """Delete the VideoJob itself, if it still is as it was observed."""


@dataclass(frozen=True)
class SetFinalizers:
    """The VideoJob's finalizers, if it still is as it was observed."""

    finalizers: tuple[str, ...]


@dataclass(frozen=True)
class CreateCleanUp:
    """Make the Job that deletes the outputs."""

    manifest: dict[str, Any]


@dataclass(frozen=True)
class Deliver:
    """Try to deliver a notification, beside everything else."""

    letter: Letter
    attempt: int


@dataclass(frozen=True)
class ReleasePod:
    """Declare that pod failed and remove it: its node does not answer any more."""

    name: str
    uid: str


@dataclass(frozen=True)
class WakeJob:
    """Have Kubernetes look at that Job again: it seems to have forgotten it."""

    name: str
    uid: str


@dataclass(frozen=True)
class EmitEvent:
    """A Kubernetes Event on the VideoJob; the same one twice is one."""

    type: str
    reason: str
    message: str


Action = (
    CreateJob
    | DeleteJob
    | ReleasePod
    | WakeJob
    | DeleteVideoJob
    | SetFinalizers
    | CreateCleanUp
    | Deliver
    | EmitEvent
)


@dataclass(frozen=True)
class Decision:
    """What to do, what to say, when to look again."""

    policy: str = ""
    """Name of the policy that spoke."""
    actions: tuple[Action, ...] = ()
    status: VideoJobStatus | None = None
    """The whole wanted status; None leaves it as it is."""
    requeue_seconds: float | None = None
    ticket: Ticket | None = None
    """What it goes on waiting for in the operator's own line; None leaves the line."""
    is_settled: bool = False
    """Whether nothing is to be decided after the status is written until something happens."""
    is_news: bool = True
    """Whether the status must be written now; progress can wait a moment."""

    @property
    def look_again_seconds(self) -> float | None:
        """When to look again once the status is written: it may be but one step of several."""
        if self.is_settled:
            return self.requeue_seconds
        over = self.status is not None and self.status.phase.is_terminal
        return min(_SOON_SECONDS if over else 0.0, self.requeue_seconds or _SOON_SECONDS)

    def look_again_in(self, seconds: float) -> Decision:
        """The same decision, looked at again by then at the latest."""
        times = (seconds, self.requeue_seconds)
        return replace(self, requeue_seconds=min(t for t in times if t is not None))

    def because(self, policy: str) -> Decision:
        """The same decision, signed by its policy."""
        return replace(self, policy=policy)
