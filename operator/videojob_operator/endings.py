"""Endings: what pods that have ended tell, taken down in the report book, and what it makes of attempts.

Called by observe. IO only where an input has ended, a failure did not count as a try, or a run is new here.
"""

from __future__ import annotations

from dataclasses import replace

from videojob_api.indexes import parse_indexes
from videojob_api.reasons import ExitCode
from videojob_api.status import Usage, VideoJobStatus

from .attempt import Attempt
from .cluster import Body
from .facts import (
    count_evictions,
    count_ignored_failures,
    has_ended,
    has_worker_ended,
    is_at_work,
    is_owned_by,
    parse_costs,
    parse_endings,
    parse_job_index,
)
from .observed import Key
from .verdicts import MAX_KILLS
from .world import World


async def read_endings(
    key: Key,
    uid: str,
    run_id: str,
    status: VideoJobStatus,
    attempts: tuple[Attempt, ...],
    world: World,
) -> tuple[Attempt, ...]:
    """The attempts of a run as their pods show them."""
    await _take_over(key, uid, run_id, status, attempts, world)
    attempts = tuple(_with_pods(uid, attempt, world) for attempt in attempts)
    attempts = tuple([await _without_evicted(key, uid, a, world) for a in attempts])
    for attempt in attempts:
        await _read_unread(key, uid, attempt, world)
    return attempts


def _with_pods(uid: str, attempt: Attempt, world: World) -> Attempt:
    """The attempt as its pods show it, which is a second or two ahead of the Job's own status.

    Only success is taken from pods: what follows a failure is the Job's to decide.
    """
    pods = world.cache.pods_of_job(uid, attempt.uid)
    # What a pod says last is read once: a large VideoJob has hundreds that have ended, at each look.
    unread = [pod for pod in pods if not world.book.has_read(uid, attempt, pod)]
    world.book.record_costs(uid, attempt, parse_costs(unread, attempt.gpus))
    for job_index, (ending, result) in parse_endings(unread).items():
        index = attempt.input_of(job_index)
        if ending.exit_code == ExitCode.DONE and index is not None:
            world.book.record_ending(uid, attempt, index, ending, result)
    world.book.mark_read(uid, attempt, [pod for pod in unread if has_worker_ended(pod)])
    at_work = sum(1 for pod in pods if is_at_work(pod))
    return replace(
        attempt,
        completed=attempt.completed | world.book.done(uid, attempt),
        ready=max(attempt.ready, at_work),
    )


async def _without_evicted(key: Key, uid: str, attempt: Attempt, world: World) -> Attempt:
    """The attempt, with inputs failed that the Job would start again in vain.

    That is what one node after the other evicts, and what has filled its scratch space, which it would do
    again. Failures that do not count as tries are told by the pod that was started after them; of what kind
    they were, only by all of them.
    """
    ignored = {
        index: count
        for pod in world.cache.pods_of_job(uid, attempt.uid)
        if (count := count_ignored_failures(pod))
        if (index := attempt.input_of(parse_job_index(pod))) is not None
    }
    if world.book.is_disruption_news(uid, attempt, ignored):
        pods = await _list_pods(key, attempt, world)
        evictions, endings = count_evictions(pods), parse_endings(pods)
        for job_index, (ending, _) in endings.items():
            index = attempt.input_of(job_index)
            # One that has ended has its result, whatever came before.
            in_vain = evictions[job_index] > MAX_KILLS or ending.outgrew_scratch
            if index is not None and index in attempt.open and in_vain:
                world.book.give_up(uid, attempt, index, ending)
        world.book.mark_ignored(uid, attempt, ignored)
    given_up = world.book.given_up(uid, attempt) & attempt.open
    return replace(attempt, failed=attempt.failed | given_up, given_up=given_up)


async def _read_unread(key: Key, uid: str, attempt: Attempt, world: World) -> None:
    """Look at the pods of inputs that have ended and about which nothing is known yet."""
    unread = world.book.unread(uid, attempt)
    if not unread:
        return
    pods = await _list_pods(key, attempt, world)
    world.book.record_costs(uid, attempt, parse_costs(pods, attempt.gpus))
    for job_index, (ending, result) in parse_endings(pods).items():
        index = attempt.input_of(job_index)
        if index is not None and index in unread:
            world.book.record_ending(uid, attempt, index, ending, result)
    world.book.mark_looked(uid, attempt, unread)


async def _take_over(
    key: Key,
    uid: str,
    run_id: str,
    status: VideoJobStatus,
    attempts: tuple[Attempt, ...],
    world: World,
) -> None:
    """Once for each run: what an operator before has counted of pods that are gone.

    Of those that are still there it has counted all but the successes that its status does not know.
    """
    if world.book.has_taken_over(uid, run_id):
        return
    succeeded = parse_indexes(status.indexes.succeeded) if status.indexes else []
    counted: list[Usage] = []
    for attempt in attempts if status.usage else ():
        pods = await _list_pods(key, attempt, world)
        for pod in filter(has_ended, pods):
            world.cache.put_pod(pod)  # the watch is of those that live
        known = [
            pod
            for pod in pods
            if pod.get("status", {}).get("phase") != "Succeeded"
            or attempt.input_of(parse_job_index(pod)) in succeeded
        ]
        counted += parse_costs(known, attempt.gpus).values()
        world.book.record_costs(uid, attempt, parse_costs(pods, attempt.gpus))
    world.book.take_over(uid, run_id, status.usage, counted)


async def _list_pods(key: Key, attempt: Attempt, world: World) -> list[Body]:
    """All pods that an attempt's Job still has, ended ones too."""
    found = await world.cluster.list_pods_of_job(key.namespace, attempt.name)
    return [pod for pod in found if is_owned_by(pod, attempt.uid)]
