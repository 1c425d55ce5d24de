"""Builders that read like the situation: what is there, as a decision sees it.

Used by the unit tests. Pure and frozen: every method gives back a changed copy, which still is an
``Observed``, so that it goes into ``decide`` or a policy as it stands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from videojob_api import names
from videojob_api.indexes import format_indexes
from videojob_api.reasons import FailReason
from videojob_api.report import ProgressReport, Result
from videojob_api.status import InputState, OutputStatus, Phase, Stage, VideoJobStatus
from videojob_api.videojob import VideoJobSpec
from videojob_api.videostore import VideoStoreSpec
from videojob_operator.attempt import Attempt, Ending, WaitingPod
from videojob_operator.clock import format_time
from videojob_operator.nodes import Nodes, Offer, parse_node
from videojob_operator.observed import Decision, Key, Observed, StoreMissing
from videojob_operator.settings import Settings

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
"""The time of every test."""

NO_GPU_FREE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."

UID = "0f8fad5b-d9cb-469f-a165-70867728950e"
RUN_ID = names.run_id(UID, 1)
KEY = Key("films", "keynote")
SHA256 = "ab" * 32


def seconds(amount: float) -> timedelta:
    """A span of time, shorter to read."""
    return timedelta(seconds=amount)


def a_time(ago: float = 0) -> str:
    """So many seconds before NOW, as Kubernetes writes it."""
    return format_time(NOW - seconds(ago))


def a_spec(inputs: int = 1, **changes: Any) -> VideoJobSpec:
    """A spec with so many inputs; ``changes`` in the form of a manifest."""
    return VideoJobSpec.model_validate(a_manifest(inputs, **changes)["spec"])


def a_manifest(inputs: int = 1, **changes: Any) -> dict[str, Any]:
    """A VideoJob as a person writes it."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "VideoJob",
        "metadata": {"name": KEY.name, "namespace": KEY.namespace},
        "spec": {
            "storeRef": {"name": "media"},
            "inputs": [{"name": f"in-{i}", "key": f"uploads/{i}.mp4"} for i in range(inputs)],
            "steps": [{"name": "small", "transcode": {"renditions": [{"height": 360}]}}],
            "output": {"prefix": "results/keynote/"},
            **changes,
        },
    }


def a_spec_from_template(inputs: int = 1, **changes: Any) -> VideoJobSpec:
    """A spec whose steps come from the VideoTemplate ``web``."""
    body = a_manifest(inputs, templateRef={"name": "web"}, **changes)["spec"]
    del body["steps"]
    return VideoJobSpec.model_validate(body)


def a_store() -> VideoStoreSpec:
    """A bucket."""
    return VideoStoreSpec.model_validate(
        {
            "s3": {
                "endpoint": "http://minio:9000",
                "bucket": "films",
                "credentialsSecretRef": {"name": "minio"},
            }
        }
    )


def a_volume_store() -> VideoStoreSpec:
    """A folder on a claim."""
    return VideoStoreSpec.model_validate({"volume": {"claimName": "films", "prefix": "work/"}})


def an_output(index: int = 0, number: int = 0, **changes: Any) -> OutputStatus:
    """One published object of an input."""
    return OutputStatus.model_validate(
        {
            "name": f"{number}.mp4",
            "input": f"in-{index}",
            "step": "small",
            "key": f"results/keynote/in-{index}/small/{number}.mp4",
            "bytes": 1000,
            "sha256": SHA256,
            **changes,
        }
    )


def a_result(index: int = 0, *, outputs: int = 1, **changes: Any) -> Result:
    """What the worker of an input says when it succeeded."""
    return Result.model_validate(
        {
            "index": index,
            "input": f"in-{index}",
            "state": InputState.SUCCEEDED,
            "outputCount": outputs,
            "outputBytes": outputs * 1000,
            "outputs": [an_output(index, number).wire() for number in range(outputs)],
            **changes,
        }
    )


def a_report(percent: float = 50.0, **changes: Any) -> ProgressReport:
    """A live report."""
    return ProgressReport.model_validate(
        {"percent": percent, "stage": Stage.PROCESSING, "step": "small", **changes}
    )


_ENDINGS: dict[int | None, tuple[str, str]] = {
    42: ("Truncated", "the file ends before its index says"),
    43: (FailReason.NOT_DOABLE, "the rendition needs 9 GiB and the limit is 2 GiB"),
    44: (FailReason.STORAGE_REFUSED, "bucket 'films' does not exist"),
    45: (FailReason.OUT_OF_MEMORY, ""),
    46: (FailReason.SCRATCH_FULL, ""),
    47: (FailReason.UNVERIFIED, "a rendition has 10 frames and should have 250"),
}
"""Exit code → what a worker says with it; others say nothing."""


