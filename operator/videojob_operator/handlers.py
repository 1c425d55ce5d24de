"""All of kopf: three stateless handlers. An event says only "look at this one again".

Registered by importing; ``__main__`` hands the registry to kopf. No finalizers, annotations, timers,
daemons or indices, and nothing is ever returned from a handler: kopf writes nothing anywhere.

They are coroutines though they await nothing: kopf runs plain functions in threads, and queue and cache
belong to the event loop.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import kopf

from videojob_api import names

from . import metrics
from .facts import is_at_rest, is_same_pod, parse_workload
from .observed import Key
from .resync import look_at_listed
from .session import TIMEOUT_SECONDS, open_session
from .settings import Settings
from .stateless import NoDiffBase, NoProgress
from .world import World

REGISTRY = kopf.OperatorRegistry()

_A_PAGE = 100
"""Of a list. Ended VideoJobs may have 20 KB each, and some four times that once they are parsed."""
_COUNTERS_SECONDS = 1.0
"""A Job's counters of pods can wait: the pods themselves tell sooner."""


@kopf.on.login(registry=REGISTRY)
async def login(memo: World, **kwargs: Any) -> kopf.AiohttpSession | None:
    """The pod's service account, or the kubeconfig of whoever runs the operator by hand.

    At the address that all else is asked at: in a pod, kopf would take the cluster's DNS name for it
    and disregard the address that Kubernetes has told the pod.
    """
    found = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
    if found is None:
        return None
    return open_session(
        dataclasses.replace(found, server=memo.cluster.server),
        functools.partial(_is_taken, world=memo),
    )


@kopf.on.event(names.GROUP, names.VERSION, "videojobs", registry=REGISTRY)
async def videojob_seen(event: kopf.RawEvent, memo: World, **_: Any) -> None:
    """A VideoJob was added, changed or deleted."""
    body: dict[str, Any] = dict(event["object"])
    metrics.WATCH_LAST_EVENT.labels(resource="videojobs").set_to_current_time()
    _notice_gap(event["type"], body, memo)
    if event["type"] == "DELETED":
        memo.forget_videojob(body)
    elif event["type"] is None:
        look_at_listed(body, memo)
    elif not memo.cache.knows_videojob(body):  # who wrote it himself looks again by himself
        memo.queue.add(memo.cache.put_videojob(body))


@kopf.on.event("batch", "v1", "jobs", registry=REGISTRY)
async def job_seen(event: kopf.RawEvent, memo: World, **_: Any) -> None:
    """One of our Jobs was added, changed or deleted."""
    body: dict[str, Any] = dict(event["object"])
    metrics.WATCH_LAST_EVENT.labels(resource="jobs").set_to_current_time()
    _notice_gap(event["type"], body, memo)
    deleted, before = event["type"] == "DELETED", memo.cache.known_job(body)
    key = memo.cache.drop_job(body) if deleted else memo.cache.put_job(body)
    of = body["metadata"]["labels"][names.LABEL_UID]
    if deleted and of not in memo.told and (key is None or memo.cache.videojob(key) is None):
        memo.line.forget(of)  # counted at the start, and its VideoJob went before the watch was up
    cleans_up = names.ANNOTATION_CLEANS_UP in body["metadata"].get("annotations", {})
    old = None if before is None or deleted or cleans_up else memo.attempt_of(before)
    new = memo.attempt_of(body) if old is not None else None
    if old is None or new is None:
        _look_at(key, memo, urgent=event["type"] is not None)
    elif old != new:
        _look_at(key, memo, _COUNTERS_SECONDS if old.differs_in_counters_alone(new) else 0)


@kopf.on.event("", "v1", "pods", registry=REGISTRY)
async def live_pod_seen(event: kopf.RawEvent, memo: World, **_: Any) -> None:
    """One of our pods waits, works or has just ended (as DELETED, by the field selector)."""
    body: dict[str, Any] = dict(event["object"])
    metrics.WATCH_LAST_EVENT.labels(resource="pods").set_to_current_time()
    _notice_gap(event["type"], body, memo)
    deleted, before = event["type"] == "DELETED", memo.cache.known_pod(body)
    key = memo.cache.drop_pod(body) if deleted else memo.cache.put_pod(body)
    if deleted or before is None or not is_same_pod(before, body):
        _look_at(key, memo, urgent=event["type"] is not None)


