"""A clean end has no problems; each thing that may be wrong with it is found, by its name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from chaos.stream import Film, Sort, StreamJob, build_stream
from chaos.verification import FinalState, Stored, verify

from videojob_api import names
from videojob_api.indexes import format_indexes

STREAM = build_stream(7, 30, 60)


def the_one(sort: Sort) -> StreamJob:
    return next(job for job in STREAM if job.sort is sort)


PLAIN, SEVERAL = the_one(Sort.PLAIN), the_one(Sort.SEVERAL)
DELETED, TOLD = the_one(Sort.DELETED), the_one(Sort.TOLD)


def ended(job: StreamJob) -> dict[str, Any]:
    """The VideoJob as it must be in the end."""
    uid = f"0000-{job.name}"
    good = [i for i, f in enumerate(job.films) if f not in (Film.NO_FILM, Film.MISSING)]
    phase = "Cancelled" if job.sort is Sort.CANCELLED else next(iter(job.phases))
    good = [] if phase == "Cancelled" else good
    bad = [] if phase == "Cancelled" else [i for i in range(len(job.films)) if i not in good]
    outputs = [an_output(job, index) for index in good]
    return {
        "metadata": {"name": job.name, "uid": uid},
        "status": {
            "phase": phase,
            "runID": names.run_id(uid, job.runs),
            "attempt": 1,
            "indexes": {
                "succeeded": format_indexes(good),
                "failed": "",
                "rejected": format_indexes(bad),
            },
            "inputCounts": {"succeeded": len(good), "failed": 0, "rejected": len(bad)},
            "outputs": outputs,
            "outputCount": len(outputs),
            "outputBytes": sum(output["bytes"] for output in outputs),
            "finishedAt": "2026-03-01T12:00:00Z",
            "notifications": [
                {"id": letter, "state": "Delivered"} for letter in letters_about(job)
            ],
        },
    }


def letters_about(job: StreamJob) -> set[str]:
    return {f"letter-{job.name}"} if job.sort is Sort.TOLD else set()


def an_output(job: StreamJob, index: int) -> dict[str, Any]:
    key = f"results/{job.name}/in{index}/poster/1.jpg"
    return {"key": key, "bytes": 100 + index, "sha256": f"{index:064}"}


def clean() -> FinalState:
    """All as it must be."""
    videojobs = [ended(job) for job in STREAM]
    objects, manifests, created = {}, {}, []
    gone = {job.name: f"0000-{job.name}" for job in STREAM if not job.stays}
    for job, body in zip(STREAM, videojobs, strict=True):
        uid = body["metadata"]["uid"]
        created += [names.child_name(job.name, uid, run, 1) for run in range(1, job.runs + 1)]
        for output in body["status"]["outputs"] if job.stays else ():
            folder = output["key"].rsplit("/", 2)[0]
            objects[output["key"]] = Stored(output["bytes"], output["sha256"])
            objects[f"{folder}/.steps/poster.json"] = Stored(1, "")
            objects[f"{folder}/manifest.json"] = Stored(2, "")
            manifests[f"{folder}/manifest.json"] = {"job": {"uid": uid}, "outputs": [dict(output)]}
    return FinalState(
        [body for job, body in zip(STREAM, videojobs, strict=True) if job.stays],
        created_jobs=[*created, *(names.clean_up_name(name, uid) for name, uid in gone.items())],
        objects=objects,
        manifests=manifests,
        phases_seen={name: ["Running", "Succeeded"] for name in gone},
        uids_seen=gone,
        letters={job.name: letters for job in STREAM if (letters := letters_about(job))},
    )


def found(state: FinalState) -> set[tuple[str, str]]:
    return {(problem.rule, problem.subject) for problem in verify(STREAM, state)}


def test_a_clean_end_has_no_problems() -> None:
    assert verify(STREAM, clean()) == []


def test_what_a_cancelled_job_had_done_already_may_stand() -> None:
    job, state = the_one(Sort.CANCELLED), clean()
    body = next(b for b in state.videojobs if b["metadata"]["name"] == job.name)
    output = an_output(job, 0)
    whole = {
        "phase": "Succeeded",
        "indexes": {"succeeded": "0"},
        "inputCounts": {"succeeded": 1},
        "outputs": [output],
        "outputCount": 1,
        "outputBytes": output["bytes"],
    }
    body["status"] |= whole
    assert {rule for rule, _ in found(state)} == {"what succeeded is published"}
    key = f"results/{job.name}/in0/manifest.json"
    manifest = {"job": {"uid": body["metadata"]["uid"]}, "outputs": [output]}
    stored = Stored(output["bytes"], output["sha256"])
    assert not found(
        replace(
            state,
            manifests={**state.manifests, key: manifest},
            objects={**state.objects, output["key"]: stored},
        )
    )


Spoil = Callable[[dict[str, Any]], object]
"""Changes the status of a plain job, or of one with several inputs."""


@pytest.mark.parametrize(
    ("job", "spoil", "rule"),
    [
        (PLAIN, lambda s: s.update(phase="Failed"), "the one right phase"),
        (PLAIN, lambda s: s.update(phase="Running"), "the one right phase"),
        (PLAIN, lambda s: s.clear(), "the one right phase"),
        (the_one(Sort.REJECTED), lambda s: s.update(phase="Failed"), "the one right phase"),
        (the_one(Sort.STRICT), lambda s: s.update(phase="Succeeded"), "the one right phase"),
        (SEVERAL, lambda s: s["indexes"].update(succeeded="0,2"), "each input's right end"),
        (the_one(Sort.TOLERANT), lambda s: s["indexes"].update(rejected=""), "counts agree"),
        (SEVERAL, lambda s: s["inputCounts"].update(succeeded=2), "counts agree"),
        (SEVERAL, lambda s: s.update(outputCount=2), "counts agree"),
        (SEVERAL, lambda s: s.update(outputBytes=1), "counts agree"),
        (
            SEVERAL,
            lambda s: s["outputs"][1].update(sha256="f" * 64),
            "status tells what manifests tell",
        ),
        (the_one(Sort.AGAIN), lambda s: s.update(runID="0000-1"), "as many runs as asked for"),
        (PLAIN, lambda s: s.pop("finishedAt"), "the end has a time"),
    ],
)
def test_a_status_that_is_wrong_is_found(job: StreamJob, spoil: Spoil, rule: str) -> None:
    state = copy.deepcopy(clean())
    body = next(b for b in state.videojobs if b["metadata"]["name"] == job.name)
    spoil(body["status"])
    assert (rule, job.name) in found(state)


def test_a_shorter_list_of_outputs_is_no_problem() -> None:
    """Losing reports may shorten it; the counts stand."""
    state = clean()
    body = next(b for b in state.videojobs if b["metadata"]["name"] == SEVERAL.name)
    body["status"].update(outputs=body["status"]["outputs"][:1], outputsTruncated=True)
    assert not found(state)


KEY = f"results/{SEVERAL.name}/in1/poster/1.jpg"
MANIFEST = f"results/{SEVERAL.name}/in1/manifest.json"


def without(mapping: Any, key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda s: {"created_jobs": [*s.created_jobs, s.created_jobs[3]]},
            "one Job for one attempt",
        ),
        (
            lambda s: {"created_jobs": [*s.created_jobs, "job-000-12345678"]},
            "one Job for one attempt",
        ),
        (lambda s: {"left": ["job/job-001-12345678"]}, "no orphans"),
        (lambda s: {"uploads": ["a/b"]}, "no orphaned uploads"),
        (lambda s: {"objects": without(s.objects, KEY)}, "every manifest verifies"),
        (
            lambda s: {"objects": {**s.objects, KEY: Stored(101, "0" * 64)}},
            "every manifest verifies",
        ),
        (
            lambda s: {"objects": {**s.objects, KEY: Stored(100, f"{1:064}")}},
            "every manifest verifies",
        ),
        (lambda s: {"manifests": without(s.manifests, MANIFEST)}, "what succeeded is published"),
        (
            lambda s: {
                "manifests": {
                    **s.manifests,
                    MANIFEST: {**s.manifests[MANIFEST], "job": {"uid": "other"}},
                }
            },
            "what succeeded is published",
        ),
        (
            lambda s: {"objects": {**s.objects, f"{KEY}.part": Stored(1, "")}},
            "nothing but what manifests list",
        ),
        (lambda s: {"videojobs": s.videojobs[1:]}, "every job is there"),
        (
            lambda s: {"videojobs": [*s.videojobs, {"metadata": {"name": "foreign"}}]},
            "nothing else is there",
        ),
        (
            lambda s: {"videojobs": [*s.videojobs, ended(DELETED)]},
            "what is deleted goes",
        ),
        (lambda s: {"phases_seen": {DELETED.name: ["Running"]}}, "the one right phase"),
        (lambda s: {"uids_seen": {}}, "one Job for one attempt"),
        (
            lambda s: {"objects": {**s.objects, f"results/{DELETED.name}/a": Stored(1, "")}},
            "outputs go with it",
        ),
        (lambda s: {"letters": {}}, "who wants to be told is"),
        (lambda s: {"letters": {TOLD.name: {"a", "b"}}}, "who wants to be told is"),
        (lambda s: {"letters": {**s.letters, PLAIN.name: {"a"}}}, "who wants to be told is"),
        (lambda s: {"letters": {TOLD.name: {"a"}}}, "status tells who was told"),
        (
            lambda s: {"phases_seen": {PLAIN.name: ["Running", "Failed", "Succeeded"]}},
            "an end is an end",
        ),
        (
            lambda s: {"phases_seen": {PLAIN.name: ["Succeeded", "Running"]}},
            "an end is an end",
        ),
        (
            lambda s: {
                "phases_seen": {the_one(Sort.AGAIN).name: ["Succeeded", "Failed", "Succeeded"]}
            },
            "an end is an end",
        ),
    ],
)
def test_whatever_else_is_wrong_is_found(
    change: Callable[[FinalState], dict[str, Any]], problem: str
) -> None:
    state = clean()
    assert problem in {rule for rule, _ in found(replace(state, **change(state)))}


def test_a_second_run_may_follow_the_first() -> None:
    job = the_one(Sort.AGAIN)
    seen = ["Pending", "Running", "Succeeded", "Pending", "Running", "Succeeded"]
    state = clean()
    assert not found(replace(state, phases_seen={**state.phases_seen, job.name: seen}))
