"""After the end: a terminal phase is sticky; children are cleared away, then the VideoJob itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from videojob_api.reasons import FailReason
from videojob_api.status import Phase, VideoJobStatus

from ..clock import parse_time
from ..observed import Decision, DeleteJob, DeleteVideoJob, Observed
from .mail import decide_mail
from .ttl import expiry


def decide_finished(observed: Observed, now: datetime) -> Decision | None:
    """Nothing is created any more; Jobs go once they have been kept for a look, the rest by its TTL."""
    if observed.deleting:
        return Decision()
    if not observed.status.phase.is_terminal:
        return None
    expires = expiry(observed)
    if expires is not None and now >= expires and not decide_mail(observed, now).is_open:
        # If the API server refuses, the key is tried again with back-off until it is gone.
        return Decision(actions=(DeleteVideoJob(),))
    ended = parse_time(observed.status.finished_at) or now
    due = ended + timedelta(seconds=observed.settings.children_keep_seconds)
    jobs = tuple(a for a in (*observed.earlier, *observed.attempts) if not a.deleted)
    moments = {expires} if expires is not None and expires > now else set()
    if jobs and now < due:
        moments.add(due)
        # What is at work after such an end was made by an operator that did not live to say so.
        late = observed.told_reason == FailReason.DEADLINE_EXCEEDED
        stopped = late or observed.status.phase is Phase.CANCELLED
        jobs = tuple(a for a in jobs if stopped and not a.is_over)
    return Decision(
        actions=tuple(map(DeleteJob.of, jobs)),
        status=_with_generation(observed),
        requeue_seconds=(min(moments) - now).total_seconds() if moments else None,
    )


def _with_generation(observed: Observed) -> VideoJobStatus | None:
    """An edit after the end changes nothing, but tools wait until it has been seen."""
    generation = observed.generation
    if observed.status.observed_generation == generation:
        return None
    conditions = [
        condition.model_copy(update={"observed_generation": generation})
        for condition in observed.status.conditions
    ]
    return observed.status.model_copy(
        update={"observed_generation": generation, "conditions": conditions}
    )
