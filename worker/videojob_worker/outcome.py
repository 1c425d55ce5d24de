"""What a run is given, what it finds out, and what is said of it in the end.

``run`` fills in the findings; ``__main__`` and ``local`` turn them, with the exception if there was
one, into a result. It reads and writes nothing itself; the manifest asks ``Tools`` for versions.
"""

from __future__ import annotations

import errno
import os
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from videojob_api import names
from videojob_api.manifest import Manifest, ManifestSource
from videojob_api.reasons import FailReason
from videojob_api.report import Result
from videojob_api.status import (
    MAX_LOG_TAIL,
    MAX_MESSAGE,
    InputState,
    MediaFacts,
    OutputStatus,
    Usage,
    Warn,
)
from videojob_api.steps import Step
from videojob_api.work_order import OrderInput, WorkOrder

from . import __version__
from .budget import Budget
from .encoders import Device
from .errors import NodeDiskFull, OutOfMemory, Rejected, ScratchFull, WorkerError
from .fetch import Source
from .ffmpeg import Tools
from .media import MediaInfo
from .objects import Origin, Storage
from .outputs import Finished, Produced
from .publish import Destination
from .reporting import Reporter
from .scratch import Scratch
from .steps import Means, Workbench
from .stop import Stop
from .timings import Timings


@dataclass(frozen=True)
class Task:
    """One input of a work order, and what it is worked on with."""

    order: WorkOrder
    item: OrderInput
    store: Storage
    scratch: Scratch
    budget: Budget
    """Before anything lies in the scratch folder."""
    tools: Tools
    stop: Stop
    report: Reporter

    def seed(self, source: Source) -> bytes:
        """The same for each attempt at this input; not to be guessed from the results."""
        job = self.order.job
        told = (self.order.seed, job.uid, job.run_id, self.item.name, source.sha256)
        return sha256("\n".join(told).encode()).digest()

    def bench(self, media: MediaInfo) -> Workbench:
        """What its steps have at hand for a film."""
        means = Means(
            threads=self.budget.threads,
            memory_bytes=self.budget.memory_bytes,
            allowed_networks=tuple(self.order.allowed_networks),
            environment=os.environ,
        )
        return Workbench(self.tools, media, means=means)

    @property
    def origin(self) -> Origin:
        """Where the input comes from."""
        if self.item.url is None:
            return self.store
        from .web import Web

        trusts_end = self.item.sha256 is not None
        return Web(self.order.allowed_networks, self.stop, trusts_end=trusts_end)

    @property
    def destination(self) -> Destination:
        """Where the results go."""
        return Destination(
            store=self.store,
            folder=names.input_folder(self.order.output_prefix, self.item.name),
            input_name=self.item.name,
            scratch=self.scratch,
            stop=self.stop,
        )


@dataclass(frozen=True)
class Done:
    """What an earlier attempt has finished, and the steps that are left."""

    rest: tuple[Step, ...] = ()
    outputs: list[OutputStatus] = field(default_factory=list)
    warnings: list[Warn] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)


@dataclass
class Findings:
    """What is known so far: all of it once ``run`` has returned."""

    timings: Timings = field(default_factory=Timings)
    source: Source | None = None
    facts: MediaFacts | None = None
    device: Device | None = None
    done: Done = field(default_factory=Done)
    warnings: list[Warn] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)
    outputs: list[OutputStatus] = field(default_factory=list)
    decoded_on_gpu: bool = False
    log_key: str | None = None
    manifest_sha256: str | None = None
    manifest_before: str | None = None
    """The sum of the manifest that was there when it began."""

    def take(self, finished: Finished) -> tuple[Produced, ...]:
        """Note what became of a pass; the files that it made."""
        self.warnings += finished.warnings
        self.decoded_on_gpu |= finished.decoded_on_gpu
        for step, facts in finished.measured.items():
            self.measured[step] = {**self.measured.get(step, {}), **facts}
        return finished.produced

    def adopt(self, manifest: Manifest, sha256: str) -> Manifest:
        """Take the manifest of an earlier attempt for this one's."""
        self.facts, self.manifest_sha256 = manifest.source.facts, sha256
        self.outputs, self.warnings = manifest.outputs, manifest.warnings
        return manifest

    @property
    def computed_on_gpu(self) -> bool:
        """Whether torch did: not every card that computes encodes."""
        told = (facts.get("gradient") for facts in self.measured.values())
        return any(gradient and gradient["device"] == "cuda" for gradient in told)

    @property
    def usage(self) -> Usage:
        """What it cost up to now."""
        return Usage(
            cpu_seconds=round(self.timings.cpu_seconds, 3),
            bytes_in=self.source.size_bytes if self.source else 0,
            bytes_out=sum(output.bytes for output in self.outputs),
        )


