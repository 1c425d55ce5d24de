"""Standing: how a VideoJob stands, as the status to write. The one place that fills a VideoJobStatus.

Pure. Every policy that says something calls ``describe``; the numbers come from facts each time, and
what facts no longer tell (pods are gone) is carried over from the status before.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from videojob_api.conditions import ConditionType, build_conditions, merge_conditions
from videojob_api.indexes import format_indexes
from videojob_api.names import manifest_key
from videojob_api.status import (
    MAX_LOG_TAIL,
    MAX_MESSAGE,
    MAX_STATUS_INPUTS,
    MAX_STATUS_OUTPUTS,
    AcceleratorStatus,
    Failure,
    Indexes,
    InputCounts,
    InputState,
    InputStatus,
    Phase,
    Progress,
    QueueStatus,
    VideoJobStatus,
)

from .clock import format_time, parse_time
from .eta import estimate_seconds
from .observed import Observed
from .pods import pods_at_once
from .policies.placement import CPU, PlacementReason, recall_placement
from .policies.retries import raised_memory
from .totals import count_outputs, gather_warnings, highest_usage, list_outputs
from .verdicts import Verdicts

_ORDER = {
    InputState.RUNNING: 0,
    InputState.FAILED: 1,
    InputState.REJECTED: 2,
    InputState.SUCCEEDED: 3,
    InputState.PENDING: 4,
    InputState.CANCELLED: 5,
}
_WORKED_ON = (InputState.SUCCEEDED, InputState.FAILED)
_STARTING_SECONDS = 10
"""A pod that takes longer to begin is not reckoned with."""
_OF_PLACEMENTS = frozenset(PlacementReason)


def describe(
    observed: Observed,
    now: datetime,
    *,
    phase: Phase,
    reason: str,
    message: str,
    verdicts: Verdicts,
    accelerator: AcceleratorStatus | None = None,
    scheduled: bool | None = None,
    stalled: bool = False,
    attempt: int | None = None,
    queue: QueueStatus | None = None,
    failure: Failure | None = None,
) -> VideoJobStatus:
    """The whole status for a phase and a sentence.

    Args:
        observed: the facts.
        now: the time, to the second on the wire.
        phase: where the job is.
        reason: CamelCase word for the conditions.
        message: one sentence that a person understands.
        verdicts: how each input that has ended, ended.
        accelerator: set when a placement was made; else what was said before stands.
        scheduled: whether workers have been placed; None when unknown.
        stalled: it waits for something that only a person can mend.
        attempt: number of the newest attempt, when one is being made.
        queue: place in the operator's own line, while it waits there.
        failure: why it did not succeed, if not for an input.
    """
    before = observed.status
    inputs = _inputs(observed, verdicts, phase)
    outputs = list_outputs(observed, verdicts)
    counts = InputCounts(
        total=observed.input_count,
        active=_active(observed, inputs, phase),
        succeeded=len(verdicts.succeeded),
        failed=len(verdicts.failed),
        rejected=len(verdicts.rejected),
    )
    count, size = count_outputs(observed, verdicts)
    running = phase is Phase.RUNNING
    return VideoJobStatus(
        observed_generation=observed.generation,
        observed_run_token=observed.run_token or None,
        run_id=observed.run_id,
        attempt=attempt or _newest_number(observed),
        phase=phase,
        message=message[:MAX_MESSAGE],
        queue=queue,
        conditions=merge_conditions(
            before.conditions,
            build_conditions(
                phase,
                reason,
                message[:MAX_MESSAGE],
                scheduled=scheduled,
                stalled=stalled,
                accepted=observed.is_accepted,
                unknown=observed.unknown,
            ),
            generation=observed.generation,
            now=format_time(now),
        ),
        progress=_progress(observed, inputs, phase, now),
        inputs=sorted(inputs, key=lambda i: _ORDER[i.state])[:MAX_STATUS_INPUTS],
        indexes=Indexes(
            succeeded=format_indexes(verdicts.succeeded),
            failed=format_indexes(verdicts.failed),
            rejected=format_indexes(verdicts.rejected),
        ),
        input_counts=counts,
        outputs=outputs[:MAX_STATUS_OUTPUTS],
        outputs_truncated=count > len(outputs[:MAX_STATUS_OUTPUTS]) or None,
        output_count=count,
        output_bytes=size,
        accelerator=_used(observed, verdicts, accelerator or _placed(observed)),
        usage=highest_usage(before.usage, observed.usage),
        raised_memory=raised_memory(observed, verdicts),
        template=before.template,
        failure=failure or _find_failure(observed, verdicts),
        warnings=gather_warnings(observed),
        notifications=before.notifications,
        accepted_at=before.accepted_at or format_time(now),
        resumed_at=format_time(now) if _resumes(observed, phase) else before.resumed_at,
        started_at=before.started_at or (format_time(now) if running else None),
        finished_at=format_time(now) if phase.is_terminal else None,
    )


def _resumes(observed: Observed, phase: Phase) -> bool:
    going_on = (Phase.PENDING, Phase.QUEUED, Phase.RUNNING)
    return observed.status.phase is Phase.SUSPENDED and phase in going_on


def _inputs(observed: Observed, verdicts: Verdicts, phase: Phase) -> list[InputStatus]:
    if observed.spec is None:
        return observed.status.inputs
    carried = {status.name: status for status in observed.status.inputs}
    return [
        _input(observed, index, carried.get(input_.name), verdicts, phase)
        for index, input_ in enumerate(observed.spec.inputs)
    ]


def _input(
    observed: Observed,
    index: int,
    before: InputStatus | None,
    verdicts: Verdicts,
    phase: Phase,
) -> InputStatus:
    spec = observed.spec
    if spec is None:
        raise ValueError("an input of a manifest that was not understood")
    name = spec.inputs[index].name
    verdict = verdicts.by_index.get(index)
    if verdict is not None and not verdict.again:
        result = observed.results.get(index)
        if result is None and before is not None and before.state is verdict.state:
            return before
        facts = result.facts.wire() if result and result.facts else {}
        done = verdict.state is InputState.SUCCEEDED
        return InputStatus.model_validate(
            {
                **facts,
                "name": name,
                "state": verdict.state,
                "percent": 100 if done else None,
                "attempts": _attempts_of(observed, index),
                "reason": verdict.reason or None,
                "message": verdict.message[:MAX_MESSAGE] or None,
                "manifestKey": manifest_key(spec.output.prefix, name) if done else None,
            }
        )
    if phase is Phase.CANCELLED:
        return InputStatus(name=name, state=InputState.CANCELLED)
    attempt = observed.attempt
    # Its next attempt is made when the inputs beside it have ended.
    waits = verdict if attempt is not None and not attempt.is_over else None
    if why := observed.pauses.get(index) or waits:
        return InputStatus(
            name=name,
            attempts=_attempts_of(observed, index),
            reason=why.reason,
            message=why.message[:MAX_MESSAGE] or None,
        )
    if phase not in (Phase.RUNNING, Phase.CANCELLING):
        return InputStatus(name=name)
    report = observed.progress.get(index)
    if report is None:
        # With as many workers as inputs left, each has its own though not all have reported yet.
        at_work = attempt is not None and attempt.ready >= len(attempt.open)
        if not at_work or attempt is None or index not in attempt.open:
            return InputStatus(name=name)
    return InputStatus(
        name=name,
        state=InputState.RUNNING,
        percent=int(report.percent) if report else None,
        attempts=_attempts_of(observed, index),
    )


def _active(observed: Observed, inputs: list[InputStatus], phase: Phase) -> int:
    """As many as pods are at work, though not all of them (or none) have reported."""
    told = sum(1 for i in inputs if i.state is InputState.RUNNING)
    newest = observed.attempt
    return max(told, newest.ready) if newest and phase is Phase.RUNNING else told


def _attempts_of(observed: Observed, index: int) -> int | None:
    """How many attempts had the input: those that are gone were over what is left, and left it."""
    newest = max((a.number for a in observed.attempts if index in a.indexes), default=None)
    if newest is None:
        return None
    others = [a for a in observed.attempts if a.number < newest and index not in a.indexes]
    return newest - len(others)


def _progress(
    observed: Observed, inputs: list[InputStatus], phase: Phase, now: datetime
) -> Progress | None:
    """The job's own percent: the mean over its inputs, an ended one counting as done."""
    newest = observed.attempt
    at_work = phase is Phase.RUNNING and (observed.progress or (newest and newest.ready))
    if not inputs or not (at_work or phase.is_terminal):
        return _at_rest(observed.status.progress)
    ended = (*_WORKED_ON, InputState.REJECTED)
    if phase.is_terminal:
        reached = observed.status.progress or Progress()
        percent = 100 if phase is Phase.SUCCEEDED else reached.percent
        return Progress(percent=percent, updated_at=format_time(now))
    live = {i: observed.progress[i] for i in observed.progress if i < len(inputs)}
    total = sum(
        100.0 if status.state in ended else (live[i].percent if i in live else 0.0)
        for i, status in enumerate(inputs)
    )
    before = observed.status.progress
    least = before.percent if before and observed.status.phase is Phase.RUNNING else 0
    percent = max(least, min(99, int(total / len(inputs))))
    reports = [
        live[i] for i, one in enumerate(inputs) if one.state is InputState.RUNNING and i in live
    ]
    over = sum(1 for one in inputs if one.state in ended)
    rates = [report.fps for report in reports if report.fps]
    speeds = [report.speed for report in reports if report.speed]
    return Progress(
        percent=percent,
        eta_seconds=estimate_seconds(
            reports,
            waiting=len(inputs) - len(reports) - over,
            ended=sum(1 for one in inputs if one.state in _WORKED_ON),
            workers=_workers(observed, now),
            elapsed_seconds=_elapsed_seconds(observed, now),
        ),
        step=",".join(sorted({report.step for report in reports if report.step}))[:128] or None,
        stage=reports[0].stage if reports else None,
        fps=round(sum(rates), 1) if rates else None,
        speed=round(sum(speeds), 2) if speeds else None,
        updated_at=format_time(now),
    )


