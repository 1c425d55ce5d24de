"""What a worker finds in its pod: the work order, its input, and everything to do it with.

Used by ``__main__`` alone; ``local`` is its counterpart without a cluster. It must not turn errors
into results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from videojob_api import names
from videojob_api.videojob import Limits
from videojob_api.work_order import JobIdentity, OrderInput, WorkOrder

from .budget import Budget, read_budget
from .errors import Interrupted, NotDoable, Rejected, WorkerError
from .ffmpeg import Tools
from .log import say
from .outcome import Findings, Task
from .publish import publish_logs
from .reporting import HttpReporter, Reporter
from .run import run
from .sandbox import Sandbox
from .scratch import Scratch, open_scratch
from .stop import Stop
from .storage import open_storage

NOBODY = Reporter()
UNREAD = (
    WorkOrder(
        job=JobIdentity(namespace="", name="", uid="", run_id="", attempt=0),
        inputs=[],
        steps=[],
        limits=Limits(),
        output_prefix="",
    ),
    OrderInput(index=0, name="unknown", key="unknown"),
)
"""Stands for an order that could not be read."""


def read_order(environment: Mapping[str, str]) -> tuple[WorkOrder, OrderInput]:
    """The work order and the input that is ours.

    Raises:
        NotDoable: if there is none, or it can't be understood.
    """
    text, file = environment.get(names.ENV_ORDER), environment.get(names.ENV_ORDER_FILE)
    if text is None and file is None:
        raise NotDoable(
            f"There is no work order: neither {names.ENV_ORDER} nor {names.ENV_ORDER_FILE} is set. "
            "To work without a cluster: python -m videojob_worker run --help."
        )
    try:
        order = WorkOrder.model_validate_json(
            text if text is not None else Path(str(file)).read_text()
        )
    except (ValidationError, OSError) as error:
        raise NotDoable(
            f"The work order can't be read; is the operator another version? {error}"
        ) from error
    index = environment.get(names.ENV_INDEX, "0")
    if not index.isdigit() or int(index) >= len(order.inputs):
        raise NotDoable(f"The work order has {len(order.inputs)} inputs, none with index {index}.")
    return order, order.inputs[int(index)]


def open_reporter(order: WorkOrder, item: OrderInput) -> Reporter:
    """Who progress is told to; nobody, if the order names no endpoint."""
    if order.reports is None:
        return Reporter()
    return HttpReporter(
        order.reports, run_id=order.job.run_id, attempt=order.job.attempt, index=item.index
    )


@contextmanager
def open_task(
    environment: Mapping[str, str],
    order: WorkOrder,
    item: OrderInput,
    report: Reporter,
    stop: Stop,
) -> Iterator[Task]:
    """Everything that the work needs; the scratch folder is removed at the end."""
    parent = environment.get(names.ENV_SCRATCH)
    with open_scratch(Path(parent) if parent else None) as scratch:
        budget = read_budget(scratch.root, environment)
        say(
            "budget",
            threads=budget.threads,
            memoryBytes=budget.memory_bytes,
            scratchBytes=budget.scratch_bytes,
        )
        yield Task(
            order=order,
            item=item,
            store=open_storage(order, stop),
            scratch=scratch,
            budget=budget,
            tools=build_tools(scratch, budget, order, stop),
            stop=stop,
            report=report,
        )


def build_tools(scratch: Scratch, budget: Budget, order: WorkOrder, stop: Stop) -> Tools:
    """Ffmpeg and ffprobe, in a sandbox as wide as the budget."""
    sandbox = Sandbox(
        scratch.root,
        threads=budget.threads,
        memory_bytes=budget.memory_bytes,
        file_bytes=budget.scratch_bytes,
        gpu=order.accelerator is not None,
    )
    return Tools(scratch, sandbox, stop)


def run_and_keep_logs(task: Task, found: Findings) -> None:
    """Run; of a failure that isn't the input's fault, publish the logs, and nothing else."""
    try:
        run(task, found)
    except (Rejected, Interrupted):
        raise
    except Exception:
        try:
            found.log_key = publish_logs(task.destination)
        except (WorkerError, OSError) as problem:
            say("the logs could not be published", why=str(problem))
        raise
