"""The VideoJob: what a person applies (spec) and what the operator answers (status).

Pure. ``crds/`` is generated from these models, so every description here is user documentation.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from .base import SUBDOMAIN_PATTERN, Model, Name, Quantity, Subdomain
from .ending import Notify, SubjectRef, Ttl, UserMetadata, check_metadata
from .inputs import Input
from .output import Output
from .resources import Resources
from .scheduling import Scheduling
from .status import MAX_RUN_TOKEN, VideoJobStatus
from .step_rules import STEP_RULES
from .steps import Step, check_steps

LIST_BY_NAME: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}


MAX_PARAM_LENGTH = 1024


class StoreRef(Model):
    """A VideoStore in the VideoJob's own namespace."""

    name: Subdomain = Field(description="Name of the VideoStore.")


class OnUnavailable(StrEnum):
    """What happens when a film can't be scanned."""

    FAIL = "Fail"
    SKIP = "Skip"


class MalwareScan(Model):
    """A scanner that every input is sent to before anything opens it."""

    address: Annotated[
        str,
        Field(
            max_length=262,
            pattern=r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$",
        ),
    ] = Field(
        description="Host and port of a clamd that the workers can reach, such as "
        "clamd.security.svc:3310; what it finds is Rejected Infected."
    )
    on_unavailable: OnUnavailable = Field(
        default=OnUnavailable.FAIL,
        description="When it can't be reached, or takes no files so large. Fail: the input Failed, "
        "and is tried again where that can help. Skip: go on, with a warning.",
    )


class Limits(Model):
    """What is accepted as input; anything beyond is Rejected with its own reason."""

    max_bytes: Quantity = Field(default="2Gi", description="Largest file.")
    max_duration_seconds: Annotated[int, Field(ge=1, le=604800)] = Field(
        default=14400, description="Longest film."
    )
    max_pixels: Annotated[int, Field(ge=4096, le=268435456)] = Field(
        default=35389440, description="Most pixels in a frame (the default is 8192 x 4320)."
    )
    malware_scan: MalwareScan | None = Field(
        default=None, description="Scan every input for malware before it is opened."
    )


class AcceleratorMode(StrEnum):
    """Whether GPUs are asked for."""

    AUTO = "Auto"
    REQUIRED = "Required"
    OFF = "Off"


class ResourceClaim(Model):
    """A device by dynamic resource allocation: each worker gets a claim of its own."""

    name: Name = Field(description="Unique in the list.")
    resource_claim_template_name: Subdomain = Field(
        description="ResourceClaimTemplate in this namespace that the claim is made from."
    )