@dataclass(frozen=True)
class Situation(Observed):
    """An Observed that can be told further."""

    def at_phase(self, phase: Phase, *, ago: float = 60, **status: Any) -> Self:
        """Its status was written so many seconds ago with that phase."""
        seen = {"observed_generation": self.generation, "accepted_at": a_time(ago)}
        return self.with_status(phase=phase, **{**seen, **status})

    def with_status(self, **changes: Any) -> Self:
        """Some fields of the status are as told."""
        before = self.status.model_dump(exclude_unset=True)
        return replace(self, status=VideoJobStatus.model_validate({**before, **changes}))

    def waiting_for_worker(self, *, ago: float = 60) -> Self:
        """A Job was made with its pods, and none of them is at work."""
        pods = min(self.input_count, self.spec.parallelism if self.spec else 1)
        return self.at_phase(Phase.PENDING, ago=ago, attempt=1).with_attempt(
            created_at=NOW - seconds(ago), active=pods
        )

    def running(self, *, ago: float = 60) -> Self:
        """All inputs are being worked on by the first attempt."""
        situation = self.at_phase(Phase.RUNNING, ago=ago, attempt=1, started_at=a_time(ago))
        pods = min(self.input_count, self.spec.parallelism if self.spec else 1)
        return situation.with_attempt(created_at=NOW - seconds(ago), active=pods, ready=pods)

    def with_attempt(self, number: int | None = None, **changes: Any) -> Self:
        """One more Job, over all inputs unless told otherwise."""
        number = number or (self.attempts[-1].number + 1 if self.attempts else 1)
        attempt = Attempt(
            name=names.child_name(self.key.name, self.uid, self.run, number),
            uid=f"job-{number}",
            number=number,
            run_id=self.run_id,
            indexes=tuple(range(self.input_count)),
            created_at=NOW - seconds(60),
        )
        return replace(self, attempts=(*self.attempts, replace(attempt, **changes)))

    def with_newest(self, **changes: Any) -> Self:
        """The newest Job is as told."""
        return replace(self, attempts=(*self.attempts[:-1], replace(self.attempts[-1], **changes)))

    def with_succeeded(self, *indexes: int, outputs: int = 1) -> Self:
        """These inputs are done, and their workers said so."""
        newest = self.attempts[-1]
        told = {i: a_result(i, outputs=outputs) for i in indexes}
        return self._settled(
            completed=newest.completed | set(indexes),
            results={**self.results, **told},
        )

    def with_index(self, index: int, *, exit_code: int | None, **ending: Any) -> Self:
        """The last pod of this input ended so; ``exit_code=None`` is a pod that is gone."""
        reason, message = _ENDINGS.get(exit_code, ("", ""))
        told = {}
        if reason:
            told[index] = a_result(
                index,
                outputs=0,
                state=InputState.REJECTED if exit_code == 42 else InputState.FAILED,
                exitCode=exit_code,
                reason=reason,
                message=message or None,
            )
        results = {i: r for i, r in self.results.items() if i != index}
        return self._settled(
            failed=self.attempts[-1].failed | {index},
            results={**results, **told},
            endings={**self.endings, index: Ending(exit_code, **ending)},
        )

    def with_progress(self, reports: Mapping[int, ProgressReport] | None = None) -> Self:
        """Workers have reported."""
        return replace(self, progress=reports if reports is not None else {0: a_report()})

    def with_waiting(self, reason: str, message: str = "", *, ago: float = 0) -> Self:
        """A pod waits, and why."""
        pod = WaitingPod("pod", reason, message, NOW - seconds(ago))
        return replace(self, waiting=(*self.waiting, pod))

    def waiting_for_gpu(self, *, ago: float = 60) -> Self:
        """A Job was made that asks for a GPU, and no node has one to spare."""
        gpu = {"accelerator": "nvidia.com/gpu", "accelerator_count": 1}
        situation = self.waiting_for_worker(ago=ago).with_newest(**gpu)
        return situation.with_waiting("Unschedulable", NO_GPU_FREE, ago=ago)

    def with_store(self, store: VideoStoreSpec | StoreMissing | None = None) -> Self:
        """The store was looked up."""
        return replace(self, store=store or a_store())

    def with_nodes(self, **offers: int) -> Self:
        """Nodes were looked at; ``nvidia=2`` is nvidia.com/gpu."""
        return replace(self, nodes=some_nodes({f"{k}.com/gpu": v for k, v in offers.items()}))

    def with_settings(self, **changes: Any) -> Self:
        """The operator runs with these settings."""
        return replace(self, settings=replace(self.settings, **changes))

    def written(self, decision: Decision) -> Self:
        """The decision's status was written."""
        if decision.status is None:
            return self
        return replace(self, status=decision.status)

    def _settled(self, **changes: Any) -> Self:
        """With the newest Job's sets changed; it is over once nothing is open."""
        known = {k: changes.pop(k) for k in ("completed", "failed") if k in changes}
        situation = replace(self.with_newest(**known), **changes)
        newest = situation.attempts[-1]
        if newest.open:
            return situation
        return situation.with_newest(ended_at=newest.ended_at or NOW, active=0, ready=0)


