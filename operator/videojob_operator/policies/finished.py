"""After the end: a terminal phase is sticky; the children are cleared away some time later."""

from __future__ import annotations

from datetime import datetime, timedelta

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
    if now >= due or not children:
        return Decision(actions=children)
    return Decision(requeue_seconds=(due - now).total_seconds())