class Accelerator(Model):
    """Which GPU the workers get."""

    mode: AcceleratorMode = Field(
        default=AcceleratorMode.AUTO,
        description="Auto: a GPU where the steps can use one and a node offers it, else the CPU, "
        "with the reason in status. Required: wait for a GPU. 'Off': never (in quotes, "
        "since YAML reads a bare Off as false).",
    )
    resource_name: Annotated[
        str, Field(max_length=253, pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")
    ] = Field(default="nvidia.com/gpu", description="The extended resource to ask for.")
    count: Annotated[int, Field(ge=1, le=16)] = Field(
        default=1, description="How many of it each worker gets."
    )
    resource_claims: Annotated[list[ResourceClaim], Field(max_length=8)] = Field(
        default=[],
        description="Devices by dynamic resource allocation (DRA), instead of resourceName and count. "
        "What a claim finds is not known beforehand, so that Auto asks for it and falls back.",
        json_schema_extra=LIST_BY_NAME,
    )
    fallback_after_seconds: Annotated[int, Field(ge=0, le=604800)] = Field(
        default=300,
        description="With Auto: how long no worker gets the GPU it was promised until the CPU is "
        "taken instead, for the rest of this run.",
    )


class TemplateKind(StrEnum):
    """Where a template lives."""

    NAMESPACED = "VideoTemplate"
    CLUSTER = "ClusterVideoTemplate"


class TemplateRef(Model):
    """The preset that a VideoJob's steps come from."""

    kind: TemplateKind = Field(
        default=TemplateKind.NAMESPACED,
        description="VideoTemplate is one of the VideoJob's own namespace.",
    )
    name: Annotated[str, Field(pattern=SUBDOMAIN_PATTERN, max_length=253)] = Field(
        description="The template's name; one that is not there yet is waited for."
    )

    def __str__(self) -> str:
        """As it is said in a sentence."""
        return f"{self.kind} {self.name!r}"


class OutOfMemoryRetry(Model):
    """How an input that ran out of memory is tried again."""

    factor: Annotated[float, Field(ge=1, le=4)] = Field(
        default=1.5, description="So many times the memory of the last try; 1 never tries again."
    )
    max: Quantity = Field(default="16Gi", description="Never more than so much memory.")


class Retry(Model):
    """What is tried again."""

    limit: Annotated[int, Field(ge=0, le=10)] = Field(
        default=3,
        description="How often one input is tried again, in each attempt, after a failure that may "
        "pass. A rejected input is not tried again; a preempted or drained worker does not count.",
    )
    out_of_memory: OutOfMemoryRetry = Field(
        default=OutOfMemoryRetry(),
        description="Inputs that ran out of memory, and only they, are tried again with more.",
    )


_IMMUTABLE = ("storeRef", "inputs", "steps", "templateRef", "params", "limits", "output.prefix")
_OPTIONAL = ("steps", "templateRef", "params", "limits")
_ORDERED = ("inputs",)
"""Indexes mean places in it: those of Jobs, and those in the status."""


def _unchanged(field: str) -> dict[str, str]:
    same = f"self.{field} == oldSelf.{field}"
    if field in _ORDERED:  # lists whose items have names are equal in any order
        same += f" && self.{field}.map(i, i.name) == oldSelf.{field}.map(i, i.name)"
    if field in _OPTIONAL:
        same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"
    return {
        "rule": f"self.runToken != oldSelf.runToken || ({same})",
        "message": f"{field} can't be changed during a run; change runToken in the same update to run "
        "again with it, or make a new VideoJob with another name",
    }


_RUN_RULES: list[Any] = [
    *(_unchanged(field) for field in _IMMUTABLE),
    {
        "rule": "self.runToken == oldSelf.runToken || !self.cancel",
        "message": "a new runToken starts a new run, which `cancel: true` would end at once; set "
        "cancel: false in the same update",
    },
]


class VideoJobSpec(Model):
    """One piece of work: inputs, steps, output."""

    store_ref: StoreRef = Field(description="The store that holds the inputs and gets the results.")
    inputs: Annotated[list[Input], Field(min_length=1, max_length=500)] = Field(
        description="The videos; each is worked on by a worker of its own.",
        json_schema_extra=LIST_BY_NAME,
    )
    steps: Annotated[list[Step], Field(min_length=1, max_length=32)] = Field(
        default_factory=list,
        description="What to make of every input; either this or templateRef.",
        json_schema_extra=LIST_BY_NAME,
    )
    template_ref: TemplateRef | None = Field(
        default=None,
        description="Take the steps from a template, and limits, resources and accelerator too "
        "where this VideoJob has none of its own. It is read once: later edits of the template "
        "change nothing here.",
    )
    params: Annotated[
        dict[str, Annotated[str, Field(max_length=MAX_PARAM_LENGTH)]], Field(max_length=32)
    ] = Field(
        default_factory=dict,
        description='Values for the template\'s parameters, as texts: height: "1080".',
    )
    # No default in the schema: a template's block is for those who wrote none.
    limits: Limits = Field(default_factory=Limits)
    output: Output
    accelerator: Accelerator = Field(default_factory=Accelerator)
    resources: Resources = Field(default_factory=Resources)
    scheduling: Scheduling = Field(default=Scheduling())
    parallelism: Annotated[int, Field(ge=1, le=500)] = Field(
        default=4, description="Inputs worked on at once."
    )
    retry: Retry = Field(default=Retry())
    max_failed_inputs: Annotated[int, Field(ge=0, le=500)] = Field(
        default=0,
        description="Up to so many bad inputs, the job still ends Succeeded; the other inputs "
        "always finish.",
    )
    active_deadline_seconds: Annotated[int, Field(ge=10, le=604800)] = Field(
        default=86400,
        description="Longest time from acceptance (or from the last resumption) to the end, waiting "
        "included; then Failed.",
    )
    suspend: bool = Field(
        default=False,
        description="Stop the workers and start none; back to false, it goes on with the inputs that "
        "are not done.",
    )
    cancel: bool = Field(
        default=False,
        description="End this run as Cancelled, within the workers' grace period. There is no way "
        "back; a new runToken runs again.",
    )
    run_token: Annotated[str, Field(max_length=MAX_RUN_TOKEN)] = Field(
        default="",
        description="Any text; change it to run again, together with any other change of the spec.",
    )
    ttl: Ttl | None = Field(
        default=None, description="Delete the VideoJob some time after its end."
    )
    notify: Annotated[list[Notify], Field(max_length=8)] = Field(
        default=[], description="Who is told how the VideoJob ended, at least once each."
    )
    subject_refs: Annotated[list[SubjectRef], Field(max_length=16)] = Field(
        default=[],
        description="What the videos belong to in your own system; repeated in the manifests and "
        "in notifications, and not looked at otherwise.",
    )
    user_metadata: UserMetadata = Field(
        default={},
        description="Texts of your own; repeated in the manifests and in notifications, and not "
        "looked at otherwise.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.steps) != has(self.templateRef)",
                    "message": "a VideoJob needs exactly one of steps and templateRef, for example "
                    "templateRef: {kind: ClusterVideoTemplate, name: web-streaming}",
                },
                {
                    "rule": "!has(self.params) || has(self.templateRef)",
                    "message": "params are for a template: add templateRef, or leave params out",
                },
                *STEP_RULES,
                *_RUN_RULES,
            ]
        }
    )

    @field_validator("steps")
    @classmethod
    def _steps_fit(cls, steps: list[Step]) -> list[Step]:
        return check_steps(steps)

    @field_validator("user_metadata")
    @classmethod
    def _metadata_fits(cls, metadata: dict[str, str]) -> dict[str, str]:
        return check_metadata(metadata)

    @model_validator(mode="after")
    def _steps_come_from_one_place(self) -> VideoJobSpec:
        if ("steps" in self.model_fields_set) == (self.template_ref is not None):
            raise ValueError("a VideoJob needs exactly one of steps and templateRef")
        if self.params and self.template_ref is None:
            raise ValueError("params are for a template: add templateRef, or leave params out")
        return self

    @model_validator(mode="after")
    def _input_names_differ(self) -> VideoJobSpec:
        names = [i.name for i in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError("two inputs have the same name; give each its own")
        return self


class VideoJob(Model):
    """Process videos: validate, transcode, make thumbnails, extract audio."""

    model_config = ConfigDict(extra="ignore")

    api_version: str
    kind: str
    metadata: dict[str, Any]
    spec: VideoJobSpec
    status: VideoJobStatus = VideoJobStatus()
