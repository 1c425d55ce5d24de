"""The three ways to get the same work done: VideoJobs with the operator, the floor, and bare Jobs.

Each applies all of its objects at once and returns when the last has succeeded. The floor is a plain
client that makes the same VideoJobs, Jobs and status writes from a life that was recorded before, and
thinks nothing: what the API server and the controllers cost anyway.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from client import Body, Client, at_once
from control_plane import NAMESPACE
from rich.progress import Progress, TaskID

from videojob_api import names
from videojob_operator.facts import has_ended, is_at_work

VIDEOJOBS = f"/apis/videojob.dev/v1alpha1/namespaces/{NAMESPACE}/videojobs"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_OF_A_JOB = ("controller-uid", "job-name")
_GIVE_UP_SECONDS = 3600


def build_videojob(name: str, **spec: Any) -> Body:
    """One film to an MP4 and six pictures, on a GPU."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "VideoJob",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "storeRef": {"name": "media"},
            "inputs": [{"name": "film", "key": f"uploads/{name}.mp4"}],
            "steps": [
                {"name": "web", "transcode": {"packaging": "MP4", "renditions": [{"height": 720}]}},
                {"name": "pictures", "thumbnails": {"count": 6}},
            ],
            "output": {"prefix": f"results/{name}/"},
            **spec,
        },
    }


@dataclass(frozen=True)
class Life:
    """What the operator wrote for one VideoJob on an idle cluster."""

    name: str
    uid: str
    job: Body
    patches: tuple[Body, ...]
    """One for each status write: accepted, running, succeeded."""

    def of(self, name: str, uid: str) -> tuple[Body, list[Body]]:
        """The same of another VideoJob: its Job, and its status writes."""
        job_name = names.child_name(name, uid, 1, 1)
        text = json.dumps([self.job, *self.patches])
        for old, new in (
            (self.job["metadata"]["name"], job_name),
            (self.name, name),
            (self.uid, uid),
            (self.uid[:8], uid[:8]),
        ):
            text = text.replace(old, new)
        job, *patches = json.loads(text)
        return job, patches


async def record_life(client: Client) -> Life:
    """Have the operator that runs do one VideoJob, and write down what it wrote."""
    name = "sample-00000"
    statuses: list[Body] = [{}]

    async def follow() -> None:
        async for _, seen in client.watch(f"{VIDEOJOBS}?fieldSelector=metadata.name={name}"):
            if (status := seen.get("status", {})).get("phase") and status != statuses[-1]:
                statuses.append(status)
            if status.get("phase") == "Succeeded":
                return

    async with asyncio.timeout(60):
        following = asyncio.create_task(follow())
        await asyncio.sleep(2)  # a watch that begins late tells of the last write alone
        body = await client.request("POST", VIDEOJOBS, build_videojob(name))
        await following
    patches = tuple({"status": _changes(before, after)} for before, after in pairwise(statuses))
    if len(patches) != 3 or not statuses[-1].get("outputs"):
        told = [status.get("phase") for status in statuses[1:]]
        raise RuntimeError(f"the sample's status was written as {told}: {statuses[-1]}")
    uid = body["metadata"]["uid"]
    found = await client.request("GET", f"{JOBS}/{names.child_name(name, uid, 1, 1)}")
    return Life(name, uid, _as_sent(found), patches)


def _changes(before: Body, after: Body) -> Body:
    gone = {key: None for key in before if key not in after}
    return gone | {key: value for key, value in after.items() if value != before.get(key)}


def _as_sent(job: Body) -> Body:
    """A Job without what the API server and its controller have added."""
    meta, spec = job["metadata"], job["spec"]
    kept = ("name", "namespace", "labels", "annotations", "ownerReferences")
    pod = spec["template"]
    for holder in (meta, pod["metadata"]):
        labels = holder.get("labels", {}).items()
        holder["labels"] = {k: v for k, v in labels if k.split("/")[-1] not in _OF_A_JOB}
    meta.get("annotations", {}).pop("batch.kubernetes.io/job-tracking", None)
    spec.pop("selector", None)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": spec,
    }


@dataclass
class Count:
    """How many are done, shown on the terminal."""

    total: int
    progress: Progress
    bar: TaskID
    done: int = 0

    def __post_init__(self) -> None:
        """Ready when all are."""
        self.all = asyncio.Event()
        self._seen: set[str] = set()

    def add(self, name: str) -> None:
        """One more, counted once."""
        if name in self._seen:
            return
        self._seen.add(name)
        self.done += 1
        self.progress.update(self.bar, completed=self.done)
        if self.done == self.total:
            self.all.set()