def a_videojob(inputs: int = 1, **spec: Any) -> Situation:
    """A VideoJob that was just applied: nothing was done and nothing said yet."""
    return Situation(
        key=KEY,
        uid=UID,
        generation=1,
        resource_version="100",
        status=VideoJobStatus(),
        settings=Settings(worker_image="worker:1", children_keep_seconds=3600),
        spec=a_spec(inputs, **spec),
    )


def a_videojob_body(
    inputs: int = 1, *, version: int = 1, uid: str = UID, **changes: Any
) -> dict[str, Any]:
    """A VideoJob as the API server gives it."""
    body = a_manifest(inputs, **changes)
    body["metadata"] |= {"uid": uid, "resourceVersion": str(version), "generation": 1}
    body["status"] = {"observedGeneration": -1}
    return body


def a_job_body(
    *, number: int = 1, indexes: Collection[int] = (0,), uid: str = "job-1", **status: Any
) -> dict[str, Any]:
    """A Job of ours as the API server gives it; ``status`` in its own words."""
    return {
        "metadata": {
            "name": names.child_name(KEY.name, UID, run=1, attempt=number),
            "namespace": KEY.namespace,
            "uid": uid,
            "resourceVersion": "10",
            "creationTimestamp": a_time(60),
            "labels": {
                names.LABEL_UID: UID,
                names.LABEL_RUN: RUN_ID,
                names.LABEL_ATTEMPT: str(number),
            },
            "annotations": {names.ANNOTATION_INDEXES: format_indexes(indexes)},
            "ownerReferences": [
                {"kind": "VideoJob", "name": KEY.name, "uid": UID, "controller": True}
            ],
        },
        "spec": {
            "completions": len(indexes),
            "template": {"spec": {"containers": [{"name": "worker"}]}},
        },
        "status": status,
    }


def a_pod_body(
    *, index: int = 0, name: str = "pod-0", job_uid: str = "job-1", **status: Any
) -> dict[str, Any]:
    """A worker's pod as the API server gives it; ``index`` is the Job's completion index."""
    return {
        "metadata": {
            "name": name,
            "namespace": KEY.namespace,
            "uid": f"uid-of-{name}",
            "resourceVersion": "20",
            "creationTimestamp": a_time(50),
            "labels": {names.LABEL_UID: UID},
            "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
            "ownerReferences": [{"kind": "Job", "name": "job", "uid": job_uid, "controller": True}],
        },
        "spec": {"containers": [{"name": "worker"}]},
        "status": status,
    }


AT_WORK: dict[str, Any] = {
    "phase": "Running",
    "containerStatuses": [{"name": "worker", "state": {"running": {}}}],
}
"""The status of a pod whose worker runs."""


def an_ended_pod(
    exit_code: int, message: str = "", *, ago: float = 5, reason: str = "Error", **pod: Any
) -> dict[str, Any]:
    """A pod whose worker ended."""
    ended = {"exitCode": exit_code, "message": message, "reason": reason, "finishedAt": a_time(ago)}
    return a_pod_body(
        **pod,
        phase="Succeeded" if exit_code == 0 else "Failed",
        containerStatuses=[{"name": "worker", "state": {"terminated": ended}}],
    )


def some_nodes(*offers: Mapping[str, int]) -> Nodes:
    """Nodes that offer so much of extended resources."""
    return Nodes(tuple(Offer({}, offer) for offer in offers))


def nodes_of(*bodies: dict[str, Any]) -> Nodes:
    """What Kubernetes' Nodes offer."""
    return Nodes(tuple(offer for body in bodies if (offer := parse_node(body)) is not None))
