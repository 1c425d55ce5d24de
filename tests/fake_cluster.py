"""An API server in memory, as far as the operator can tell: versions, conflicts, preconditions.

Used by the unit tests. It stands behind ``Cluster.request``, so that everything above is the real code.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from builders import KEY, NOW, RUN_ID, UID, a_report, a_videojob_body, an_ended_pod

from videojob_api import names
from videojob_api.report import Report
from videojob_api.status import VideoJobStatus
from videojob_operator.cluster import Body, Cluster
from videojob_operator.errors import ClusterError, Conflict, Gone
from videojob_operator.fence import Fence
from videojob_operator.first_looks import look_at_unfinished, remember_unfinished
from videojob_operator.observed import Key
from videojob_operator.reconcile import reconcile
from videojob_operator.settings import Settings
from videojob_operator.world import World


def apply_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply_patch(result.get(name), value)
    return result


class FakeCluster(Cluster):
    """Objects by plural, namespace and name; every request is remembered."""

    def __init__(self) -> None:
        self.fence = Fence()
        self.objects: dict[tuple[str, str, str], Body] = {}
        self.requests: list[tuple[str, str]] = []
        self.failures: list[ClusterError] = []
        """Raised by the next requests, one each."""
        self.reviews: dict[str, Body] = {}
        """Token → the status of its review."""
        self.token_keys: Body = {"keys": []}
        self._version = 1000

    # ---- what tests do

    def put(self, plural: str, body: Body) -> Body:
        """Make or replace an object, as somebody else would; the stored copy."""
        self._version += 1
        body = json.loads(json.dumps(body))
        meta = body["metadata"]
        meta["resourceVersion"] = str(self._version)
        meta.setdefault("uid", f"uid-{self._version}")
        meta.setdefault("creationTimestamp", NOW.strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.objects[plural, meta.get("namespace", ""), meta["name"]] = body
        return self._copy(body)

    def all(self, plural: str) -> list[Body]:
        """All objects of a kind."""
        return [self._copy(b) for (kind, _, _), b in self.objects.items() if kind == plural]

    def drop(self, plural: str, name: str, namespace: str = KEY.namespace) -> Body:
        """Remove an object, as somebody else would."""
        return self.objects.pop((plural, namespace, name))

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Requests that change something."""
        return [(method, path) for method, path in self.requests if method != "GET"]

    @property
    def status_writes(self) -> int:
        """How many of them were status patches."""
        return sum(1 for _, path in self.writes if path.endswith("/status"))

    # ---- what the operator does

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Body:
        """Answer as the API server would."""
        self.requests.append((method, path))
        if self.failures:
            raise self.failures.pop(0)
        if path.endswith("/tokenreviews"):
            return {"status": self.reviews.get(body["spec"]["token"], {"authenticated": False})}
        if path == "/openid/v1/jwks":
            return self.token_keys
        namespace, plural, name = self._parse(path)
        if method == "POST":
            return self._create(plural, body)
        if method == "GET" and not name:
            items = self._list(plural, namespace, query or {})
            if "PartialObjectMetadataList" in accept:
                # Like the real one, which says null for none.
                return {"items": [{"metadata": item["metadata"]} for item in items] or None}
            return {"items": items}
        stored = self.objects.get((plural, namespace, name))
        if stored is None:
            raise Gone(f'{plural} "{name}" not found', 404)
        if method == "PATCH" and plural == "pods":
            assert body["metadata"]["uid"] == stored["metadata"]["uid"]
            stored["metadata"].setdefault("annotations", {}).update(
                body["metadata"].get("annotations", {})
            )
            return self.put(plural, {**stored, "status": stored["status"] | body.get("status", {})})
        if method == "PATCH":
            assert content_type == "application/merge-patch+json"
            if path.endswith("/status"):
                return self._patch_status(plural, stored, body)
            return self._patch_meta(plural, stored, body)
        if method == "PUT":
            self._must_be(stored, body["metadata"].get("resourceVersion"))
            return self.put(plural, body)
        if method == "DELETE":
            if plural == "configmaps":
                return self.objects.pop((plural, namespace, name))
            if body["preconditions"]["uid"] != stored["metadata"]["uid"]:
                raise Conflict("the UID in the precondition does not match", 409)
            if version := body["preconditions"].get("resourceVersion"):
                self._must_be(stored, version)
            if stored["metadata"].get("finalizers") and plural == "pods":
                return self.put(plural, stored)
            if body.get("propagationPolicy") == "Foreground" and self._pods_of(stored):
                stored["metadata"].setdefault("deletionTimestamp", "2026-03-01T12:00:00Z")
                return self.put(plural, stored)
            return self.objects.pop((plural, namespace, name))
        return self._copy(stored)

    def _pods_of(self, job: Body) -> list[Body]:
        uid = job["metadata"]["uid"]
        return [p for p in self.all("pods") if p["metadata"]["ownerReferences"][0]["uid"] == uid]

    @staticmethod
    def _parse(path: str) -> tuple[str, str, str]:
        parts = path.split("/")[3 if path.startswith("/api/") else 4 :]
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        return namespace, parts[0], parts[1] if len(parts) > 1 else ""

    def _create(self, plural: str, body: Body) -> Body:
        meta = body["metadata"]
        if (plural, meta["namespace"], meta["name"]) in self.objects:
            raise Conflict(f'{plural} "{meta["name"]}" already exists', 409)
        return self.put(plural, body)

    def _list(self, plural: str, namespace: str, query: Mapping[str, str]) -> list[Body]:
        found = [b for b in self.all(plural) if namespace in ("", b["metadata"].get("namespace"))]
        if plural == "events":
            wanted = dict(part.split("=") for part in query["fieldSelector"].split(","))
            assert wanted.keys() == {"involvedObject.name", "type"}
            about, type_ = wanted["involvedObject.name"], wanted["type"]
            return [e for e in found if (e["involvedObject"]["name"], e["type"]) == (about, type_)]
        if query.get("fieldSelector"):
            known = {"pods": names.LIVE_PODS, "videojobs": names.UNFINISHED}
            assert query["fieldSelector"] == known[plural]
            left_out = {part.partition("!=")[2] for part in query["fieldSelector"].split(",")}
            found = [b for b in found if b.get("status", {}).get("phase") not in left_out]
        label, _, value = query.get("labelSelector", "").partition("=")
        if not label:
            return found
        labels = [(b, b["metadata"].get("labels", {}).get(label)) for b in found]
        return [b for b, has in labels if has is not None and (not value or has == value)]

    def _patch_status(self, plural: str, stored: Body, patch: Body) -> Body:
        self._must_be(stored, patch["metadata"]["resourceVersion"])
        status = apply_patch(stored.get("status", {}), patch["status"])
        VideoJobStatus.model_validate(status)
        return self.put(plural, {**stored, "status": status})

    def _patch_meta(self, plural: str, stored: Body, patch: Body) -> Body:
        self._must_be(stored, patch["metadata"].pop("resourceVersion"))
        body = self.put(
            plural, {**stored, "metadata": apply_patch(stored["metadata"], patch["metadata"])}
        )
        if "deletionTimestamp" in body["metadata"] and not body["metadata"].get("finalizers"):
            self.drop(plural, body["metadata"]["name"])
        return body

    @staticmethod
    def _must_be(stored: Body, version: str | None) -> None:
        if version != stored["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified", 409)

    @staticmethod
    def _copy(body: Body) -> Body:
        copy: Body = json.loads(json.dumps(body))
        return copy


