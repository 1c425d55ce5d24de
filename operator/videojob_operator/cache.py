"""The cache: the newest copy of each VideoJob, Job and waiting pod that anyone has seen.

Filled by handlers (watch events) and act (our own writes), read by observe. It never asks anyone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from videojob_api import names

from .facts import has_ended
from .observed import Key

Body = dict[str, Any]


def _version(body: Body) -> int:
    text = body["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0


def _key(body: Body) -> Key:
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])


class _Children:
    """Objects that belong to VideoJobs, by owner's uid and own name."""

    def __init__(self) -> None:
        self._by_owner: dict[str, dict[str, Body]] = {}

    def put(self, owner: str, body: Body) -> None:
        siblings = self._by_owner.setdefault(owner, {})
        old = siblings.get(body["metadata"]["name"])
        if old is None or _version(old) <= _version(body):
            siblings[body["metadata"]["name"]] = body

    def drop(self, owner: str, name: str, uid: str) -> None:
        siblings = self._by_owner.get(owner, {})
        if name in siblings and siblings[name]["metadata"]["uid"] == uid:
            del siblings[name]
        if not siblings:
            self._by_owner.pop(owner, None)

    def of(self, owner: str) -> tuple[Body, ...]:
        return tuple(self._by_owner.get(owner, {}).values())

    def all(self) -> list[tuple[str, Body]]:
        return [(owner, body) for owner, own in self._by_owner.items() for body in own.values()]


class Cache:
    """Everything that reconciling needs to know without asking."""

    def __init__(self) -> None:
        self._videojobs: dict[Key, Body] = {}
        self._jobs = _Children()
        self._pods = _Children()

    def videojob(self, key: Key) -> Body | None:
        """The VideoJob as last seen."""
        return self._videojobs.get(key)

    def videojobs(self) -> Iterable[tuple[Key, Body]]:
        """All of them."""
        return tuple(self._videojobs.items())

    def jobs_of(self, uid: str) -> tuple[Body, ...]:
        """Jobs that say they belong to a VideoJob; the caller checks the owner."""
        return self._jobs.of(uid)

    def jobs(self) -> list[tuple[str, Body]]:
        """All Jobs with their VideoJob's uid."""
        return self._jobs.all()

    def pods_of(self, uid: str) -> tuple[Body, ...]:
        """Pods of a VideoJob that wait, work, or ended while the job went on."""
        return self._pods.of(uid)

    def forget_pods(self, uid: str) -> None:
        """Drop what is kept of a VideoJob's pods: it has ended or gone."""
        for body in self._pods.of(uid):
            self._pods.drop(uid, body["metadata"]["name"], body["metadata"]["uid"])

    def put_videojob(self, body: Body) -> Key:
        """Remember a VideoJob, unless a newer copy is known."""
        key = _key(body)
        old = self._videojobs.get(key)
        same = old is not None and old["metadata"]["uid"] == body["metadata"]["uid"]
        if old is None or not same or _version(old) <= _version(body):
            body["metadata"].pop("managedFields", None)
            self._videojobs[key] = body
        return key

    def drop_videojob(self, body: Body) -> Key:
        """Forget a VideoJob that is gone (a later one of the same name stays)."""
        key = _key(body)
        old = self._videojobs.get(key)
        if old is not None and old["metadata"]["uid"] == body["metadata"]["uid"]:
            del self._videojobs[key]
        return key

    def put_job(self, body: Body) -> Key | None:
        """Remember a Job of ours; the key of its VideoJob."""
        return self._put(self._jobs, body)

    def drop_job(self, body: Body) -> Key | None:
        """Forget a Job that is gone."""
        return self._drop(self._jobs, body)

    def put_pod(self, body: Body) -> Key | None:
        """Remember a live pod of ours."""
        return self._put(self._pods, body)

    def drop_pod(self, body: Body) -> Key | None:
        """Forget a pod that is live no more; one that ended by itself stays for what it says."""
        return self.put_pod(body) if has_ended(body) else self._drop(self._pods, body)

    def key_of(self, body: Body) -> Key | None:
        """The VideoJob that a child belongs to, if it is known."""
        meta = body["metadata"]
        uid = meta.get("labels", {}).get(names.LABEL_UID)
        # A pod's owner is the Job; its label holds the name, cut to 63 characters at most.
        parents = {owner.get("uid") for owner in meta.get("ownerReferences", [])}
        jobs = (job["metadata"] for job in self._jobs.of(uid or ""))
        for owned in (meta, *(job for job in jobs if job["uid"] in parents)):
            for owner in owned.get("ownerReferences", []):
                if owner.get("kind") == "VideoJob" and owner.get("uid") == uid:
                    return Key(owned["namespace"], owner["name"])
        return None

    def _put(self, children: _Children, body: Body) -> Key | None:
        body["metadata"].pop("managedFields", None)
        owner = body["metadata"].get("labels", {}).get(names.LABEL_UID)
        if owner is None:
            return None
        children.put(owner, body)
        return self.key_of(body)

    def _drop(self, children: _Children, body: Body) -> Key | None:
        meta = body["metadata"]
        owner = meta.get("labels", {}).get(names.LABEL_UID)
        if owner is None:
            return None
        key = self.key_of(body)
        children.drop(owner, meta["name"], meta["uid"])
        return key
