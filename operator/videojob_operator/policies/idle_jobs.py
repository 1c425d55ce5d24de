"""Idle Jobs: one that may have pods, and for minutes has had none that lives, is shown to Kubernetes again.

The Job controller forgets a pod that it first sees as one being deleted (its watch began anew meanwhile):
it goes on waiting for a pod that it has made, and nothing wakes it once it has given that up, after five
minutes. Goes beside whatever policy spoke. A Job that rightly waits loses nothing by it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ..observed import Decision, Observed, WakeJob

_PATIENCE = timedelta(minutes=5, seconds=10)


def wake_idle(observed: Observed, decision: Decision, now: datetime) -> Decision:
    """The same decision, with the Job woken that has been idle for long, and looking again in time."""
    if observed.idle_since is None or not observed.attempts:
        return decision
    newest = observed.attempts[-1]
    wait = (observed.idle_since + _PATIENCE - now).total_seconds()
    if wait <= 0:
        woken = replace(decision, actions=(*decision.actions, WakeJob(newest.name, newest.uid)))
        return woken.look_again_in(_PATIENCE.total_seconds())
    return decision.look_again_in(wait)
