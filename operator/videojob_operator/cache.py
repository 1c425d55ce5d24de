"""The cache: the newest copy of each VideoJob, Job and waiting pod that anyone has seen.

Filled by handlers (watch events) and act (our own writes), read by observe. It never asks anyone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from videojob_api import names

from .facts import as_over, has_ended, is_owned_by
from .observed import Key
from .packed import Known, keep, version_of

Body = dict[str, Any]


def _uid(body: Body) -> str:
    uid: str = body["metadata"]["uid"]
    return uid


def _key(body: Body) -> Key:
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])


def _containers(body: Body) -> list[Body]:
    """Of a pod, or of the pods of a Job."""
    spec = body.get("spec", {})
    found: list[Body] = spec.get("template", {}).get("spec", spec).get("containers", [])
    return found


class _Children:
    """Objects that belong to VideoJobs, by owner's uid and own namespace and name."""

    def __init__(self) -> None:
        self._by_owner: dict[str, dict[Key, Body]] = {}

    def put(self, owner: str, body: Body) -> None:
        siblings = self._by_owner.setdefault(owner, {})
        old = siblings.get(_key(body))
        if old is None or version_of(old) <= version_of(body):
            siblings[_key(body)] = body

    def drop(self, owner: str, body: Body) -> None:
        siblings = self._by_owner.get(owner, {})
        old = siblings.get(_key(body))
        if old is not None and _uid(old) == _uid(body):
            del siblings[_key(body)]
        if not siblings:
            self._by_owner.pop(owner, None)

    def known(self, owner: str, body: Body) -> Body | None:
        """The copy of that very object."""
        old = self._by_owner.get(owner, {}).get(_key(body))
        return old if old is not None and _uid(old) == _uid(body) else None

    def of(self, owner: str) -> tuple[Body, ...]:
        return tuple(self._by_owner.get(owner, {}).values())

    def all(self) -> list[Body]:
        return [body for own in self._by_owner.values() for body in own.values()]