def _at_rest(before: Progress | None) -> Progress | None:
    """What was reached; how fast, and how long it still takes, nobody knows while no worker runs."""
    return before and Progress(percent=before.percent, updated_at=before.updated_at)


def _workers(observed: Observed, now: datetime) -> int:
    """As many as may be at work at once, less those that quotas, nodes or images keep out."""
    newest = observed.attempt
    if observed.spec is None or newest is None:
        return 1
    most = pods_at_once(observed.spec, observed.settings, observed.input_count)
    if newest.active < len(newest.open):
        most = min(most, newest.active)
    patience = timedelta(seconds=_STARTING_SECONDS)
    return max(1, most - sum(1 for pod in observed.waiting if now - pod.since > patience))


def _elapsed_seconds(observed: Observed, now: datetime) -> float | None:
    """How long workers have been at work; not known after a rest (a suspension, a line, no node)."""
    started = parse_time(observed.status.started_at)
    placed = (c for c in observed.status.conditions if c.type == ConditionType.SCHEDULED)
    again = parse_time(next((c.last_transition_time for c in placed), None))
    if started is None or observed.status.resumed_at or (again and again > started):
        return None
    return (now - started).total_seconds()


def _newest_number(observed: Observed) -> int | None:
    made = observed.attempt.number if observed.attempt else 0
    return max(observed.status.attempt or 0, made) or None