@dataclass
class StillWorld(World):
    """A world whose clock stands still unless it is moved."""

    moment: datetime = NOW

    def now(self) -> datetime:
        """The time it was set to."""
        return self.moment

    def monotonic(self) -> float:
        """The same time."""
        return self.moment.timestamp()


def a_world(cluster: FakeCluster | None = None, **settings: Any) -> StillWorld:
    """A world around a fake cluster."""
    return StillWorld(cluster or FakeCluster(), Settings(worker_image="worker:1", **settings))


def fake(world: World) -> FakeCluster:
    """The fake behind a world."""
    assert isinstance(world.cluster, FakeCluster)
    return world.cluster


def a_world_with_a_videojob(inputs: int = 1, **spec: Any) -> tuple[StillWorld, Key]:
    """A store and a VideoJob that were just applied, the latter seen by the watch."""
    world = a_world()
    cluster = fake(world)
    s3 = {
        "endpoint": "http://minio:9000",
        "bucket": "films",
        "credentialsSecretRef": {"name": "minio"},
    }
    store = {"metadata": {"name": "media", "namespace": KEY.namespace}, "spec": {"s3": s3}}
    cluster.put("videostores", store)
    world.cache.put_videojob(cluster.put("videojobs", a_videojob_body(inputs, **spec)))
    fake(world).put("namespaces", {"metadata": {"name": KEY.namespace, "namespace": ""}})
    return world, KEY


