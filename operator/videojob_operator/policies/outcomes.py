"""Outcomes: when the newest attempt is over, the verdict, or the wait before the next attempt."""

from __future__ import annotations

from datetime import datetime, timedelta

from videojob_api.status import Phase

from ..attempt import Attempt
from ..clock import format_time
from ..observed import Decision, DeleteJob, EmitEvent, Observed
from ..standing import describe
from ..verdicts import Again, Verdicts, judge
from .deadlines import deadline

_FIRST_WAIT_SECONDS = 5
_LONGEST_WAIT_SECONDS = 300


def decide_outcome(observed: Observed, now: datetime) -> Decision | None:
    """End the job, or say why it is tried again and when."""
    attempt = observed.attempt
    verdicts = judge(observed)
    if attempt is not None and not attempt.is_over:
        return None
    if verdicts.again:  # also where it worked on some of the inputs alone
        return _wait(observed, now, attempt, verdicts)
    if len(verdicts.by_index) < observed.input_count:
        return None
    return _end(observed, now, verdicts)


def asked_again_at(attempt: Attempt) -> datetime:
    """A store that refuses is asked ever more slowly."""
    wait = min(_FIRST_WAIT_SECONDS * 2**attempt.waits, _LONGEST_WAIT_SECONDS)
    return (attempt.ended_at or attempt.created_at) + timedelta(seconds=wait)


def _wait(
    observed: Observed, now: datetime, attempt: Attempt | None, verdicts: Verdicts
) -> Decision | None:
    """All else is made good at once."""
    first = next((v for v in verdicts.again if v.again is Again.STORE_REFUSED), None)
    if first is None or attempt is None or now >= (due := asked_again_at(attempt)):
        return None
    until = deadline(observed)
    story = (first.message or first.reason).rstrip(".")
    message = f"{story}. Asked again at {format_time(due)}."
    if until is not None:
        message += f" Given up at {format_time(until)}."
    return Decision(
        status=describe(
            observed,
            now,
            phase=Phase.PENDING,
            reason=first.reason,
            message=message,
            verdicts=verdicts,
            stalled=True,
        ),
        requeue_seconds=(min(due, until or due) - now).total_seconds(),
    )


def _end(observed: Observed, now: datetime, verdicts: Verdicts) -> Decision:
    phase, reason, message = verdict_of_job(observed, verdicts)
    kind = "Normal" if phase is Phase.SUCCEEDED else "Warning"
    return Decision(
        actions=(*stop_given_up(observed), EmitEvent(kind, phase, message)),
        status=describe(
            observed,
            now,
            phase=phase,
            reason=reason,
            message=message,
            verdicts=verdicts,
            scheduled=True,
        ),
        requeue_seconds=observed.settings.children_keep_seconds,
    )


def stop_given_up(observed: Observed) -> tuple[DeleteJob, ...]:
    """Jobs that are over for us and would go on by themselves."""
    return tuple(DeleteJob.of(a) for a in observed.attempts if a.given_up and not a.deleted)


def verdict_of_job(observed: Observed, verdicts: Verdicts) -> tuple[Phase, str, str]:
    """Phase, reason and sentence for the whole job.

    Bad inputs up to ``maxFailedInputs`` → Succeeded; all of them rejected → Rejected; else Failed.
    """
    total = observed.input_count
    bad = verdicts.bad
    allowed = observed.spec.max_failed_inputs if observed.spec else 0
    good = f"{len(verdicts.succeeded)} of {total} inputs succeeded"
    if not bad:
        one = "Done: all outputs are published."
        return Phase.SUCCEEDED, "Succeeded", one if total == 1 else f"Done: {good}."
    name = observed.spec.inputs[bad[0].index].name if observed.spec else ""
    story = f"{name}: {bad[0].message}" if total > 1 else bad[0].message
    others = f"{good}, {len(verdicts.rejected)} rejected, {len(verdicts.failed)} failed. "
    message = (others if total > 1 else "") + story
    if len(bad) <= allowed:
        return Phase.SUCCEEDED, "SucceededWithBadInputs", message
    if len(verdicts.rejected) == total:
        return Phase.REJECTED, bad[0].reason, message
    return Phase.FAILED, bad[0].reason, message
