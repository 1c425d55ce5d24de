"""Acceptance: a manifest that the models do not understand ends at once, with the sentence why.

The API server refuses such manifests; one can still come from an older or newer schema, and params that do
not fit a template are known only once it is read. What a newer schema only adds to is waited for.
"""

from __future__ import annotations

from datetime import datetime

from videojob_api.conditions import name_fields
from videojob_api.status import Failure, Phase

from ..observed import Decision, DeleteJob, EmitEvent, Observed, TemplateProblem
from ..standing import describe
from ..verdicts import judge
from .admission import phase_reached
from .deadlines import patient_seconds
from .throttle import decide_write


def decide_accept(observed: Observed, now: datetime) -> Decision | None:
    """Refuse what is not understood; everything else goes on down the chain."""
    template = observed.template
    if isinstance(template, TemplateProblem) and template.is_final:
        return refuse(observed, now, template.message, template.reason)
    if observed.spec is not None:
        return None
    if observed.unknown:
        return wait_for_upgrade(observed, now)
    return refuse(observed, now, f"The manifest is not understood: {observed.invalid}")


def wait_for_upgrade(observed: Observed, now: datetime) -> Decision | None:
    """Begin nothing that this version can't do whole, and leave what is at work to itself."""
    if not observed.waits_for_upgrade:
        return None
    return Decision(
        status=describe(
            observed,
            now,
            phase=phase_reached(observed),
            reason="UnknownFields",
            message=f"This version of the operator does not know {name_fields(observed.unknown)}; the "
            "VideoJob goes on once the operator is upgraded.",
            verdicts=judge(observed),
            stalled=True,
        ),
        requeue_seconds=patient_seconds(observed, now),
        is_settled=True,
    )


def refuse(
    observed: Observed, now: datetime, message: str, reason: str = "InvalidSpec"
) -> Decision:
    """End a job that can't be done as it is written, with the sentence why."""
    return Decision(
        policy="refuse",
        actions=(
            *(DeleteJob.of(a) for a in observed.attempts if a.may_work),
            EmitEvent("Warning", reason, message),
        ),
        status=describe(
            observed,
            now,
            phase=Phase.FAILED,
            reason=reason,
            message=message,
            verdicts=judge(observed).fail_rest(observed.input_count, reason, message),
            failure=Failure(reason=reason),
        ),
    )


def explain_refusal(observed: Observed, now: datetime, why: str, *, is_final: bool) -> Decision:
    """What to say when the API server does not take a worker's Job.

    Called by ``reconcile`` when acting on a decision failed; it is no policy of the chain.

    Args:
        observed: the facts.
        now: the time.
        why: the API server's own sentence.
        is_final: whether it will never be taken as it is.
    """
    message = f"The worker's Job is not accepted: {why}"
    if is_final:
        return refuse(observed, now, message)
    waiting = Decision(
        policy="explain_refusal",
        status=describe(
            observed,
            now,
            phase=Phase.PENDING,
            reason="JobRefused",
            message=message,
            verdicts=judge(observed),
            stalled=True,
        ),
        requeue_seconds=patient_seconds(observed, now, soonest=30, latest=120),
        is_settled=True,
    )
    return decide_write(observed.status, waiting, now)