def put_videojob(world: StillWorld, name: str, namespace: str = KEY.namespace, **spec: Any) -> Key:
    """One more VideoJob; its namespace has a store too."""
    cluster = fake(world)
    (store, *_) = cluster.all("videostores")
    store["metadata"] = {"name": "media", "namespace": namespace}
    cluster.put("videostores", store)
    body = a_videojob_body(uid=f"uid-of-{namespace}-{name}", **spec)
    body["metadata"] |= {"name": name, "namespace": namespace}
    body["metadata"]["creationTimestamp"] = "2026-03-01T11:00:00Z"
    world.cache.put_videojob(cluster.put("videojobs", body))
    return Key(namespace, name)


def limited(world: StillWorld, limit: int) -> StillWorld:
    """The same with an operator that lets so many workers run; it knows the same VideoJobs and no more."""
    settings = replace(world.settings, max_running=limit)
    return StillWorld(world.cluster, settings, cache=world.cache)


def restarted(world: StillWorld) -> StillWorld:
    """The same cluster with an operator that knows nothing of it yet."""
    return StillWorld(world.cluster, world.settings)


async def take_up(world: World) -> None:
    """What an operator does first."""
    await remember_unfinished(world)
    await look_at_unfinished(world)


def status_of(world: StillWorld, key: Key = KEY) -> VideoJobStatus:
    """What stands on a VideoJob."""
    body = fake(world).objects["videojobs", key.namespace, key.name]
    return VideoJobStatus.model_validate(body["status"])


def attempts(world: StillWorld) -> list[str]:
    """The numbers of all Jobs, as they were made."""
    return [job["metadata"]["labels"][names.LABEL_ATTEMPT] for job in fake(world).all("jobs")]


def the_job(world: StillWorld) -> dict[str, Any]:
    """The newest Job."""
    return max(fake(world).all("jobs"), key=lambda job: int(job["metadata"]["resourceVersion"]))


def job_becomes(world: StillWorld, **status: Any) -> None:
    """The Job controller changes the newest Job, and the watch sees it."""
    job = the_job(world)
    world.cache.put_job(fake(world).put("jobs", {**job, "status": status}))


def pod_ended(world: StillWorld, exit_code: int, message: str = "", *, index: int = 0) -> None:
    """A pod of the newest Job ended; ``index`` is the Job's own."""
    job = the_job(world)["metadata"]
    pod = an_ended_pod(
        exit_code, message, index=index, name=f"{job['name']}-{index}", job_uid=job["uid"]
    )
    pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job["name"]
    fake(world).put("pods", pod)


def reported(world: StillWorld, percent: float, *, index: int = 0, attempt: int = 1) -> None:
    """A worker told how far it is."""
    report = Report(run_id=RUN_ID, attempt=attempt, index=index, progress=a_report(percent))
    world.book.record(UID, report)


def queued(world: World) -> set[Key]:
    """The keys that wait to be looked at."""
    return {*world.queue._urgent, *world.queue._patient}


async def tell(
    handler: Any, body: dict[str, Any], world: StillWorld, type_: str | None = "MODIFIED"
) -> None:
    """Hand an event to a handler, as kopf does; whatever a handler returned kopf would write."""
    assert inspect.iscoroutinefunction(handler), "kopf would run it in a thread"
    assert await handler(event={"type": type_, "object": body}, memo=world, logger=None) is None


async def settled(world: StillWorld) -> None:
    """The same situation once more: nothing is written, nothing is made."""
    before = len(fake(world).writes)
    await reconcile(KEY, world)
    assert fake(world).writes[before:] == []
