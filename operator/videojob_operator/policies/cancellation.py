"""Cancellation: the workers are stopped, and the run ends Cancelled. There is no way back in this run."""

from __future__ import annotations

from datetime import datetime

from videojob_api.status import Phase

from ..observed import Decision, EmitEvent, Observed
from ..standing import describe
from ..verdicts import judge
from .suspension import stop_workers


def decide_cancel(observed: Observed, now: datetime) -> Decision | None:
    """Stop what runs, wait until it has stopped, end. The phase Cancelling remembers the wish."""
    asked = observed.spec is not None and observed.spec.cancel
    latched = observed.status.phase is Phase.CANCELLING
    verdicts = judge(observed)
    if not latched and (not asked or verdicts.cover(observed.input_count)):
        return None  # what has ended by itself ends as what it is
    at_work, stop = stop_workers(observed)
    if at_work:
        phase, message = Phase.CANCELLING, "Cancelling; its workers are stopping."
    else:
        done, total = len(verdicts.succeeded), observed.input_count
        phase, message = Phase.CANCELLED, f"Cancelled; {done} of {total} inputs had succeeded."
    told = () if at_work else (EmitEvent("Normal", "Cancelled", message),)
    return Decision(
        actions=(*stop, *told),
        status=describe(
            observed, now, phase=phase, reason=phase, message=message, verdicts=verdicts
        ),
    )
