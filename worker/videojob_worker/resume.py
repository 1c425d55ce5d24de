"""What an earlier attempt has finished, so that it is not done again.

Used by ``run`` around the work. Each finished step leaves a marker beside the results, written when
all its objects are there; a marker is believed only if it is about the very same work and the
objects are still what it says. It must not delete anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError

from videojob_api import names
from videojob_api.base import Tolerant
from videojob_api.manifest import Manifest, ManifestSource
from videojob_api.output import IfExists
from videojob_api.status import OutputStatus, Warn
from videojob_api.steps import Step
from videojob_api.work_order import LOCAL

from . import __version__
from .errors import OutputExists, StorageRefused, WorkerError
from .fetch import Source, hash_file
from .log import say
from .objects import NotThere
from .outcome import Done, Findings, Task
from .passes import STEP_FAILED
from .publish import publish_marker

MAX_NOTE_BYTES = 64 << 20


class Marker(Tolerant):
    """Says that a step is finished, and of what work."""

    schema_: Literal["videojob.dev/step/v1"] = Field(default="videojob.dev/step/v1", alias="schema")
    job: dict[str, Any]
    digest: str
    """Of the step, what it is from, the input's bytes and the versions of the programs."""
    together: str
    """Of all steps that the order had."""
    outputs: list[OutputStatus]
    warnings: list[Warn] = []
    measured: dict[str, Any] = {}


def find_finished(task: Task, found: Findings) -> tuple[Manifest, str] | None:
    """The manifest of the same work, if all of it is still there, and its sha256; asks no more.

    Of another manifest, what it is is noted in the findings.

    Raises:
        OutputExists: if there is one of another run, and the order says to leave it alone.
    """
    order, folder = task.order, task.destination.folder
    key, strict = f"{folder}{names.MANIFEST_FILE}", order.if_exists is IfExists.FAIL
    body = _read(task, key, strict=strict)
    if body is None:
        return None
    manifest, found.manifest_before = _parse_manifest(body), hashlib.sha256(body).hexdigest()
    if strict and (manifest is None or not _is_ours(manifest.job, task)):
        raise OutputExists(
            f"{key} is there already, and output.ifExists is Fail; choose another output.prefix, "
            "delete what is there, or ask for Skip or Overwrite."
        )
    if manifest is None or not _counts(manifest.job, task):
        return None
    same_work = (
        manifest.steps == [step.wire() for step in order.steps]
        and _versions(manifest.worker) == _versions(_worker(task))
        and _is_same_source(manifest.source, task)
    )
    # What else the steps name may have changed, and was not looked at yet: the markers tell.
    named = any(step.spec.assets for step in order.steps)
    whole = not named and not find_failed(order.steps, manifest.warnings)
    if not (same_work and whole and _all_there(manifest.outputs, task)):
        return None
    say("all of it was done by an earlier attempt", manifest=key)
    return manifest, found.manifest_before


def find_replacement(task: Task, found: Findings) -> tuple[Manifest, str] | None:
    """The manifest that another worker has published meanwhile, if all of it is there, and its sha256.

    So it goes where a node was thought lost, and this worker was replaced. What it is of is not asked:
    in one run an input has one order.
    """
    key = f"{task.destination.folder}{names.MANIFEST_FILE}"
    body = _read(task, key)
    if body is None or (sha256 := hashlib.sha256(body).hexdigest()) == found.manifest_before:
        return None
    manifest = _parse_manifest(body)
    if manifest is None or not _is_ours(manifest.job, task):
        return None
    if not _all_there(manifest.outputs, task):
        return None
    say("all of it was done by another worker meanwhile", manifest=key)
    return manifest, sha256


def _parse_manifest(body: bytes) -> Manifest | None:
    try:
        return Manifest.model_validate_json(body)
    except ValidationError:
        return None


def completed_steps(task: Task, source: Source) -> Done:
    """Which steps an earlier attempt has finished, by their markers."""
    steps = task.order.steps
    markers = {step.name: _read_marker(task, step.name) for step in steps}
    found = {name: marker for name, marker in markers.items() if marker is not None}
    if found:
        digests = digest_steps(steps, source.sha256, _worker(task), _assets(task))
        found = {
            name: marker
            for name, marker in found.items()
            if marker.digest == digests[name] and _all_there(marker.outputs, task)
        }
        kept = choose_done(steps, {n: m.together for n, m in found.items()}, _join(digests))
        found = {name: found[name] for name in kept}
    if found:
        say("steps were done by an earlier attempt", steps=", ".join(found))
    warnings = dict.fromkeys(
        (w.step, w.reason, w.message) for marker in found.values() for w in marker.warnings
    )
    return Done(
        rest=tuple(step for step in steps if step.name not in found),
        outputs=[output for marker in found.values() for output in marker.outputs],
        warnings=[Warn(step=step, reason=why, message=text) for step, why, text in warnings],
        measured={name: marker.measured for name, marker in found.items() if marker.measured},
    )


