"""The status of a VideoJob, as the operator writes it and everyone reads it.

Pure. Lists are capped: the whole truth of an input is its manifest in the store.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue, WithJsonSchema

from .base import Tolerant

MAX_RUN_TOKEN = 128
MAX_STATUS_INPUTS = 100
MAX_STATUS_OUTPUTS = 50
MAX_MESSAGE = 1024
MAX_LOG_TAIL = 2048

Text = Annotated[str, Field(max_length=MAX_MESSAGE)]
Word = Annotated[str, Field(max_length=128)]
Key = Annotated[str, Field(max_length=2048)]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Percent = Annotated[int, Field(ge=0, le=100)]
MAX_COUNT = 2**53
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
ExitStatus = Annotated[int, Field(ge=0, le=255)]


_OPAQUE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
Opaque = Annotated[dict[str, JsonValue], WithJsonSchema(_OPAQUE)]
"""A part of a spec as it was; the models of the spec know its form."""
OpaqueList = Annotated[
    list[dict[str, JsonValue]],
    WithJsonSchema({"type": "array", "maxItems": 32, "items": _OPAQUE}),
]


class Phase(StrEnum):
    """Where the job is; computed from facts every time."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    CANCELLING = "Cancelling"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    REJECTED = "Rejected"
    CANCELLED = "Cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended."""
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.REJECTED, Phase.CANCELLED)


class InputState(StrEnum):
    """Where one input is."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    REJECTED = "Rejected"
    CANCELLED = "Cancelled"


class Stage(StrEnum):
    """What a worker is doing with its input."""

    FETCHING = "Fetching"
    PROBING = "Probing"
    PROCESSING = "Processing"
    PUBLISHING = "Publishing"


class Condition(Tolerant):
    """A Kubernetes condition."""

    type: Word
    status: Annotated[str, Field(pattern="^(True|False|Unknown)$", max_length=7)]
    reason: Word
    message: Text = ""
    last_transition_time: Time
    observed_generation: Annotated[int, Field(ge=0)] | None = None


class Progress(Tolerant):
    """How far the whole job is."""

    percent: Percent = 0
    eta_seconds: Count | None = Field(default=None, description="Estimated time to the end.")
    step: Word | None = Field(default=None, description="Steps being worked on.")
    stage: Stage | None = None
    fps: Annotated[float, Field(ge=0)] | None = Field(default=None, description="Frames a second.")
    speed: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Seconds of film for each second of work."
    )
    updated_at: Time | None = None


class MediaFacts(Tolerant):
    """What a film is, as its worker measured it."""

    duration_seconds: Annotated[float, Field(ge=0)] | None = None
    width: Count | None = Field(default=None, description="As shown, after rotation.")
    height: Count | None = None
    video_codec: Word | None = None
    audio_codec: Word | None = None
    mime_type: Word | None = None
    bytes: Count | None = None


class InputStatus(MediaFacts):
    """How one input fares."""

    name: Word
    state: InputState = InputState.PENDING
    percent: Percent | None = None
    attempts: Count | None = Field(default=None, description="How many attempts worked on it.")
    reason: Word | None = None
    message: Text | None = None
    manifest_key: Key | None = None


class InputCounts(Tolerant):
    """How many inputs are where; exact whatever the lists leave out."""

    total: Count = 0
    active: Count = 0
    succeeded: Count = 0
    failed: Count = 0
    rejected: Count = 0


class Indexes(Tolerant):
    """Exact sets of input indexes as ranges, such as 0-3,7."""

    succeeded: Annotated[str, Field(max_length=4096)] = ""
    failed: Annotated[str, Field(max_length=4096)] = ""
    rejected: Annotated[str, Field(max_length=4096)] = ""


class OutputStatus(Tolerant):
    """One published object."""

    name: Annotated[str, Field(max_length=256)]
    input: Word
    step: Word
    key: Key
    bytes: Count
    sha256: Annotated[str, Field(max_length=64)]
    mime_type: Word | None = None
    width: Count | None = None
    height: Count | None = None
    duration_seconds: Annotated[float, Field(ge=0)] | None = None


class RaisedMemory(Tolerant):
    """Inputs that ran out of memory and get more than the manifest asks for."""

    indexes: Annotated[str, Field(max_length=4096)]
    memory: Word = Field(description="Their workers' memory limit.")


class AcceleratorStatus(Tolerant):
    """Which accelerator was asked for and which is used; a fallback is never silent."""

    requested: Word | None = None
    used: Word | None = None
    reason: Word | None = None


class QueueStatus(Tolerant):
    """Place in the operator's own line."""

    position: Count = Field(
        default=1, description="At the latest so many-th to start: 1, 3, 10, 30, 100, 300, …"
    )


