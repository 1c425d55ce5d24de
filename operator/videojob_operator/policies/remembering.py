"""Remembering: an attempt whose number was never written is written down before its Job is deleted.

Its number would else be given again, and one attempt would have had two Jobs. That happens where the write
after the making failed (an API server in trouble, a kill in between) and the workers are to stop next.
Goes behind whatever policy spoke.
"""

from __future__ import annotations

from ..observed import Decision, DeleteJob, Observed


def write_down_first(observed: Observed, decision: Decision) -> Decision:
    """The same decision, or just the attempt's number and then another look."""
    newest = observed.attempt
    if newest is None or newest.number <= (observed.status.attempt or 0):
        return decision
    if not any(isinstance(one, DeleteJob) and one.uid == newest.uid for one in decision.actions):
        return decision
    told = {
        "attempt": newest.number,
        "run_id": observed.run_id,
        "observed_run_token": observed.run_token or None,
    }
    status = observed.status.model_copy(update=told)
    return Decision(status=status, requeue_seconds=0, policy=decision.policy)