def mark_steps(task: Task, found: Findings, published: Sequence[OutputStatus]) -> None:
    """Note that the steps which were left are finished, and join what was done before."""
    if found.source is None:
        raise WorkerError("steps were to be marked before there was an input")
    steps, sha256 = task.order.steps, found.source.sha256
    digests = digest_steps(steps, sha256, _worker(task), _assets(task))
    failed = find_failed(task.order.steps, found.warnings)
    for step in found.done.rest:
        if step.name in failed:
            continue
        marker = Marker(
            job=task.order.job.wire(),
            digest=digests[step.name],
            together=_join(digests),
            outputs=[output for output in published if output.step == step.name],
            warnings=[w for w in found.warnings if w.step in (None, step.name)],
            measured=found.measured.get(step.name, {}),
        )
        publish_marker(step.name, marker.model_dump_json(by_alias=True).encode(), task.destination)
    found.outputs = [*found.done.outputs, *published]
    found.measured |= found.done.measured


def digest_steps(
    steps: Sequence[Step],
    source_sha256: str,
    worker: Mapping[str, str],
    assets: Mapping[str, str],
) -> dict[str, str]:
    """What each step's results depend on, as one word for each.

    Args:
        steps: all of the order.
        source_sha256: of the input.
        worker: versions of the programs.
        assets: what the steps need besides, by key, with its sha256.
    """
    digests: dict[str, str] = {}
    taken_from = {step.from_ for step in steps}  # some steps publish only what nobody takes on
    for step in steps:
        above = [digests[name] for name in _above(step)]
        is_leaf = step.name not in taken_from
        needs = [assets.get(key) for key in step.spec.assets]
        facts = [step.wire(), above, is_leaf, needs, source_sha256, _versions(worker)]
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        digests[step.name] = hashlib.sha256(text.encode()).hexdigest()
    return digests


def choose_done(steps: Sequence[Step], found: Mapping[str, str], together: str) -> list[str]:
    """Which of the finished steps need not be done again.

    Steps that were planned together are made together: their files share encoders, and a plan with
    fewer of them gives other bytes. So an interrupted plan is done again as a whole (what it had
    sent is not sent again), while steps that are new to an order join those of an older one.

    Args:
        steps: all of the order.
        found: finished steps, with what they were planned together with.
        together: what they would be planned together with now.

    Returns:
        Names in the order of the steps.
    """
    undone = {step.name for step in steps} - set(found)
    if undone:
        undone |= {name for name, with_these in found.items() if with_these == together}
    for step in reversed(steps):
        if step.name in undone:
            undone.update(_above(step))
    for step in steps:
        if undone.intersection(_above(step)):
            undone.add(step.name)
    return [step.name for step in steps if step.name not in undone]


def _above(step: Step) -> tuple[str, ...]:
    """The steps whose results go into this one's."""
    return tuple(name for name in (step.from_, step.spec.subtitles_of) if name)


def find_failed(steps: Sequence[Step], warnings: Sequence[Warn]) -> set[str]:
    """The steps that the input went on without, and those that would have had their results."""
    failed = {str(warning.step) for warning in warnings if warning.reason == STEP_FAILED}
    for step in steps:
        if failed.intersection(_above(step)):
            failed.add(step.name)
    return failed


def _join(digests: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(digests.values()).encode()).hexdigest()


def _versions(worker: Mapping[str, str]) -> list[str | None]:
    """Of what makes the bytes: not of the kernel's means of protection."""
    return [worker.get("version"), worker.get("ffmpeg")]


def _worker(task: Task) -> dict[str, str]:
    return {"version": __version__, **task.tools.versions()}


def _assets(task: Task) -> dict[str, str]:
    keys = {key for step in task.order.steps for key in step.spec.assets}
    return {key: hash_file(task.scratch.asset(key)) for key in keys}


def _is_ours(job: Mapping[str, Any], task: Task) -> bool:
    """Whether it is of this run: of an earlier attempt, or a pod that was killed."""
    identity = task.order.job
    if identity.uid == LOCAL:
        return False
    return (job.get("uid"), job.get("runID")) == (identity.uid, identity.run_id)


def _counts(job: Mapping[str, Any], task: Task) -> bool:
    return task.order.if_exists is IfExists.SKIP or _is_ours(job, task)


def _is_same_source(source: ManifestSource, task: Task) -> bool:
    item = task.item
    if (source.key or source.url) != item.place or item.sha256 not in (None, source.sha256):
        return False
    if item.url and "?" in item.url and item.sha256 is None:
        return False  # what tells it from another file there is not in the manifest
    return source.etag is not None and source.etag == _etag(task)


def _etag(task: Task) -> str | None:
    try:
        return task.origin.stat(task.item.location).etag
    except NotThere:
        return None


def _all_there(outputs: Sequence[OutputStatus], task: Task) -> bool:
    folder = task.destination.folder
    return all(
        output.key.startswith(folder) and task.store.holds(output.key, output.bytes, output.sha256)
        for output in outputs
    )


def _read_marker(task: Task, step: str) -> Marker | None:
    body = _read(task, names.marker_key(task.destination.folder, step))
    if body is None:
        return None
    try:
        marker = Marker.model_validate_json(body)
    except ValidationError:
        return None
    return marker if _counts(marker.job, task) else None


def _read(task: Task, key: str, *, strict: bool = False) -> bytes | None:
    try:
        return task.store.read_result(key, MAX_NOTE_BYTES)
    except NotThere:
        return None
    except StorageRefused:  # who may write and not read begins anew
        if strict:
            raise
        return None
