"""THE pipeline: one input, from bytes in a store to verified, published results.

Called by ``__main__`` for the one input of a pod, and by ``local`` for each input of a manifest. It
composes the stages and knows how none of them works.
"""

from __future__ import annotations

from videojob_api.manifest import Manifest
from videojob_api.status import Stage

from .assets import fetch_assets
from .device import choose_device, find_extras
from .fetch import fetch
from .measure import measure
from .media import MediaInfo
from .outcome import Findings, Task, build_manifest
from .outputs import Produced
from .plan import LISTENINGS, Plan, build_plan
from .probe import probe
from .progress import Way
from .publish import publish, publish_logs, publish_manifest
from .resume import completed_steps, find_finished, find_replacement, mark_steps
from .scan import scan
from .validate import validate
from .work import work_through


def run(task: Task, found: Findings) -> Manifest:
    """Work on one input.

    Args:
        task: what to do, and with what.
        found: is filled in on the way, so that a failure leaves what was known by then.

    Raises:
        WorkerError: see ``errors``.
    """
    report, timings = task.report, found.timings
    task.store.prepare(task.destination.folder)
    if (finished := find_finished(task, found)) is not None:
        return found.adopt(*finished)
    media, plan = prepare(task, found)
    way = Way(plan.weights, report.progress)
    plan = _listen(plan, task, found, way)
    found.warnings += (*found.done.warnings, *plan.warnings)
    produced: list[Produced] = []
    for stage in plan.passes:
        report.begin(Stage.PROCESSING, ", ".join(stage.steps))
        with timings.stage("process", steps=stage.steps):
            produced += found.take(work_through(stage, task.bench(media), way))
    report.begin(Stage.PUBLISHING)
    if (finished := find_replacement(task, found)) is not None:
        return found.adopt(*finished)
    with timings.stage("publish", objects=len(produced)):
        published = publish(produced, task.destination, report.progress)
        mark_steps(task, found, published)
        found.log_key = publish_logs(task.destination)
    manifest = build_manifest(task, found)
    found.manifest_sha256 = publish_manifest(manifest, task.destination)  # last: means done
    return manifest


def prepare(task: Task, found: Findings) -> tuple[MediaInfo, Plan]:
    """All that comes before the work: have the input here, know it, accept it, and plan."""
    order, report, timings = task.order, task.report, found.timings
    report.begin(Stage.FETCHING)
    with timings.stage("fetch", source=task.item.place):
        found.source = source = fetch(
            task.item, order.limits, task.origin, task.scratch.source, report.progress
        )
    found.warnings += scan(source.path, order.limits.malware_scan, task.stop)
    budget = task.budget.less_scratch(source.size_bytes)
    # A disk that is short says so itself, and not that the order needs more room.
    task.tools.limit_files(budget.scratch_limit_bytes or budget.scratch_bytes)
    report.begin(Stage.PROBING)
    with timings.stage("probe", bytes=source.size_bytes):
        media = probe(source.path, task.tools, order.limits)
        found.facts = media.facts()
        validate(media, order.limits, order.steps)
        found.device = device = choose_device(
            *(order.accelerator, task.tools, media, source.path, order.limits.max_pixels)
        )
        fetch_assets(order.steps, task.store, task.scratch, task.tools)
        extras = find_extras(order.steps, task.tools)
    found.done = completed_steps(task, source)
    plan = build_plan(
        *(found.done.rest, media, task.scratch, budget, device),
        limits=order.limits,
        extras=extras,
        seed=task.seed(source),
    )
    return media, plan


def _listen(plan: Plan, task: Task, found: Findings, way: Way) -> Plan:
    """Where a plan asks for it, hear how loud the sound is; the plan with what was heard."""
    for _ in range(LISTENINGS if plan.measure else 0):
        leg = way.next_leg()
        if plan.measure is not None:
            task.report.begin(Stage.PROCESSING, ", ".join(plan.measure.stage.steps))
            with found.timings.stage("measure"):
                plan = measure(plan.measure, task.tools, leg)
    return plan
