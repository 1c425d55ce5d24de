"""The decision: a chain of policies. The first with an opinion wins; the rest never run.

Pure. Called by ``reconcile`` with the clock as an argument. "Why did it do that?" has one answer:
the policy whose name is on the Decision.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from .observed import Decision, Observed
from .policies import (
    acceptance,
    admission,
    asking,
    cancellation,
    deadlines,
    fallback,
    finished,
    idle_jobs,
    lost_nodes,
    mail,
    outcomes,
    pausing,
    queueing,
    remembering,
    removal,
    running,
    runs,
    suspension,
    templates,
    throttle,
    waiting,
)

Policy = Callable[[Observed, datetime], Decision | None]

POLICIES: tuple[Policy, ...] = (
    removal.decide_removal,  # being deleted, and its outputs first
    removal.decide_with_namespace,  # all goes, and its Jobs must not keep it
    removal.decide_hold,  # outputs that go with it: nothing is made before that is ensured
    runs.decide_rerun,  # another runToken: everything begins anew
    finished.decide_finished,  # terminal: only the children are left to clear away
    cancellation.decide_cancel,
    acceptance.decide_accept,  # a manifest that is not understood ends here
    suspension.decide_suspend,
    deadlines.decide_deadline,
    acceptance.wait_for_upgrade,  # it asks for what only a newer version knows
    templates.decide_template,  # no steps yet: the template is missing, or was just read
    outcomes.decide_outcome,  # attempts and pods → results → verdict or next attempt
    runs.decide_clear,  # workers that were told to stop have not all done so
    queueing.decide_queue,  # others go first in the operator's own line
    admission.decide_admit,  # nothing runs and something should: GPU placement, build the Job
    fallback.decide_fallback,  # no worker got the GPU that it need not have
    pausing.explain_pause,  # a worker has failed, and the next one is not due yet
    asking.decide_asking,  # a store that refused has not answered yet
    queueing.explain_kueue,  # a Job is there and may have no pods
    waiting.explain_wait,  # a Job is there and no worker is at work
    running.describe_running,
)


def decide(observed: Observed, now: datetime) -> Decision:
    """What to do about this VideoJob, and what to say of it."""
    for policy in POLICIES:
        decision = policy(observed, now)
        if decision is not None:
            signed = decision.because(policy.__name__)
            signed = remembering.write_down_first(observed, signed)
            signed = lost_nodes.release_hanging(observed, signed, now)
            signed = idle_jobs.wake_idle(observed, signed, now)
            signed = mail.deliver(observed, signed, now)
            return throttle.decide_write(observed.status, signed, now)
    return Decision(policy="nothing")
