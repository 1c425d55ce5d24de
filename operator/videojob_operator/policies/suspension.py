"""Suspension: the workers are stopped and none is started; what is done stays done.

The Job is deleted, never patched: going on makes a new attempt over the inputs that are left.
"""

from __future__ import annotations

from datetime import datetime

from videojob_api.status import Phase

from ..observed import Decision, DeleteJob, EmitEvent, Observed
from ..standing import describe
from ..verdicts import judge


def decide_suspend(observed: Observed, now: datetime) -> Decision | None:
    """Stop what runs; say how much is done."""
    verdicts = judge(observed)
    if observed.spec is None or not observed.spec.suspend:
        return None
    if verdicts.cover(observed.input_count):
        return None  # nothing is left to suspend
    at_work, stop = stop_workers(observed)
    done, total = len(verdicts.succeeded), observed.input_count
    how = "its workers are stopping" if at_work else f"{done} of {total} inputs are done"
    known = observed.status.phase is Phase.SUSPENDED
    message = f"Suspended; {how}. With suspend: false it goes on."
    return Decision(
        actions=(*stop, *(() if known else (EmitEvent("Normal", "Suspended", message),))),
        status=describe(
            observed,
            now,
            phase=Phase.SUSPENDED,
            reason="Suspending" if at_work else "Suspended",
            message=message,
            verdicts=verdicts,
        ),
    )


def stop_workers(observed: Observed) -> tuple[bool, tuple[DeleteJob, ...]]:
    """Whether workers may still be at work, and what stops those that nobody has told yet."""
    at_work = [a for a in (*observed.earlier, *observed.attempts) if a.may_work]
    return bool(at_work), tuple(DeleteJob.of(a) for a in at_work if not a.deleted)