Load = Callable[[Client, Client, Life, int, Count], Any]


async def run_operator(user: Client, _: Client, __: Life, jobs: int, count: Count) -> None:
    """VideoJobs, done by the operator that runs beside this."""
    watching = asyncio.create_task(_count_succeeded(user, count))
    await at_once(
        lambda n: user.request("POST", VIDEOJOBS, build_videojob(f"video-{n:05}")), range(jobs)
    )
    await _wait(count, watching)


async def _count_succeeded(client: Client, count: Count) -> None:
    async for _, seen in client.watch(VIDEOJOBS):
        phase = seen.get("status", {}).get("phase")
        if phase == "Succeeded":
            count.add(seen["metadata"]["name"])
        elif phase in ("Failed", "Rejected", "Cancelled"):
            raise RuntimeError(f"{seen['metadata']['name']} ended {phase}: {seen['status']}")


async def run_floor(user: Client, writer: Client, life: Life, jobs: int, count: Count) -> None:
    """The same writes with no operator: as soon as a watch shows that each is due."""
    plans: dict[str, tuple[Body, list[Body]]] = {}
    turns: dict[str, asyncio.Lock] = {}

    async def write(name: str, number: int) -> None:
        async with turns[name]:
            await writer.merge(f"{VIDEOJOBS}/{name}/status", plans[name][1][number])

    async def accept(name: str) -> None:
        await writer.request("POST", JOBS, plans[name][0])
        await write(name, 0)

    async def end(name: str) -> None:
        await write(name, 2)
        count.add(name)

    async def watch_videojobs() -> None:
        async for kind, seen in writer.watch(VIDEOJOBS):
            if kind == "ADDED":
                name = seen["metadata"]["name"]
                plans[name] = life.of(name, seen["metadata"]["uid"])
                turns[name] = asyncio.Lock()
                group.create_task(accept(name))

    async def watch_pods() -> None:
        at_work: set[str] = set()
        ended: set[str] = set()
        async for _, seen in writer.watch(f"{PODS}?labelSelector={names.LABEL_UID}"):
            name = seen["metadata"]["labels"][names.LABEL_JOB]
            if is_at_work(seen) and name not in at_work:
                at_work.add(name)
                group.create_task(write(name, 1))
            elif has_ended(seen) and name not in ended:
                ended.add(name)
                group.create_task(end(name))

    async with asyncio.TaskGroup() as group:  # a write that fails ends it all
        watching = [group.create_task(watch_videojobs()), group.create_task(watch_pods())]
        await at_once(
            lambda n: user.request("POST", VIDEOJOBS, build_videojob(f"video-{n:05}")), range(jobs)
        )
        await _wait(count, *watching)


async def run_bare(user: Client, _: Client, life: Life, jobs: int, count: Count) -> None:
    """Jobs with the same pods, and nothing else."""

    async def watch_jobs() -> None:
        async for _, seen in user.watch(JOBS):
            for condition in seen.get("status", {}).get("conditions", []):
                if condition["type"] == "Complete" and condition["status"] == "True":
                    count.add(seen["metadata"]["name"])

    async def create(number: int) -> None:
        job, _ = life.of(f"video-{number:05}", f"{number:08}{life.uid[8:]}")
        job["metadata"].pop("ownerReferences")
        await user.request("POST", JOBS, job)

    watching = asyncio.create_task(watch_jobs())
    await at_once(create, range(jobs))
    await _wait(count, watching)


async def _wait(count: Count, *watching: asyncio.Task[None]) -> None:
    """Until all are done, or a watch has failed."""
    ready = asyncio.create_task(count.all.wait())
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    done, _ = await asyncio.wait(
        [ready, *watching], return_when=asyncio.FIRST_COMPLETED, timeout=_GIVE_UP_SECONDS
    )
    for task in (ready, *watching):
        task.cancel()
    for task in done - {ready}:
        task.result()
    if ready not in done:
        late = "in time" if time.monotonic() >= deadline else "before a watch ended"
        raise RuntimeError(f"only {count.done} of {count.total} were done {late}")


LOADS: dict[str, Load] = {"bare": run_bare, "floor": run_floor, "operator": run_operator}
