"""Events, read: why no pod is made, and why a pod's volumes do not come. IO, called by observe.

Neither the Job nor the pod has it in its status. Where Events may not be read (an older install), nothing
is told, and the sentence names the command that tells.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from .attempt import Silence, Warned
from .clock import format_time
from .errors import ClusterError
from .observed import Observed
from .world import World

_ASK_AGAIN_SECONDS = 60
_OF_A_JOB = frozenset({"FailedCreate"})
_OF_A_POD = frozenset(
    {"FailedMount", "FailedMapVolume", "FailedAttachVolume", "FailedCreatePodSandBox"}
)
_FRESH = timedelta(minutes=10)
"""Whoever goes on failing says so more often than that."""
_POD_NAME = re.compile(r'pods? "[^"]*"')
"""Another one each time, of a pod that was never made."""


async def ask_events(observed: Observed, silence: Silence, world: World) -> Silence:
    """The same with what Events tell; what is known of it, where it is too soon to ask.

    The API server goes through all Events of the namespace for each: one object is asked about once a
    minute, and not by thousands that all wait for one quota.
    """
    now, seen = world.now(), world.silences.get(observed.uid)
    known = seen[1] if seen and seen[1].name == silence.name else None
    is_new = seen is not None and (now - seen[0]).total_seconds() < _ASK_AGAIN_SECONDS
    if (known and is_new) or not world.asking_pace.take(now):
        return known or silence
    try:
        events = await world.cluster.list_warnings_about(observed.key.namespace, silence.name)
    except ClusterError:  # a courtesy: it must hold up nothing
        events = []
    told = replace(silence, is_asked=True, warned=find_warning(events, now, is_pod=silence.is_pod))
    world.silences[observed.uid] = now, told
    return told


def find_warning(events: list[dict[str, Any]], now: datetime, *, is_pod: bool) -> Warned | None:
    """What was said last, of late; of a pod once it was said twice, as the first may belong to a start."""
    reasons, since = (_OF_A_POD if is_pod else _OF_A_JOB), format_time(now - _FRESH)
    own = [event for event in events if event.get("reason") in reasons and _when(event) >= since]
    if not own or (is_pod and sum(map(_count, own)) < 2):
        return None
    last = max(own, key=_when)
    return Warned(last["reason"], _POD_NAME.sub("the pod", last.get("message") or ""))


def _when(event: dict[str, Any]) -> str:
    times = (_series(event).get("lastObservedTime"), event.get("lastTimestamp"))
    return next((text for text in (*times, event.get("eventTime")) if text), "")


def _count(event: dict[str, Any]) -> int:
    return int(_series(event).get("count") or event.get("count") or 1)


def _series(event: dict[str, Any]) -> dict[str, Any]:
    return event.get("series") or {}
