"""Works through a pass: runs it, checks it, has its steps finish their files.

Called by ``run.py`` for each pass of the plan. If it fails, and there are steps that may, each of them is
given a pass of its own, and so are the others together: one failing step spoils nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from videojob_api.status import MAX_MESSAGE, Warn

from .cautions import DECODED_ON_CPU
from .check import check
from .errors import FFmpegFailed, Interrupted, Rejected, Unverified
from .log import say
from .outputs import Finished, Produced
from .passes import failure_of, finish_pass, run_pass
from .plan import Pass
from .progress import Leg, Way
from .steps import Workbench
from .tally import Tally


def work_through(stage: Pass, bench: Workbench, way: Way) -> Finished:
    """Do all of a pass.

    Args:
        stage: the pass.
        bench: what its steps have at hand.
        way: has a leg for the pass and one for what comes after it.

    Raises:
        WorkerError: if it fails for a step that must not.
    """
    work, finish = way.next_leg(), way.next_leg()
    try:
        return _do(stage, bench, work, finish)
    except Interrupted:
        raise
    except Exception as error:
        if stage.may_fail:
            say("a step failed, and the work goes on", steps=stage.steps, why=str(error))
            return Finished((), tuple(failure_of(kind, error) for kind in stage.kinds))
        if not stage.instead:
            raise
        say("a pass failed, and its steps are tried apart", steps=stage.steps, why=str(error))
    return _do_apart(stage.instead, bench, finish)


def _do(stage: Pass, bench: Workbench, work: Leg, finish: Leg) -> Finished:
    for kind in stage.kinds:
        kind.check_means(bench)
    made = _make(stage, bench, work)
    bench = replace(bench, levels=made.tally.levels, progress=finish)
    finished = finish_pass(stage, bench)
    return replace(
        finished,
        warnings=(*made.warnings, *finished.warnings),
        decoded_on_gpu=made.decoded_on_gpu,
    )


@dataclass(frozen=True)
class _Made:
    tally: Tally
    warnings: tuple[Warn, ...]
    decoded_on_gpu: bool


def _make(stage: Pass, bench: Workbench, leg: Leg) -> _Made:
    """Run and check it. The CPU does again what a GPU complained of: it alone is judge of a film."""
    if stage.software_argv is None:
        result = run_pass(stage, bench.tools, leg)
        return _Made(result.tally, tuple(check(stage, result, bench.media, bench.tools)), False)
    try:
        result = run_pass(stage, bench.tools, leg)
        warnings = check(stage, result, bench.media, bench.tools)
    except (FFmpegFailed, Rejected, Unverified) as error:
        why = str(error)
    else:
        if not result.tally.error_count:
            return _Made(result.tally, tuple(warnings), True)
        why = result.tally.complaints[0]
    say("the GPU did not decode it all, and the CPU does", steps=stage.steps, why=why)
    message = f"The GPU did not decode all of the film; the CPU did: {why}"[:MAX_MESSAGE]
    again = _make(replace(stage, argv=stage.software_argv, software_argv=None), bench, leg)
    told = Warn(reason=DECODED_ON_CPU, message=message)
    return replace(again, warnings=(told, *again.warnings))


def _do_apart(stages: tuple[Pass, ...], bench: Workbench, leg: Leg) -> Finished:
    """One after the other; each sees what those before it made."""
    way = Way([w for stage in stages for w in (stage.weight, stage.finishing_weight)], leg)
    made: Mapping[str, tuple[Produced, ...]] = bench.made
    parts = []
    for stage in stages:
        part = work_through(stage, replace(bench, made=made), way)
        for name in stage.steps:
            own = tuple(file for file in part.produced if file.step == name)
            made = {**made, name: own} if own else made
        parts.append(part)
    return Finished(
        tuple(file for part in parts for file in part.produced),
        tuple(warning for part in parts for warning in part.warnings),
        {step: facts for part in parts for step, facts in part.measured.items()},
        any(part.decoded_on_gpu for part in parts),
    )
