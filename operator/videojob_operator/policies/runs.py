"""Runs: another runToken begins everything anew, once the workers of the run before have stopped."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from videojob_api import names
from videojob_api.status import Phase, VideoJobStatus

from ..observed import Decision, DeleteJob, EmitEvent, Observed
from ..standing import describe
from ..verdicts import Verdicts, judge
from .admission import phase_reached
from .mail import undelivered


def decide_rerun(observed: Observed, now: datetime) -> Decision | None:
    """Stop what the last run left, and write a status that remembers of it whom it has not told yet."""
    if observed.spec is None or not observed.is_due_to_rerun:
        return None
    number = observed.run + 1
    fresh = replace(
        observed,
        status=VideoJobStatus(
            run_id=names.run_id(observed.uid, number),
            observed_run_token=observed.spec.run_token or None,
            notifications=undelivered(observed, now),
        ),
        attempts=(),
        unknown=(),  # told by the next look
        earlier=(*observed.earlier, *observed.attempts),
        results={},
        endings={},
        progress={},
        usage=None,
        waiting=(),
        pauses={},
    )
    message = f"Accepted to run again; this is run {number}."
    return Decision(
        actions=(
            *(DeleteJob.of(a) for a in fresh.earlier if not a.deleted),
            EmitEvent("Normal", "RunAgain", message),
        ),
        status=describe(
            fresh,
            now,
            phase=Phase.PENDING,
            reason="RunAgain",
            message=message,
            verdicts=Verdicts({}),
        ),
        requeue_seconds=0,
    )


def decide_clear(observed: Observed, now: datetime) -> Decision | None:
    """Wait for workers that were told to stop: the next ones write to the same keys.

    Jobs of earlier runs were deleted when this one began. One that an operator made that did not know
    of it yet is stopped here.
    """
    newest = observed.attempt
    late = tuple(DeleteJob.of(a) for a in observed.earlier if not a.deleted)
    begun = newest is not None and not newest.deleted and not newest.is_over
    if begun or not (late or observed.stopping):
        return None
    return Decision(
        actions=late,
        status=describe(
            observed,
            now,
            phase=phase_reached(observed),
            reason="WorkersStopping",
            message="Waiting for the last workers to stop; the next ones start then.",
            verdicts=judge(observed),
        ),
    )