async def workload_seen(event: kopf.RawEvent, memo: World, **_: Any) -> None:
    """Kueue has said of a Job of ours why it waits, or waits no longer."""
    body: dict[str, Any] = dict(event["object"])
    metrics.WATCH_LAST_EVENT.labels(resource="workloads").set_to_current_time()
    job = body["metadata"].get("labels", {}).get(names.LABEL_KUEUE_JOB_UID, "")
    said = "" if event["type"] == "DELETED" else parse_workload(body)
    if said == memo.workloads.get(job, ""):
        return
    memo.workloads[job] = said
    if not said:
        del memo.workloads[job]
    _look_at(memo.cache.key_of_job(job), memo)


def watch_workloads() -> None:
    """Watch Kueue's Workloads too. Where their CRD is missing, kopf says so once and goes on."""
    kopf.on.event("kueue.x-k8s.io", "workloads", registry=REGISTRY)(workload_seen)


def _is_taken(body: dict[str, Any], world: World) -> bool:
    """Whether kopf need not tell of a listed VideoJob: it asks for nothing, or is known as it is."""
    known = world.cache.knows_videojob(body)
    if not (known or is_at_rest(body)):
        return False
    metrics.WATCH_LAST_EVENT.labels(resource="videojobs").set_to_current_time()
    _notice_gap(None, body, world)
    if not known:
        look_at_listed(body, world)
    return True


def _notice_gap(type_: str | None, body: dict[str, Any], world: World) -> None:
    """What is listed though it was told of before: its watch had ended, and kopf lists again."""
    uid = body["metadata"]["uid"]
    if type_ is None and uid in world.told:
        world.gap.set()
    if type_ == "DELETED":
        world.told.discard(uid)
    else:
        world.told.add(uid)


def _look_at(key: Key | None, world: World, seconds: float = 0, *, urgent: bool = True) -> None:
    """What is listed is not urgent: after a start there may be ten thousand."""
    if key is not None and seconds:
        world.queue.add_after(key, seconds)
    elif key is not None:
        world.queue.add(key, urgent=urgent)


class _Patience(Iterable[float]):
    """Pauses before an API server that does not answer is asked again, without end.

    With a list, kopf would end the process after the last of them.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1, 2, 3), itertools.repeat(5))


def build_kopf_settings(settings: Settings) -> kopf.OperatorSettings:
    """Kopf as this operator needs it: filtered on the server, paged, and silent."""
    kopf_settings = kopf.OperatorSettings()
    watching = kopf_settings.watching
    watching.label_selectors["batch", "v1", "jobs"] = names.LABEL_UID
    watching.label_selectors["", "v1", "pods"] = names.LABEL_UID
    watching.field_selectors["", "v1", "pods"] = names.LIVE_PODS
    watching.chunk_size = _A_PAGE
    # kopf takes its own finalizer off whatever it sees, and by default all kopf operators have the same:
    # off VideoJobs it may, and off Jobs and pods it would ask for ever. No object can have this one.
    kopf_settings.persistence.finalizer = f"{names.GROUP}/of/nobody"
    kopf_settings.persistence.diffbase_storage = NoDiffBase()
    kopf_settings.persistence.progress_storage = NoProgress()
    kopf_settings.scanning.disabled = True  # no rights to list CRDs and namespaces are needed
    kopf_settings.posting.enabled = False
    kopf_settings.networking.request_timeout = TIMEOUT_SECONDS
    kopf_settings.networking.error_backoffs = _Patience()
    kopf_settings.queueing.worker_limit = None
    # kopf has a task for each object that has news, and ends it after so long without: a job's news
    # come in bursts, and thousands must not all have one at once.
    kopf_settings.queueing.idle_timeout = 0.5
    return kopf_settings