def _placed(observed: Observed) -> AcceleratorStatus | None:
    """As it was written; from the Job itself where that write failed or was never made."""
    before, newest = observed.status, observed.attempt
    if observed.spec is None or newest is None or before.attempt == newest.number:
        return before.accelerator
    return recall_placement(observed.spec.accelerator, newest).to_status()


def _used(
    observed: Observed, verdicts: Verdicts, accelerator: AcceleratorStatus | None
) -> AcceleratorStatus | None:
    """What the workers found: a GPU that was given and could not be used is said, never hidden.

    Where none is given any more, the reason of that stands: the next placement goes by it, so reasons of
    placements are no worker's to give.
    """
    if accelerator is None or accelerator.used == CPU:
        return accelerator
    for index, result in observed.results.items():
        reason = (result.accelerator_reason or "")[:128]
        if reason and reason not in _OF_PLACEMENTS and index in verdicts.by_index:
            return accelerator.model_copy(update={"used": CPU, "reason": reason})
    return accelerator


def _find_failure(observed: Observed, verdicts: Verdicts) -> Failure | None:
    """The first bad input's story, once the job can't succeed any more.

    It outlives the pod, and whoever remembers it: what was written stands where nothing else is known.
    """
    allowed = observed.spec.max_failed_inputs if observed.spec else 0
    if len(verdicts.bad) <= allowed:
        return None
    first, told = verdicts.bad[0], observed.status.failure
    result, ending = observed.results.get(first.index), observed.endings.get(first.index)
    if result is None and ending is None and told and told.reason == first.reason:
        return told
    tail = (result.log_tail if result else None) or (ending.message if ending else None)
    code = (result.exit_code if result else None) or (ending.exit_code if ending else None)
    return Failure(
        reason=first.reason,
        retryable=first.retryable,
        exit_code=code,
        log_tail=tail[-MAX_LOG_TAIL:] if tail else None,
        log_key=result.log_key if result else None,
    )
