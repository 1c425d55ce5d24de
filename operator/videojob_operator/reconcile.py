"""THE loop: observe → decide → act → at most one status write.

Called by the queue's workers, for one key at a time and never twice at once for the same key.
Level-triggered: it looks at how things are, never at what happened.
"""

from __future__ import annotations

import structlog

from . import metrics
from .act import act
from .decide import decide
from .errors import ClusterError, JobRefusedError
from .observe import observe
from .observed import CreateJob, Decision, Key, Observed
from .policies.acceptance import explain_refusal
from .world import World
from .write import write_status

log = structlog.get_logger()

_PAUSE_SECONDS = 1.0
"""How long a progress write waits when there are too many of them."""


async def reconcile(key: Key, world: World) -> float | None:
    """Bring one VideoJob a step further; in how many seconds to look again, or None for never."""
    try:
        observed = await observe(key, world)
        if observed is None:
            return None  # gone: owner references clean up
        decision = decide(observed, world.now())
    except Exception as error:
        stand_aside(key, error, world)
        raise
    if not world.cache.has_videojob(key, observed.uid):  # it went while it was looked at
        world.forget(observed.uid)
        return None
    if observed.status.phase.is_terminal:
        world.forget(observed.uid)  # what a late pod or report has left
    stand_in_line(observed, decision, world)
    try:
        await act(observed, decision.actions, world)
    except JobRefusedError as error:
        decision = explain_refusal(observed, world.now(), str(error), is_final=error.is_final)
        stand_in_line(observed, decision, world)
        await act(observed, decision.actions, world)
    metrics.DECISIONS.labels(policy=decision.policy).inc()
    done = [type(action).__name__ for action in decision.actions]
    log.debug("looked at", policy=decision.policy, done=done, again=decision.requeue_seconds)
    if decision.status is not None and not decision.is_news and not world.pace.take(world.now()):
        return _PAUSE_SECONDS
    if decision.status is None:
        return decision.requeue_seconds
    await write_status(observed, decision.status, world)
    log.info("status written", policy=decision.policy, phase=decision.status.phase)
    metrics.observe_transition(observed, decision.status)
    return decision.look_again_seconds


def stand_in_line(observed: Observed, decision: Decision, world: World) -> None:
    """Tell the operator's own line what a VideoJob has and wants; a wish granted takes its places.

    One that went while it was looked at would stand there for good, and hold up all behind it.
    """
    if not world.cache.has_videojob(observed.key, observed.uid):
        world.line.forget(observed.uid)
        return
    made = (one.pods for one in decision.actions if isinstance(one, CreateJob))
    jobs = () if observed.status.phase.is_terminal else (*observed.earlier, *observed.attempts)
    held = max(sum(a.pods for a in jobs), *made, 0)  # after the end, its Jobs only lag behind
    world.line.settle(observed.key, observed.uid, held, decision.ticket)


def stand_aside(key: Key, error: Exception, world: World) -> None:
    """Have those go on that stand behind what can't be looked at, unless nothing can: that passes."""
    body = world.cache.videojob(key)
    if body is not None and not (isinstance(error, ClusterError) and error.may_pass):
        world.line.stand_aside(body["metadata"]["uid"])
