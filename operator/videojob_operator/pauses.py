"""Pauses: inputs whose worker has failed and that their Job tries again, but not at once.

Pure. Called by observe. Kubernetes shows these pauses nowhere; they follow from its rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from videojob_api.reasons import FAIL_INDEX_CODES, ExitCode, FailReason
from videojob_api.report import Result

from .attempt import EVICTED, Attempt, Ending, Pause
from .facts import (
    Body,
    count_failures,
    count_ignored_failures,
    has_ended,
    parse_ending,
    parse_job_index,
    time_of,
    to_time,
)

_FIRST_SECONDS = 10
_LONGEST_SECONDS = 600
_ENDS_INDEX = frozenset({ExitCode.DONE, *FAIL_INDEX_CODES})


def parse_pauses(pods: Iterable[Body], attempt: Attempt, retry_limit: int) -> Mapping[int, Pause]:
    """By input: those whose last pod has failed and will be made good for.

    The Job controller waits 10 s, then twice as long each time, 10 minutes at most; also after failures
    that do not count as tries.
    """
    last: dict[int | None, Body] = {}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"])):
        last[attempt.input_of(parse_job_index(pod))] = pod
    pauses = {}
    for index in sorted(attempt.open):
        newest = last.get(index)
        if newest is not None and has_ended(newest):
            pause = _parse_pause(index, newest)
            if pause is not None and pause.tries <= retry_limit:
                pauses[index] = pause
    return pauses


def _parse_pause(index: int, pod: Body) -> Pause | None:
    """None after an end that no other try follows."""
    when, ending, result = parse_ending(pod)
    disrupted_at = time_of(pod, "DisruptionTarget")
    killed = ending.exit_code == ExitCode.OOM_KILLED and disrupted_at is None
    if ending.exit_code in _ENDS_INDEX or killed:
        return None
    counts = disrupted_at is None and ending.exit_code != ExitCode.INTERRUPTED
    failed, ignored = count_failures(pod), count_ignored_failures(pod)
    seconds = min(_FIRST_SECONDS * 2 ** min(failed + ignored, 10), _LONGEST_SECONDS)
    reason, message = _describe(ending, result)
    ended_at = max(to_time(when), disrupted_at or to_time(when))  # its container may not say when
    until = ended_at + timedelta(seconds=seconds)
    return Pause(index, failed + counts, counts, reason, message, until)


def _describe(ending: Ending, result: Result | None) -> tuple[str, str]:
    if ending.reason == EVICTED or ending.exit_code is None:
        return ending.reason or FailReason.WORKER_CRASHED, ending.message
    if result is not None and result.reason:
        return result.reason, result.message or ""
    return FailReason.WORKER_CRASHED, ending.last_words
