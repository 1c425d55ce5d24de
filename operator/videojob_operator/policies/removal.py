"""Removal: ``output.deletionPolicy: Delete`` deletes the outputs before the VideoJob goes.

The one finalizer of ours. It never holds for more than five minutes, and never a namespace; nor do our
Jobs hold one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from videojob_api import names
from videojob_api.ending import DeletionPolicy

from ..clean_up_job import build_clean_up
from ..observed import (
    Action,
    CleanUp,
    CreateCleanUp,
    Decision,
    DeleteJob,
    EmitEvent,
    Observed,
    Removal,
    SetFinalizers,
    StoreMissing,
)
from .suspension import stop_workers

_LONGEST_SECONDS = 300
_WORKERS_SECONDS = 120
"""Workers end within their grace period; a pod that hangs on a dead node is not waited for longer."""
_STUCK_SECONDS = 20
_LOOK_AGAIN_SECONDS = 2
_CLEAN_UP_SECONDS = 5
"""How often the clean-up is looked at though its Job has not changed: its pod may be stuck."""


def wants_deletion(observed: Observed) -> bool:
    """Whether the outputs go with the VideoJob."""
    spec = observed.spec
    return spec is not None and spec.output.deletion_policy is DeletionPolicy.DELETE


def is_over(removal: Removal, now: datetime) -> bool:
    """Whether the time is up, after which nothing holds the VideoJob."""
    return now >= _ends_at(removal)


def decide_hold(observed: Observed, now: datetime) -> Decision | None:
    """Put the finalizer on before anything is made; take it off when the policy has changed."""
    del now
    held = names.FINALIZER in observed.finalizers
    if observed.deleting or observed.spec is None or held == wants_deletion(observed):
        return None
    others = tuple(f for f in observed.finalizers if f != names.FINALIZER)
    wanted = others if held else (*others, names.FINALIZER)
    return Decision(actions=(SetFinalizers(wanted),), requeue_seconds=0)


def decide_removal(observed: Observed, now: datetime) -> Decision | None:
    """Stop the workers, have the outputs deleted, let go; the first reason to let go wins."""
    removal = observed.removal
    if removal is None:
        return None
    over = _ends_at(removal)
    if removal.is_namespace_going:
        return _let_go(observed, _left("the namespace is being deleted"), at_once=True)
    if observed.spec is None:
        return _let_go(observed, _left(f"the manifest is not understood: {observed.invalid}"))
    if not wants_deletion(observed):
        return _let_go(observed, None)
    if is_over(removal, now):
        why = (
            removal.clean_up.result.message if removal.clean_up and removal.clean_up.result else ""
        )
        return _let_go(observed, _left(f"five minutes are over. {why}"), at_once=True)
    return (
        _stop_workers(observed, removal, now)
        or _without_clean_up(observed)
        or _clean_up(observed, removal, now, over)
    )


def _ends_at(removal: Removal) -> datetime:
    return removal.since + timedelta(seconds=_LONGEST_SECONDS)


def decide_with_namespace(observed: Observed, now: datetime) -> Decision | None:
    """Delete the Jobs of a namespace that is going: they would keep their pods, and these the namespace."""
    del now
    jobs = tuple(DeleteJob.of(a) for a in (*observed.earlier, *observed.attempts) if not a.deleted)
    return Decision(actions=jobs) if observed.namespace_going else None


def _stop_workers(observed: Observed, removal: Removal, now: datetime) -> Decision | None:
    """What still works would publish after the clean-up."""
    at_work, stop = stop_workers(observed)
    waited = now - removal.since >= timedelta(seconds=_WORKERS_SECONDS)
    if waited or not (at_work or removal.workers):
        return None
    return Decision(actions=stop, requeue_seconds=_LOOK_AGAIN_SECONDS)


def _without_clean_up(observed: Observed) -> Decision | None:
    """Let go at once where there is nothing to delete, or nothing to delete it with."""
    if observed.run == 1 and not observed.status.attempt and not observed.attempts:
        return _let_go(observed, None)  # no Job was ever made
    if isinstance(observed.store, StoreMissing):
        why = observed.store.invalid or "there is none of that name"
        return _let_go(observed, _left(f"the VideoStore {observed.store.name!r} is gone: {why}"))
    return None


def _clean_up(observed: Observed, removal: Removal, now: datetime, over: datetime) -> Decision:
    job, seconds = removal.clean_up, max(1, int((over - now).total_seconds()))
    again = min(_CLEAN_UP_SECONDS, seconds)
    if job is None:
        if (
            observed.spec is None
            or observed.store is None
            or isinstance(observed.store, StoreMissing)
        ):
            raise LookupError("observe did not look up the store though outputs are to be deleted")
        body = build_clean_up(observed, observed.spec, observed.store, seconds=seconds)
        return Decision(actions=(CreateCleanUp(body),), requeue_seconds=again)
    if job.is_over:
        return _let_go(observed, _outcome(job))
    if job.stuck and now - job.created_at >= timedelta(seconds=_STUCK_SECONDS):
        return _let_go(observed, _left(f"the clean-up can't start: {job.stuck}"))
    return Decision(requeue_seconds=again)


def _outcome(job: CleanUp) -> EmitEvent:
    if job.result is None:
        return _left("the clean-up ended without a word")
    if job.result.complete:
        return EmitEvent("Normal", "OutputsDeleted", job.result.message)
    return _left(job.result.message)


def _left(why: str) -> EmitEvent:
    message = f"Outputs were left behind: {why.rstrip('. ')}."
    return EmitEvent("Warning", "OutputsLeft", message)


def _let_go(observed: Observed, event: EmitEvent | None, *, at_once: bool = False) -> Decision:
    """Say what was done, and take the finalizer off.

    A clean-up that goes on goes first, since it must not outlive the finalizer; where that must go at
    once it holds nothing, and its own deadline or its namespace's end is its own. One that is done goes
    last, or it would be made again if the finalizer can't be taken off. One that failed stays for a look.
    """
    others = tuple(f for f in observed.finalizers if f != names.FINALIZER)
    actions: list[Action] = [event] if event else []
    actions.append(SetFinalizers(others))
    job = observed.removal.clean_up if observed.removal else None
    if job is not None and not job.is_over:
        actions.insert(0, DeleteJob(job.name, job.uid, may_fail=at_once))
    elif job is not None and job.result is not None and job.result.complete:
        actions.append(DeleteJob(job.name, job.uid))
    return Decision(actions=tuple(actions))
