"""What must be true when the storm is over; each untruth is a problem with a name.

Pure. Read by ``run.py``, which gathers the final state (``gathering.py``) and prints what is found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from chaos.stream import Film, Sort, StreamJob

from videojob_api import names
from videojob_api.indexes import parse_indexes
from videojob_api.status import NotificationState, Phase

Body = Mapping[str, Any]

_MOST_ATTEMPTS = 11
"""Of a run about which nothing else is known any more; kills are made good five times."""


@dataclass(frozen=True)
class Stored:
    """An object in the bucket, as it really is."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class FinalState:
    """All that is looked at in the end."""

    videojobs: Sequence[Body]
    left: Sequence[str] = ()
    """Jobs, pods and ConfigMaps that are still there, as kind/name."""
    created_jobs: Sequence[str] = ()
    """The name of each Job that the API server has made, from its audit log."""
    uploads: Sequence[str] = ()
    """Multipart uploads that nobody has ended."""
    objects: Mapping[str, Stored] = field(default_factory=dict)
    """By key."""
    manifests: Mapping[str, Body] = field(default_factory=dict)
    """By key."""
    phases_seen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """VideoJob → its phases in the order in which they were seen."""
    uids_seen: Mapping[str, str] = field(default_factory=dict)
    """VideoJob → its uid, of those that are gone too."""
    letters: Mapping[str, Collection[str]] = field(default_factory=dict)
    """VideoJob → ids of the letters about it that were taken."""


@dataclass(frozen=True)
class Problem:
    """Something that must not be."""

    rule: str
    subject: str
    text: str


def verify(stream: Iterable[StreamJob], state: FinalState) -> list[Problem]:
    """Everything that is wrong; nothing when all is as it must be."""
    found = {body["metadata"]["name"]: body for body in state.videojobs}
    problems: list[Problem] = []
    allowed: set[str] = set()
    for job in stream:
        if not job.stays:
            allowed |= _job_names_of_gone(job, state.uids_seen.get(job.name, ""))
            problems += _check_gone(job, found.pop(job.name, None), state)
            continue
        body = found.pop(job.name, None)
        if body is None:
            problems.append(Problem("every job is there", job.name, "gone, or never applied"))
            continue
        allowed |= _job_names(job, body)
        problems += _check_end(job, body)
        problems += _check_steadiness(job, state.phases_seen.get(job.name, ()))
        problems += _check_outputs(job, body, state)
        problems += _check_letters(job, body, state)
    problems += [Problem("nothing else is there", name, "no job of the stream") for name in found]
    problems += _check_creations(state.created_jobs, allowed)
    problems += [Problem("no orphans", each, "still there") for each in state.left]
    problems += [Problem("no orphaned uploads", each, "still open") for each in state.uploads]
    for key, manifest in state.manifests.items():
        problems += _check_manifest(key, manifest, state.objects)
    return problems


def _job_names(job: StreamJob, body: Body) -> set[str]:
    """The Jobs that may have been made for it: one for each attempt of each run."""
    meta, status = body["metadata"], body.get("status", {})
    last = names.run_number(status.get("runID", ""))
    return {
        names.child_name(job.name, meta["uid"], run, attempt)
        for run in range(1, last + 1)
        for attempt in range(1, 1 + (status.get("attempt") or 0 if run == last else _MOST_ATTEMPTS))
    }


def _job_names_of_gone(job: StreamJob, uid: str) -> set[str]:
    """Those of one that was deleted, and the Job that has deleted its outputs."""
    attempts = range(1, 1 + _MOST_ATTEMPTS)
    made = {names.child_name(job.name, uid, 1, attempt) for attempt in attempts}
    return made | {names.clean_up_name(job.name, uid)}


def _check_gone(job: StreamJob, body: Body | None, state: FinalState) -> Iterator[Problem]:
    """It ended well, then it went and took its outputs along."""
    if body is not None:
        yield Problem("what is deleted goes", job.name, f"{body['metadata'].get('finalizers')}")
    phases = list(state.phases_seen.get(job.name, ()))
    if phases[-1:] != [Phase.SUCCEEDED]:
        yield Problem("the one right phase", job.name, " → ".join(phases) or "never seen")
    for key in state.objects:
        if key.startswith(job.spec["output"]["prefix"]):
            yield Problem("outputs go with it", job.name, key)


def _check_letters(job: StreamJob, body: Body, state: FinalState) -> Iterator[Problem]:
    """Whoever wanted to be told was, under one id however often; and nobody else."""
    ids, wanted = state.letters.get(job.name, ()), int(job.sort is Sort.TOLD)
    if len(ids) != wanted:
        yield Problem("who wants to be told is", job.name, f"{sorted(ids)}, not {wanted}")
    told = {one["id"]: one["state"] for one in body.get("status", {}).get("notifications", [])}
    if told != dict.fromkeys(ids, NotificationState.DELIVERED):
        yield Problem("status tells who was told", job.name, f"{told}, not {sorted(ids)}")


