"""Templates: a job waits for one that is missing, and writes down what it took before it acts on it.

The snapshot is in the status before any Job is made: an edit of the template, or the operator's end
between two requests, then changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from videojob_api.status import Phase

from ..observed import Decision, Observed, TemplateProblem
from ..standing import describe
from ..verdicts import judge
from .deadlines import patient_seconds


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
            requeue_seconds=patient_seconds(observed, now),
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
