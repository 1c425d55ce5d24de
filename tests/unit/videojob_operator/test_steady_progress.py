"""A steady job told of by several workers at once: one percent that never falls, an ETA that holds.

The workers' meter, the report book, the loop and the throttle are the real ones; only time is made up.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from builders import KEY, NOW, UID, a_result, a_time, an_ended_pod, seconds
from fake_cluster import StillWorld, a_world_with_a_videojob, fake, job_becomes, status_of, the_job

from videojob_api.report import ProgressReport, Report
from videojob_api.status import Phase, Stage
from videojob_operator.reconcile import reconcile
from videojob_worker.meter import Meter

TICK_SECONDS = 5.0


@dataclass
class Worker:
    """A worker as its reports show it: a short fetch, a long pass, a short upload."""

    index: int
    seconds: float
    meter: Meter = field(default_factory=Meter)
    spent: float = 0.0

    @property
    def is_done(self) -> bool:
        return self.spent >= self.seconds

    def work(self, now: float, run_id: str) -> Report:
        self.spent += TICK_SECONDS
        share = self.spent / self.seconds
        if share < 0.02:
            stage, fraction = Stage.FETCHING, share / 0.02
        elif share < 0.98:
            stage, fraction = Stage.PROCESSING, (share - 0.02) / 0.96
        else:
            stage, fraction = Stage.PUBLISHING, min(1.0, (share - 0.98) / 0.02)
        self.meter.advance(stage, fraction, now)
        progress = ProgressReport(
            percent=round(self.meter.percent, 2), stage=stage, eta_seconds=self.meter.eta_seconds
        )
        return Report(run_id=run_id, attempt=1, index=self.index, progress=progress)


@dataclass
class Seen:
    """What a person sees at one time."""

    at: float
    percent: int
    eta: int | None


async def lived(inputs: int, workers: int, *, length: float) -> list[Seen]:
    """A whole job; each status that was written, with the time of the write."""
    world, _ = a_world_with_a_videojob(inputs, parallelism=workers)
    world.moment = NOW
    await reconcile(KEY, world)
    run_id = the_job(world)["metadata"]["labels"]["videojob.dev/run"]
    waiting = [Worker(i, length) for i in range(inputs)]
    at_work: list[Worker] = []
    done: set[int] = set()
    seen: list[Seen] = []
    now = 0.0
    while len(done) < inputs:
        at_work = [w for w in at_work if not w.is_done]
        while waiting and len(at_work) < workers:
            at_work.append(waiting.pop(0))
        told(world, done, at_work)
        now += TICK_SECONDS
        world.moment = NOW + seconds(now)
        for worker in reversed(at_work):  # in no order that anything may rely on
            world.book.record(UID, worker.work(now, run_id))
        done |= {w.index for w in at_work if w.is_done}
        told(world, done, [w for w in at_work if not w.is_done])
        before = fake(world).status_writes
        await reconcile(KEY, world)
        status = status_of(world)
        if fake(world).status_writes > before and status.progress:
            seen.append(Seen(now, status.progress.percent, status.progress.eta_seconds))
    assert status_of(world).phase is Phase.SUCCEEDED
    return seen


def told(world: StillWorld, done: set[int], at_work: list[Worker]) -> None:
    """The Job and its pods as Kubernetes shows them."""
    uid = the_job(world)["metadata"]["uid"]
    for index in done:
        result = a_result(index).to_termination_message()
        world.cache.put_pod(an_ended_pod(0, result, index=index, name=f"pod-{index}", job_uid=uid))
    job_becomes(
        world,
        active=len(at_work),
        ready=len(at_work),
        succeeded=len(done),
        completedIndexes=",".join(map(str, sorted(done))),
    )


@pytest.mark.parametrize(
    ("inputs", "workers"),
    [(1, 1), (4, 4), (6, 3), (5, 3)],
    ids=["one", "all at once", "in turns", "a short last turn"],
)
async def test_percent_never_falls_and_the_second_half_is_told_within_a_fifth(
    inputs: int, workers: int
) -> None:
    seen = await lived(inputs, workers, length=600)
    percents = [one.percent for one in seen]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert len(set(percents)) > 15, "it is not told in leaps"
    end = seen[-1].at
    late = [one for one in seen if end / 2 <= one.at < 0.9 * end]
    assert len(late) > 5
    for one in late:
        assert one.eta is not None, one
        left = end - one.at
        assert abs(one.eta - left) <= 0.2 * left, (one, left)


@pytest.mark.parametrize("rest", ["suspended", "in a line"])
async def test_a_long_rest_is_not_taken_for_work(rest: str) -> None:
    """Ten inputs of ten minutes, five of them done, then ten hours of rest."""
    world, _ = a_world_with_a_videojob(10, parallelism=1)
    await reconcile(KEY, world)
    run_id = the_job(world)["metadata"]["labels"]["videojob.dev/run"]
    (body,) = fake(world).all("videojobs")
    ago = {"startedAt": a_time(39_000), "acceptedAt": a_time(39_000)}
    placed = {"type": "Scheduled", "status": "True", "reason": "Scheduled"}
    body["status"] |= {"phase": "Running", **ago}
    if rest == "suspended":
        body["status"]["resumedAt"] = a_time(300)
    else:
        body["status"]["conditions"] += [{**placed, "lastTransitionTime": a_time(300)}]
    world.cache.put_videojob(fake(world).put("videojobs", body))
    worker = Worker(5, 600)
    for now in range(0, 300, int(TICK_SECONDS)):
        world.book.record(UID, worker.work(now, run_id))
    told(world, set(range(5)), [worker])
    await reconcile(KEY, world)
    progress = status_of(world).progress
    assert progress is not None
    assert progress.eta_seconds == pytest.approx(300 + 4 * 600, rel=0.1)


async def test_what_is_said_again_is_heard_and_costs_no_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A large upload: the worker's last report comes once more each minute."""
    world, _ = a_world_with_a_videojob()
    world.settings = replace(world.settings, reports_url="https://videojob:8443")
    await reconcile(KEY, world)
    run_id = the_job(world)["metadata"]["labels"]["videojob.dev/run"]
    worker, clock = Worker(0, 600, spent=590), 1000.0
    monkeypatch.setattr("time.monotonic", lambda: clock)
    told(world, set(), [worker])
    last = worker.work(590, run_id)
    for minute in range(10):
        world.moment, clock = NOW + seconds(60 * minute), 1000 + 60 * minute
        world.book.record(UID, last)
        await reconcile(KEY, world)
        if not minute:
            written, status = fake(world).status_writes, status_of(world)
        assert world.book.heard_at(UID) == clock
    assert status.progress is not None
    assert status.progress.percent > 95
    assert (fake(world).status_writes, status_of(world)) == (written, status)
