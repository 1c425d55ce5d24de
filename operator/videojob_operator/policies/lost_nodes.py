"""Lost nodes: a pod that hangs Terminating on a dead node keeps its input from everybody.

Kubernetes never ends it by itself (the Job waits for the pod, the pod for its kubelet), so we declare
it failed some minutes past its grace period. Goes beside whatever policy spoke.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ..observed import Decision, Observed, ReleasePod

_PATIENCE = timedelta(minutes=5)


def release_hanging(observed: Observed, decision: Decision, now: datetime) -> Decision:
    """The same decision, with the pods released that are overdue, and looking again for the rest."""
    waits = [(pod.grace_ends_at + _PATIENCE - now).total_seconds() for pod in observed.hanging]
    overdue = tuple(
        ReleasePod(pod.name, pod.uid)
        for pod, wait in zip(observed.hanging, waits, strict=True)
        if wait <= 0
    )
    released = replace(decision, actions=(*decision.actions, *overdue))
    later = [wait for wait in waits if wait > 0]
    return released.look_again_in(min(later)) if later else released