def build_manifest(task: Task, found: Findings) -> Manifest:
    """The manifest of a run whose objects are published."""
    if found.source is None or found.facts is None:
        raise WorkerError("a manifest was asked for before there was anything to tell")
    used, reason = accelerator(task.order, found)
    return Manifest(
        job=task.order.job.wire(),
        input=task.item.name,
        index=task.item.index,
        source=ManifestSource(
            key=task.item.key,
            url=task.item.place if task.item.url else None,
            etag=found.source.etag or None,
            sha256=found.source.sha256,
            facts=found.facts,
        ),
        steps=[step.wire() for step in task.order.steps],
        outputs=found.outputs,
        measured=found.measured,
        timings=found.timings.stages,
        usage=found.usage,
        warnings=_named(found.warnings, task.item.name),
        worker={"version": __version__, **task.tools.versions()},
        accelerator={"used": used, "reason": reason},
        subject_refs=task.order.subject_refs,
        user_metadata=task.order.user_metadata,
        finished_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def build_result(
    order: WorkOrder, item: OrderInput, found: Findings, error: BaseException | None
) -> Result:
    """How it ended, for the termination message and the last report."""
    used, reason = accelerator(order, found)
    result = Result(
        index=item.index,
        input=item.name,
        state=InputState.SUCCEEDED,
        facts=found.facts,
        accelerator_used=used,
        accelerator_reason=reason,
        usage=found.usage,
        warnings=_named(found.warnings, item.name),
        log_key=found.log_key,
    )
    if error is None:
        key = names.manifest_key(order.output_prefix, item.name)
        return result.model_copy(
            update={
                "manifest_key": key,
                "manifest_sha256": found.manifest_sha256,
                "outputs": found.outputs,
                "output_count": len(found.outputs),
                "output_bytes": sum(output.bytes for output in found.outputs),
            }
        )
    known = classify(error)
    state = InputState.REJECTED if isinstance(known, Rejected) else InputState.FAILED
    return result.model_copy(
        update={
            "state": state,
            "reason": str(known.reason),
            "message": str(known)[:MAX_MESSAGE],
            "exit_code": int(known.exit_code),
            "log_tail": (known.log_tail or "")[-MAX_LOG_TAIL:] or None,
        }
    )


def classify(error: BaseException) -> WorkerError:
    """The error as one of ours; what nobody expected is a crash, with its traceback's end."""
    if isinstance(error, WorkerError):
        return error
    tail = "".join(traceback.format_exception(error))[-MAX_LOG_TAIL:]
    if isinstance(error, MemoryError):
        return OutOfMemory("The worker itself ran out of memory; raise resources.limits.memory.")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NodeDiskFull(f"The node's disk is full ({error.strerror}).", log_tail=tail)
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return ScratchFull(f"The scratch folder is full ({error.strerror}).", log_tail=tail)
    crash = WorkerError(
        f"The worker failed in a way that nobody foresaw: {type(error).__name__}: {error}. "
        "Please report it with the log's end.",
        log_tail=tail,
    )
    crash.reason = FailReason.WORKER_CRASHED
    return crash


def accelerator(order: WorkOrder, found: Findings) -> tuple[str | None, str | None]:
    """Which accelerator was used, and why not where one was given."""
    if order.accelerator is None or found.device is None:
        return None, None
    if found.device.reason is None or found.computed_on_gpu or found.decoded_on_gpu:
        return order.accelerator, None
    return None, found.device.reason


def _named(warnings: list[Warn], input_name: str) -> list[Warn]:
    return [warning.model_copy(update={"input": input_name}) for warning in warnings]