class Usage(Tolerant):
    """What the finished inputs cost."""

    gpu_seconds: Annotated[float, Field(ge=0)] = 0
    cpu_seconds: Annotated[float, Field(ge=0)] = 0
    bytes_in: Count = 0
    bytes_out: Count = 0


class Failure(Tolerant):
    """Why the job did not succeed; outlives the pods."""

    reason: Word
    retryable: bool = False
    exit_code: ExitStatus | None = None
    log_tail: Annotated[str, Field(max_length=MAX_LOG_TAIL)] | None = None
    log_key: Key | None = None


class Warn(Tolerant):
    """Something the user should know though the job went on."""

    input: Word | None = None
    step: Word | None = None
    reason: Word
    message: Text


class TemplateStatus(Tolerant):
    """What was taken from the template when the job was accepted; that is what is done."""

    kind: Word
    name: Annotated[str, Field(max_length=253)]
    generation: Count = 0
    steps: OpaqueList = Field(description="With all parameters filled in.")
    limits: Opaque | None = None
    resources: Opaque | None = None
    accelerator: Opaque | None = None


class NotificationState(StrEnum):
    """How far a notification is."""

    PENDING = "Pending"
    DELIVERED = "Delivered"
    FAILED = "Failed"


class NotificationStatus(Tolerant):
    """One notification about the end of this run, or of one before that could not be delivered yet."""

    id: Word = Field(description="As its receiver sees it; the same for every attempt.")
    event: Word
    run_id: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, alias="runID", description="The run that it tells of."
    )
    ended_at: Time | None = Field(default=None, description="When that run ended.")
    receiver: Word = Field(description="Host of its URL.")
    state: NotificationState = NotificationState.PENDING
    attempts: Count = 0
    next_attempt_at: Time | None = None
    message: Text | None = Field(default=None, description="Why the last attempt failed.")


class VideoJobStatus(Tolerant):
    """What has become of the job."""

    observed_generation: Annotated[int, Field(ge=-1)] = Field(default=-1)
    observed_run_token: Annotated[str, Field(max_length=MAX_RUN_TOKEN)] | None = Field(
        default=None, description="The spec.runToken that this run was started by."
    )
    run_id: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, alias="runID", description="Identifies this run of the job."
    )
    attempt: Count | None = Field(
        default=None, description="How many Kubernetes Jobs this run has made."
    )
    phase: Phase = Phase.PENDING
    message: Text | None = Field(default=None, description="One sentence on how it stands.")
    queue: QueueStatus | None = Field(
        default=None, description="While it waits in the operator's own line."
    )
    conditions: Annotated[list[Condition], Field(max_length=16)] = Field(
        default=[],
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    )
    progress: Progress | None = None
    inputs: Annotated[list[InputStatus], Field(max_length=MAX_STATUS_INPUTS)] = Field(
        default=[], description="Running and bad ones first; at most 100."
    )
    indexes: Indexes | None = None
    input_counts: InputCounts | None = None
    outputs: Annotated[list[OutputStatus], Field(max_length=MAX_STATUS_OUTPUTS)] = Field(
        default=[], description="At most 50; all of them are in the manifests."
    )
    outputs_truncated: bool | None = None
    output_count: Count | None = None
    output_bytes: Count | None = None
    accelerator: AcceleratorStatus | None = None
    usage: Usage | None = None
    raised_memory: Annotated[list[RaisedMemory], Field(max_length=16)] = Field(
        default=[], description="Of inputs that are not done yet; as long as the run lasts."
    )
    template: TemplateStatus | None = None
    failure: Failure | None = None
    warnings: Annotated[list[Warn], Field(max_length=20)] = Field(default=[])
    notifications: Annotated[list[NotificationStatus], Field(max_length=16)] = Field(default=[])
    accepted_at: Time | None = None
    resumed_at: Time | None = Field(
        default=None,
        description="When it last went on after a suspension; the deadline counts anew.",
    )
    started_at: Time | None = None
    finished_at: Time | None = None