class Cache:
    """Everything that reconciling needs to know without asking."""

    def __init__(self) -> None:
        self._videojobs: dict[Key, Known] = {}
        self._jobs = _Children()
        self._pods = _Children()
        self._job_keys: dict[str, Key] = {}
        """Job uid → its VideoJob."""

    def videojob(self, key: Key) -> Body | None:
        """The VideoJob as last seen."""
        known = self._videojobs.get(key)
        return known.body if known is not None else None

    def has_videojob(self, key: Key, uid: str) -> bool:
        """Whether that very VideoJob is there, as last seen."""
        known = self._videojobs.get(key)
        return known is not None and known.uid == uid

    def is_over(self, key: Key) -> bool:
        """Whether a VideoJob has ended, as last seen."""
        known = self._videojobs.get(key)
        return known is not None and known.is_over

    def is_at_rest(self, key: Key) -> bool:
        """Whether a VideoJob has ended, asks for nothing and has no Job left."""
        known = self._videojobs.get(key)
        return known is not None and known.is_at_rest and not self._jobs.of(known.uid)

    def videojobs(self) -> Iterable[tuple[Key, Known]]:
        """All of them."""
        return tuple(self._videojobs.items())

    def jobs_of(self, uid: str) -> tuple[Body, ...]:
        """Jobs that say they belong to a VideoJob, whoever made them."""
        return self._jobs.of(uid)

    def own_jobs_of(self, key: Key, uid: str) -> list[Body]:
        """Those of them that it owns, in its own namespace."""
        return [
            job
            for job in self._jobs.of(uid)
            if is_owned_by(job, uid) and job["metadata"]["namespace"] == key.namespace
        ]

    def jobs(self) -> list[Body]:
        """All Jobs."""
        return self._jobs.all()

    def pods(self) -> list[Body]:
        """All pods."""
        return self._pods.all()

    def pods_of(self, uid: str) -> tuple[Body, ...]:
        """Pods of a VideoJob that wait, work, or ended while the job went on."""
        return self._pods.of(uid)

    def pods_of_job(self, uid: str, job_uid: str) -> list[Body]:
        """Those of a VideoJob's pods that a Job owns: labels can be forged, and owners elsewhere."""
        if (key := self._job_keys.get(job_uid)) is None:
            return []
        return [
            pod
            for pod in self._pods.of(uid)
            if is_owned_by(pod, job_uid) and pod["metadata"]["namespace"] == key.namespace
        ]

    def forget_pods(self, uid: str) -> None:
        """Drop what is kept of a VideoJob's pods: it has ended or gone."""
        for body in self._pods.of(uid):
            self._pods.drop(uid, body)

    def put_videojob(self, body: Body) -> Key:
        """Remember a VideoJob, unless a newer copy is known."""
        key = _key(body)
        old = self._videojobs.get(key)
        if old is None or old.version < version_of(body):
            self._videojobs[key] = keep(body)
        return key

    def knows_videojob(self, body: Body) -> bool:
        """Whether that copy of a VideoJob, or a newer one, is here already: we wrote it ourselves."""
        old = self._videojobs.get(_key(body))
        return old is not None and old.uid == _uid(body) and old.version >= version_of(body)

    def renew_videojob(self, body: Body) -> None:
        """Take the answer to a write; the watch may have told meanwhile that the object is gone."""
        old = self._videojobs.get(_key(body))
        if old is not None and old.uid == _uid(body):
            self.put_videojob(body)

    def drop_videojob(self, body: Body) -> Key | None:
        """Forget a VideoJob that is gone; None if a later one of the same name stays."""
        key = _key(body)
        old = self._videojobs.get(key)
        if old is not None and old.uid != _uid(body):
            return None
        self._videojobs.pop(key, None)
        return key

    def known_job(self, body: Body) -> Body | None:
        """That Job as it was last seen."""
        return self._jobs.known(body["metadata"].get("labels", {}).get(names.LABEL_UID, ""), body)

    def known_pod(self, body: Body) -> Body | None:
        """That pod as it was last seen."""
        return self._pods.known(body["metadata"].get("labels", {}).get(names.LABEL_UID, ""), body)

    def put_job(self, body: Body) -> Key | None:
        """Remember a Job of ours; the key of its VideoJob."""
        if (key := self._put(self._jobs, body)) is not None:
            self._job_keys[_uid(body)] = key
        return key

    def drop_job(self, body: Body) -> Key | None:
        """Forget a Job that is gone, and its pods: those that have ended nobody would drop any more."""
        self._job_keys.pop(_uid(body), None)
        owner = body["metadata"].get("labels", {}).get(names.LABEL_UID, "")
        for pod in self._pods.of(owner):
            if is_owned_by(pod, _uid(body)):
                self._pods.drop(owner, pod)
        return self._drop(self._jobs, body)

    def key_of_job(self, uid: str) -> Key | None:
        """The VideoJob of a Job of ours, by the Job's uid."""
        return self._job_keys.get(uid)

    def put_pod(self, body: Body) -> Key | None:
        """Remember a live pod of ours."""
        return self._put(self._pods, body)

    def drop_pod(self, body: Body) -> Key | None:
        """Forget a pod that is live no more; one that ended by itself stays for what it says.

        It is told of as it was when it was live; by now it is over, and may be gone.
        """
        key = self.key_of(body)
        parent = self._videojobs.get(key) if key else None
        is_ours = parent is not None and parent.uid == body["metadata"]["labels"][names.LABEL_UID]
        keep = is_ours and has_ended(body)
        return self.put_pod(as_over(body)) if keep else self._drop(self._pods, body)

    def key_of(self, body: Body) -> Key | None:
        """The VideoJob that a child belongs to, if it is known."""
        meta = body["metadata"]
        if of := meta.get("annotations", {}).get(names.ANNOTATION_CLEANS_UP):
            return Key(meta["namespace"], of)  # a clean-up Job has no owner
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
        for container in _containers(body):
            container.pop("env", None)  # the work order, mostly
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
        children.drop(owner, body)
        return key
