"""Templates: a job waits for one that is missing, and writes down what it took before it acts on it.

The snapshot is in the status before any Job is made: an edit of the template, or the operator's end
between two requests, then changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from videojob_api.status import Phase

from ..clock import parse_time
from ..observed import Decision, Observed, TemplateProblem
from ..standing import describe
from ..verdicts import judge
from .deadlines import deadline

_SOONEST_SECONDS = 5
_LATEST_SECONDS = 60


def decide_template(observed: Observed, now: datetime) -> Decision | None:
    """Say what is wrong with the template, or keep what was taken from it."""
    template = observed.template
    if isinstance(template, TemplateProblem):
        return Decision(
            status=describe(
                observed,
                now,
                phase=Phase.PENDING,
                reason=template.reason,
                message=template.message,
                verdicts=judge(observed),
                stalled=True,
            ),
            requeue_seconds=_look_again_seconds(observed, now),
            is_settled=True,
        )
    if template is None or observed.status.template is not None:
        return None
    status = describe(
        observed,
        now,
        phase=Phase.PENDING,
        reason="Accepted",
        message=f"Accepted with the steps of {template.kind} {template.name!r}.",
        verdicts=judge(observed),
    )
    return Decision(status=status.model_copy(update={"template": template}), requeue_seconds=0)


def _look_again_seconds(observed: Observed, now: datetime) -> float:
    """Soon at first; after long, so seldom that thousands of waiting jobs are no burden."""
    since = parse_time(observed.status.accepted_at) or now
    waited = (now - since).total_seconds()
    due = deadline(observed)
    seconds = min(max(_SOONEST_SECONDS, waited / 10), _LATEST_SECONDS)
    return min(seconds, (due - now).total_seconds()) if due else seconds
