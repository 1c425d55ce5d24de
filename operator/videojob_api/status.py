"""The status of a VideoJob, as the operator writes it and everyone reads it.

Pure. Lists are capped: the whole truth of an input is its manifest in the store.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, WithJsonSchema

from .base import Tolerant, parse_quantity
from .indexes import parse_indexes

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


def _check_ranges(text: str) -> str:
    parse_indexes(text)
    return text


def _check_quantity(text: str) -> str:
    parse_quantity(text)
    return text


Ranges = Annotated[str, Field(max_length=4096), AfterValidator(_check_ranges)]


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

    type: Word = Field(
        description="Accepted, Scheduled, Complete, Failed, or of kstatus Ready, Reconciling, Stalled."
    )
    status: Annotated[str, Field(pattern="^(True|False|Unknown)$", max_length=7)] = Field(
        description="Whether it is so."
    )
    reason: Word = Field(description="Why, in one stable word.")
    message: Text = Field(default="", description="Why, in a sentence.")
    last_transition_time: Time = Field(description="When its status last changed.")
    observed_generation: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="The generation of the VideoJob that it was said of."
    )


class Progress(Tolerant):
    """How far the whole job is."""

    percent: Percent = Field(
        default=0, description="The mean over all inputs; one that has ended counts as done."
    )
    eta_seconds: Count | None = Field(
        default=None,
        description="Estimated seconds to the end; only while workers run, and once they know enough.",
    )
    step: Word | None = Field(default=None, description="Steps being worked on, by their names.")
    stage: Stage | None = Field(
        default=None, description="What the worker of the first input at work is doing."
    )
    fps: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Frames a second, of all workers together."
    )
    speed: Annotated[float, Field(ge=0)] | None = Field(
        default=None,
        description="Seconds of film for each second of work, of all workers together.",
    )
    updated_at: Time | None = Field(default=None, description="When this was written.")


class MediaFacts(Tolerant):
    """What a film is, as its worker measured it."""

    duration_seconds: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Length of the film."
    )
    width: Count | None = Field(default=None, description="As shown, after rotation.")
    height: Count | None = Field(default=None, description="As shown, after rotation.")
    video_codec: Word | None = Field(default=None, description="By ffmpeg's name, such as h264.")
    audio_codec: Word | None = Field(
        default=None, description="Of the first sound track; none without sound."
    )
    mime_type: Word | None = Field(default=None, description="By content, not by the name.")
    bytes: Count | None = Field(default=None, description="Size of the file.")


class InputStatus(MediaFacts):
    """How one input fares."""

    name: Word = Field(description="As in spec.inputs.")
    state: InputState = InputState.PENDING
    percent: Percent | None = Field(default=None, description="How far its worker is.")
    attempts: Count | None = Field(
        default=None,
        description="How many attempts (Jobs) had it; what one of them tries again is not counted.",
    )
    reason: Word | None = Field(
        default=None,
        description="Why it is Failed or Rejected, or is tried again, in one stable word.",
    )
    message: Text | None = Field(default=None, description="The same in a sentence.")
    manifest_key: Key | None = Field(
        default=None, description="Key of its manifest.json, once it has Succeeded."
    )


class InputCounts(Tolerant):
    """How many inputs are where; exact whatever the lists leave out."""

    total: Count = Field(default=0, description="All of them.")
    active: Count = Field(default=0, description="Those that a worker is at.")
    succeeded: Count = Field(default=0, description="Those whose results are all published.")
    failed: Count = Field(default=0, description="Those that may be good, and were not done.")
    rejected: Count = Field(default=0, description="Those that are not acceptable.")


class Indexes(Tolerant):
    """Exact sets of input indexes as ranges, such as 0-3,7."""

    succeeded: Ranges = Field(default="", description="Inputs that succeeded; the first is 0.")
    failed: Ranges = Field(default="", description="Inputs that failed.")
    rejected: Ranges = Field(default="", description="Inputs that were rejected.")


class OutputStatus(Tolerant):
    """One published object."""

    name: Annotated[str, Field(max_length=256)] = Field(
        description="Its file in the step's folder."
    )
    input: Word = Field(description="The input that it was made from.")
    step: Word = Field(description="The step that made it.")
    key: Key = Field(description="Its key, below the store's prefix.")
    bytes: Count = Field(description="Its size.")
    sha256: Annotated[str, Field(max_length=64)] = Field(description="Its checksum, in hex.")
    mime_type: Word | None = Field(default=None, description="Its media type.")
    width: Count | None = Field(default=None, description="Of a film or a picture.")
    height: Count | None = Field(default=None, description="Of a film or a picture.")
    duration_seconds: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Of a film or a sound."
    )


class RaisedMemory(Tolerant):
    """Inputs that ran out of memory and get more than the manifest asks for."""

    indexes: Ranges = Field(description="Which inputs, as ranges.")
    memory: Annotated[Word, AfterValidator(_check_quantity)] = Field(
        description="Their workers' memory limit."
    )


class AcceleratorStatus(Tolerant):
    """Which accelerator was asked for and which is used; a fallback is never silent."""

    requested: Word | None = Field(default=None, description="The mode, and what it asks for.")
    used: Word | None = Field(default=None, description="What workers get: a resource, or CPU.")
    reason: Word | None = Field(default=None, description="Why, in one stable word.")


class QueueStatus(Tolerant):
    """Place in the operator's own line."""

    position: Count = Field(
        default=1, description="At the latest so many-th to start: 1, 3, 10, 30, 100, 300, …"
    )


