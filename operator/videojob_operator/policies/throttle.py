"""Throttle: what is news is written at once, progress only now and then, nothing twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from videojob_api.status import Progress, VideoJobStatus

from ..clock import parse_time
from ..observed import Decision

_SHORTEST_SECONDS = 5
_LONGEST_SECONDS = 30
_STEP_PERCENT = 5

_PROGRESS_FIELDS = frozenset(
    {"message", "queue", "progress", "inputs", "indexes", "input_counts", "usage", "warnings"}
    | {"outputs", "outputs_truncated", "output_count", "output_bytes"}
)
"""What changes all the time while a job runs or waits; everything else is news."""


def decide_write(before: VideoJobStatus, decision: Decision, now: datetime) -> Decision:
    """Leave the status out of a decision when it is not time to write it.

    Progress is written after 5 seconds if it moved by 5 percent, after 30 seconds if anything moved.
    """
    wanted = decision.status
    if wanted is None or _news(before) != _news(wanted):
        return decision
    silent = replace(decision, status=None)
    if _volatile(before) == _volatile(wanted):
        return silent
    was, will_be = before.progress or Progress(), wanted.progress or Progress()
    moved = will_be.percent - was.percent
    patience = _SHORTEST_SECONDS if moved >= _STEP_PERCENT else _LONGEST_SECONDS
    since = parse_time(was.updated_at) or parse_time(before.accepted_at) or now
    due = since + timedelta(seconds=patience)
    if now >= due or now < since:  # a clock that was set back owes nobody a pause
        return replace(decision, is_news=False)
    seconds = (due - now).total_seconds()
    return replace(silent, requeue_seconds=min(seconds, decision.requeue_seconds or seconds))


def _news(status: VideoJobStatus) -> dict[str, Any]:
    data = status.model_dump(exclude=set(_PROGRESS_FIELDS))
    data["conditions"] = [
        {k: v for k, v in condition.items() if k not in ("last_transition_time", "message")}
        for condition in data["conditions"]
    ]
    return data


def _volatile(status: VideoJobStatus) -> dict[str, Any]:
    data = status.model_dump(include=set(_PROGRESS_FIELDS))
    if data["progress"]:
        for clockwork in ("updated_at", "eta_seconds"):
            data["progress"].pop(clockwork)
    return data