def _check_end(job: StreamJob, body: Body) -> Iterator[Problem]:
    status = body.get("status", {})
    phase = status.get("phase", "")
    if phase not in job.phases:
        wanted = " or ".join(sorted(job.phases))
        story = f"{phase or 'no phase'}, not {wanted}: {status.get('message', '')}"
        yield Problem("the one right phase", job.name, story)
        return
    if phase != Phase.CANCELLED:
        good, bad = _expected_indexes(job)
        told = status.get("indexes", {})
        indexes = (set(parse_indexes(told.get(which))) for which in ("succeeded", "rejected"))
        if tuple(indexes) != (good, bad):
            text = f"{told}, not succeeded {sorted(good)} and rejected {sorted(bad)}"
            yield Problem("each input's right end", job.name, text)
    counts = status.get("inputCounts", {})
    for which in ("succeeded", "failed", "rejected"):
        listed = len(parse_indexes(status.get("indexes", {}).get(which)))
        if counts.get(which, 0) != listed:
            text = f"{which}: counted {counts.get(which)}, listed {listed}"
            yield Problem("counts agree", job.name, text)
    if names.run_number(status.get("runID", "")) != job.runs:
        yield Problem("as many runs as asked for", job.name, f"{status.get('runID')}")
    if not status.get("finishedAt"):
        yield Problem("the end has a time", job.name, "no finishedAt")


def _expected_indexes(job: StreamJob) -> tuple[set[int], set[int]]:
    bad = {i for i, film in enumerate(job.films) if film in (Film.NO_FILM, Film.MISSING)}
    return set(range(len(job.films))) - bad, bad


def _check_steadiness(job: StreamJob, phases: Sequence[str]) -> Iterator[Problem]:
    """A terminal phase stands until another run is asked for."""
    ends = [phase for phase in phases if Phase(phase).is_terminal]
    after_end = any(Phase(one).is_terminal and one != other for one, other in pairwise(phases))
    if len(ends) > job.runs or (after_end and job.sort is not Sort.AGAIN):
        yield Problem("an end is an end", job.name, " → ".join(phases))


def _check_outputs(job: StreamJob, body: Body, state: FinalState) -> Iterator[Problem]:
    """Of each input that succeeded the manifest is there and is this job's; the totals are theirs."""
    status, uid = body.get("status", {}), body["metadata"]["uid"]
    prefix, inputs = job.spec["output"]["prefix"], job.spec["inputs"]
    listed: dict[str, Body] = {}
    for index in sorted(parse_indexes(status.get("indexes", {}).get("succeeded"))):
        key = names.manifest_key(prefix, inputs[index]["name"])
        manifest = state.manifests.get(key)
        if manifest is None:
            yield Problem("what succeeded is published", job.name, f"no {key}")
            return
        if manifest["job"]["uid"] != uid:
            yield Problem("what succeeded is published", job.name, f"{key} is of another job")
        listed |= {output["key"]: output for output in manifest["outputs"]}
        folder = names.input_folder(prefix, inputs[index]["name"])
        yield from _check_strays(job, folder, {*listed, key}, state.objects)
    if status.get("phase") == Phase.CANCELLED:
        return
    totals = len(listed), sum(output["bytes"] for output in listed.values())
    told = status.get("outputCount", 0), status.get("outputBytes", 0)
    if told != totals:
        text = f"count and bytes {told} in status, {totals} in the manifests"
        yield Problem("counts agree", job.name, text)
    for output in status.get("outputs", []):
        real = listed.get(output["key"], {})
        if (output["bytes"], output["sha256"]) != (real.get("bytes"), real.get("sha256")):
            yield Problem("status tells what manifests tell", job.name, output["key"])


def _check_strays(
    job: StreamJob, folder: str, listed: set[str], objects: Mapping[str, Stored]
) -> Iterator[Problem]:
    for key in objects:
        inside = key.removeprefix(folder) if key.startswith(folder) else ""
        if inside and key not in listed and inside.split("/")[0] not in names.PRIVATE_FOLDERS:
            yield Problem("nothing but what manifests list", job.name, key)


def _check_creations(created: Sequence[str], allowed: set[str]) -> Iterator[Problem]:
    for name, times in sorted(Counter(created).items()):
        if times > 1:
            yield Problem("one Job for one attempt", name, f"made {times} times")
        if name not in allowed:
            yield Problem("one Job for one attempt", name, "made for no attempt that is known")


def _check_manifest(key: str, manifest: Body, objects: Mapping[str, Stored]) -> Iterator[Problem]:
    """Every object that a manifest lists is there, with its size and sum."""
    for output in manifest["outputs"]:
        real = objects.get(output["key"])
        if real is None:
            yield Problem("every manifest verifies", key, f"{output['key']} is missing")
        elif (real.bytes, real.sha256) != (output["bytes"], output["sha256"]):
            text = (
                f"{output['key']} has {real.bytes} bytes, sha256 {real.sha256[:12]}…; "
                f"listed are {output['bytes']}, {output['sha256'][:12]}…"
            )
            yield Problem("every manifest verifies", key, text)