class Usage(Tolerant):
    """What it cost, over all pods of the run, failed ones included."""

    gpu_seconds: Annotated[float, Field(ge=0)] = Field(
        default=0, description="Time that workers ran, for each GPU that they held."
    )
    cpu_seconds: Annotated[float, Field(ge=0)] = Field(
        default=0, description="CPU time, as workers told it."
    )
    bytes_in: Count = Field(default=0, description="Bytes fetched.")
    bytes_out: Count = Field(default=0, description="Bytes published.")


class Failure(Tolerant):
    """Why the job did not succeed, as soon as it can't any more; outlives the pods."""

    reason: Word = Field(description="Of the first bad input, or of the job's own end.")
    retryable: bool = Field(
        default=False, description="Whether running again may help without any change."
    )
    exit_code: ExitStatus | None = Field(default=None, description="The worker's exit code.")
    log_tail: Annotated[str, Field(max_length=MAX_LOG_TAIL)] | None = Field(
        default=None, description="The end of the worker's log."
    )
    log_key: Key | None = Field(
        default=None, description="Key of the whole log in the store, if one was published."
    )


class Warn(Tolerant):
    """Something the user should know though the job went on."""

    input: Word | None = Field(default=None, description="The input that it is about.")
    step: Word | None = Field(default=None, description="The step that it is about.")
    reason: Word = Field(description="What it is, in one stable word.")
    message: Text = Field(description="The same in a sentence.")


class TemplateStatus(Tolerant):
    """What was taken from the template when the job was accepted; that is what is done."""

    kind: Word = Field(description="VideoTemplate or ClusterVideoTemplate.")
    name: Annotated[str, Field(max_length=253)] = Field(description="The template's name.")
    generation: Count = Field(default=0, description="The template's generation at that time.")
    steps: OpaqueList = Field(description="With all parameters filled in.")
    limits: Opaque | None = Field(default=None, description="The template's limits, if it had any.")
    resources: Opaque | None = Field(
        default=None, description="The template's resources, if it had any."
    )
    accelerator: Opaque | None = Field(
        default=None, description="The template's accelerator, if it had one."
    )


class NotificationState(StrEnum):
    """How far a notification is."""

    PENDING = "Pending"
    DELIVERED = "Delivered"
    FAILED = "Failed"


class NotificationStatus(Tolerant):
    """One notification about the end of this run, or of one before that could not be delivered yet."""

    id: Word = Field(description="As its receiver sees it; the same for every attempt.")
    event: Word = Field(description="The end that it tells of.")
    run_id: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, alias="runID", description="The run that it tells of."
    )
    ended_at: Time | None = Field(default=None, description="When that run ended.")
    receiver: Word = Field(description="Host of its URL.")
    state: NotificationState = NotificationState.PENDING
    attempts: Count = Field(default=0, description="How often it was sent.")
    next_attempt_at: Time | None = Field(
        default=None, description="When it is sent again, if it was not taken."
    )
    message: Text | None = Field(default=None, description="Why the last attempt failed.")


class VideoJobStatus(Tolerant):
    """What has become of the job."""

    observed_generation: Annotated[int, Field(ge=-1)] = Field(
        default=-1, description="The generation that this status is about; -1 before there is one."
    )
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
        description="How it stands, for tools: kubectl wait, kstatus, Flux, Argo CD.",
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
    outputs_truncated: bool | None = Field(
        default=None, description="True where outputs does not list all of them."
    )
    output_count: Count | None = Field(
        default=None, description="How many objects were published; exact, whatever is listed."
    )
    output_bytes: Count | None = Field(default=None, description="Their size together; exact.")
    accelerator: AcceleratorStatus | None = None
    usage: Usage | None = None
    raised_memory: Annotated[list[RaisedMemory], Field(max_length=16)] = Field(
        default=[], description="Of inputs that are not done yet; as long as the run lasts."
    )
    template: TemplateStatus | None = None
    failure: Failure | None = None
    warnings: Annotated[list[Warn], Field(max_length=20)] = Field(
        default=[], description="What one should know though the job went on."
    )
    notifications: Annotated[list[NotificationStatus], Field(max_length=16)] = Field(
        default=[], description="How far each notification is, of this run and of earlier ones."
    )
    accepted_at: Time | None = Field(
        default=None,
        description="When the operator first saw this run; the deadline counts from here.",
    )
    resumed_at: Time | None = Field(
        default=None,
        description="When it last went on after a suspension; the deadline counts anew.",
    )
    started_at: Time | None = Field(default=None, description="When the first worker was at work.")
    finished_at: Time | None = Field(
        default=None, description="When the run ended; the ttl counts from here."
    )
