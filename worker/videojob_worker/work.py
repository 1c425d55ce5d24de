"""Works through a pass: runs it, checks it, has its steps finish their files.

Called by ``run.py`` for each pass of the plan. If it fails, and there are steps that may, each of them is
given a pass of its own, and so are the others together: one failing step spoils nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .check import check
from .errors import Interrupted
from .log import say
from .outputs import Finished, Produced
from .passes import failure_of, finish_pass, run_pass
from .plan import Pass
from .progress import Leg, Way
from .steps import Workbench


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
    result = run_pass(stage, bench.tools, work)
    warnings = check(stage, result, bench.media, bench.tools)
    bench = replace(bench, levels=result.tally.levels, progress=finish)
    finished = finish_pass(stage, bench)
    return replace(finished, warnings=(*warnings, *finished.warnings))


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
    )
