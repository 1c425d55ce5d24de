"""After the end: a terminal phase is sticky; the children are cleared away some time later."""

from __future__ import annotations

from datetime import datetime, timedelta

from videojob_api.status import VideoJobStatus

from ..clock import parse_time
from ..observed import Decision, DeleteJob, Observed


def decide_finished(observed: Observed, now: datetime) -> Decision | None:
    """Nothing is created any more; Jobs go once they have been kept for a look."""
    if observed.deleting:
        return Decision()
    if not observed.status.phase.is_terminal:
        return None
    ended = parse_time(observed.status.finished_at) or now
    due = ended + timedelta(seconds=observed.settings.children_keep_seconds)
    children = tuple(DeleteJob(a.name, a.uid) for a in observed.attempts if not a.deleted)
    seen = _with_generation(observed)
    if now >= due or not children:
        return Decision(actions=children, status=seen)
    return Decision(status=seen, requeue_seconds=(due - now).total_seconds())


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
