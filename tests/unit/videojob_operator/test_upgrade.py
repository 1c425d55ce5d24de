"""An upgrade under way: what the first version left on the cluster, under the operator of today."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import KEY, RUN_ID, UID, a_result, a_store, a_time, a_videojob_body, an_ended_pod
from fake_cluster import StillWorld, a_world, fake, job_becomes, status_of

from videojob_api import names
from videojob_api.base import NAME_PATTERN, SUBDOMAIN_PATTERN
from videojob_api.status import Phase
from videojob_operator.reconcile import reconcile

ROOT = Path(__file__).parents[3]
OBJECTS = json.loads((ROOT / "tests" / "upgrade" / "first-objects.json").read_text())
WIDER = {NAME_PATTERN: SUBDOMAIN_PATTERN}
"""Patterns, and those that take all that they take."""
SCHEMAS = json.loads((ROOT / "tests" / "upgrade" / "first-crds.json").read_text())
LOWER_IS_NARROWER = ("maximum", "maxLength", "maxItems", "maxProperties")
BOUNDLESS = 2**53
"""No number on the way through JSON was ever greater."""
HIGHER_IS_NARROWER = ("minimum", "minLength", "minItems", "minProperties")


def left_behind(state: str) -> StillWorld:
    """A cluster as the first operator left it, and the new operator that has just listed it."""
    world = a_world()
    world.cache.put_videojob(fake(world).put("videojobs", OBJECTS[state]["videojob"]))
    world.cache.put_job(fake(world).put("jobs", OBJECTS[state]["job"]))
    return world


def all_succeed(world: StillWorld) -> None:
    for index in range(2):
        result = a_result(index).to_termination_message()
        world.cache.put_pod(an_ended_pod(0, result, index=index, name=f"pod-{index}"))
    job_becomes(world, succeeded=2, completedIndexes="0-1")


@pytest.mark.parametrize("state", ["started", "running"])
async def test_what_is_under_way_goes_on_and_succeeds(state: str) -> None:
    world = left_behind(state)
    await reconcile(KEY, world)
    assert len(fake(world).all("jobs")) == 1, "the work was begun twice"
    assert not [path for verb, path in fake(world).writes if verb in ("DELETE", "POST")]
    assert not status_of(world).phase.is_terminal
    all_succeed(world)
    await reconcile(KEY, world)
    status = status_of(world)
    assert status.phase is Phase.SUCCEEDED
    assert status.input_counts is not None
    assert (status.input_counts.succeeded, status.input_counts.total) == (2, 2)
    assert {output.input for output in status.outputs} == {"in-0", "in-1"}


NEW_DEFAULTS: list[dict[str, Any]] = [
    {"dryRun": False},
    {"output": {"cacheControl": "Default"}},
    {"scheduling": {"spread": "None"}},
]


@pytest.mark.parametrize("defaults", NEW_DEFAULTS)
async def test_newer_crds_end_nothing_that_is_under_way(defaults: dict[str, Any]) -> None:
    """The API server fills their defaults into what it has stored, before their operator is up."""
    world = left_behind("running")
    (stored,) = fake(world).all("videojobs")
    for name, value in defaults.items():
        was = stored["spec"].get(name, {})
        stored["spec"][name] = was | value if isinstance(value, dict) else value
    world.cache.put_videojob(fake(world).put("videojobs", stored))
    all_succeed(world)
    await reconcile(KEY, world)
    assert not [path for verb, path in fake(world).writes if verb == "POST" and "jobs" in path]
    status = status_of(world)
    assert status.phase is Phase.SUCCEEDED
    (told,) = (c.message for c in status.conditions if c.type == "Accepted")
    ((name, value),) = defaults.items()
    unknown = f"spec.{name}.{next(iter(value))}" if isinstance(value, dict) else f"spec.{name}"
    assert told == f"This version of the operator does not know {unknown}; passed over."


def a_stored_store(**s3: Any) -> dict[str, Any]:
    spec = a_store().wire()
    meta = {"name": "media", "namespace": KEY.namespace}
    return {"metadata": meta, "spec": spec | {"s3": spec["s3"] | s3}}


async def test_what_asks_for_more_than_is_known_waits_for_the_upgrade() -> None:
    world = a_world()
    fake(world).put("videostores", a_stored_store())
    body = a_videojob_body(dryRun=True)
    world.cache.put_videojob(fake(world).put("videojobs", body))
    await reconcile(KEY, world)
    status = status_of(world)
    assert (status.phase, fake(world).all("jobs")) == (Phase.PENDING, [])
    assert {c.type: (c.status, c.reason) for c in status.conditions}["Accepted"] == (
        "False",
        "UnknownFields",
    )
    assert "spec.dryRun" in (status.message or "")
    del body["spec"]["dryRun"]  # as an operator sees it that knows it
    world.cache.put_videojob(fake(world).put("videojobs", body | {"status": status.wire()}))
    await reconcile(KEY, world)
    assert len(fake(world).all("jobs")) == 1


async def test_newer_crds_let_outputs_be_deleted_with_their_videojob() -> None:
    world = a_world()
    fake(world).put("namespaces", {"metadata": {"name": KEY.namespace, "namespace": ""}})
    fake(world).put("videostores", a_stored_store(checksums="Always"))
    body = a_videojob_body(output={"prefix": "results/", "deletionPolicy": "Delete", "new": "1"})
    body["metadata"] |= {"finalizers": [names.FINALIZER], "deletionTimestamp": a_time(5)}
    body["status"] = {"phase": "Succeeded", "attempt": 1, "runID": RUN_ID, "finishedAt": a_time(9)}
    world.cache.put_videojob(fake(world).put("videojobs", body))
    await reconcile(KEY, world)
    (job,) = fake(world).all("jobs")
    assert job["metadata"]["name"] == names.clean_up_name(KEY.name, UID)


NEW_KINDS: list[dict[str, Any]] = [
    {"steps": [{"name": "voice", "dub": {}}]},
    {"accelerator": {"mode": "Preferred"}},
    {"notify": [{"kafka": {"topic": "films"}}]},
]


@pytest.mark.parametrize("kinds", NEW_KINDS)
async def test_a_new_kind_or_value_waits_for_the_upgrade(kinds: dict[str, Any]) -> None:
    world = a_world()
    fake(world).put("videostores", a_stored_store())
    world.cache.put_videojob(fake(world).put("videojobs", a_videojob_body(**kinds)))
    await reconcile(KEY, world)
    assert (status_of(world).phase, fake(world).all("jobs")) == (Phase.PENDING, [])
    assert "the VideoJob goes on once the operator is upgraded" in (status_of(world).message or "")


@pytest.mark.parametrize("kinds", NEW_KINDS[1:])
async def test_a_new_kind_or_value_leaves_what_is_at_work_to_itself(kinds: dict[str, Any]) -> None:
    world = left_behind("running")
    (stored,) = fake(world).all("videojobs")
    world.cache.put_videojob(
        fake(world).put("videojobs", stored | {"spec": stored["spec"] | kinds})
    )
    await reconcile(KEY, world)
    assert len(fake(world).all("jobs")) == 1
    status = status_of(world)
    assert status.phase is Phase.RUNNING
    assert [i.name for i in status.inputs] == ["in-0", "in-1"]
    world.cache.put_videojob(fake(world).put("videojobs", stored | {"status": status.wire()}))
    all_succeed(world)
    await reconcile(KEY, world)
    assert status_of(world).phase is Phase.SUCCEEDED


async def test_what_is_finished_stays_as_it_is() -> None:
    world = left_behind("finished")
    before = fake(world).all("videojobs")[0]["status"]
    await reconcile(KEY, world)
    assert fake(world).writes == []
    assert fake(world).all("videojobs")[0]["status"] == before


def narrowed(old: Any, new: Any, path: str) -> Iterator[str]:
    """Where a schema refuses, or drops, what the old one took."""
    if old.get("type") != new.get("type"):
        yield f"{path}: {old.get('type')} became {new.get('type')}"
        return
    for word in LOWER_IS_NARROWER:
        if word in new and new[word] < old.get(word, BOUNDLESS):
            yield f"{path}: {word} {old.get(word)} became {new[word]}"
    for word in HIGHER_IS_NARROWER:
        if word in new and new[word] > old.get(word, float("-inf")):
            yield f"{path}: {word} {old.get(word)} became {new[word]}"
    if "enum" in new and not set(old.get("enum", ())) <= set(new["enum"]):
        yield f"{path}: {set(old['enum']) - set(new['enum'])} are not known any more"
    if new.get("pattern") not in (None, old.get("pattern"), WIDER.get(old.get("pattern"))):
        yield f"{path}: the pattern became {new['pattern']}"
    for name in set(new.get("required", ())) - set(old.get("required", ())):
        yield f"{path}.{name}: is required now"
    for name, schema in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            yield from narrowed(schema, new["properties"][name], f"{path}.{name}")
        elif not new.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{path}.{name}: is gone"
    if "items" in old:
        yield from narrowed(old["items"], new["items"], f"{path}[]")


NARROWED_ON_PURPOSE = {
    "videojobs.status.failure.exitCode: minimum None became 0",
    "videojobs.status.failure.exitCode: maximum None became 255",
    "videojobs.status.retryAt: is gone",
    "videojobs.spec.steps[].transcode.audioBitrateKbps: is gone",
    "videojobs.spec.limits.maxBytes: minimum None became 0",
    *(
        f"videojobs.spec.resources.{part}.{what}: minimum None became 0"
        for part in ("requests", "limits")
        for what in ("cpu", "memory")
    ),
}
"""No operator ever wrote what the first take away; the bitrate is ``audio.bitrateKbps`` now, and pruned.
Amounts below nothing were refused by every operator, so that what has them has ended."""


@pytest.mark.parametrize("plural", SCHEMAS)
def test_what_is_stored_stays_valid(plural: str) -> None:
    """Else the API server would refuse every status write on what was made before."""
    crd = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())
    today = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert set(narrowed(SCHEMAS[plural], today, plural)) <= NARROWED_ON_PURPOSE


def test_a_narrowed_schema_would_be_noticed() -> None:
    old = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}, "b": {}}}
    new = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "string", "maxLength": 8}},
    }
    assert sorted(narrowed(old, new, "x")) == [
        "x.a: is required now",
        "x.a: maxLength 9 became 8",
        "x.b: is gone",
    ]
