"""Where the worker starts: in a pod without arguments or with ``clean-up``, or by hand with ``run``.

In a pod, the only place that turns an exception into an exit code, a termination message and a last
report; ``local`` does the like for a terminal.
Imports wait until SIGTERM is heard: process 1 of a container would not even notice it before.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping

from .stop import Stop


def main(arguments: list[str]) -> int:
    """Run what is asked for; the exit code."""
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.request)
    if arguments == ["clean-up"]:
        from .clean_up import main as clean_up

        return clean_up(os.environ, stop)
    if arguments:
        from .local import main as run_locally

        signal.signal(signal.SIGINT, stop.request)
        return run_locally(arguments, stop)
    return work_in_cluster(os.environ, stop)


def work_in_cluster(environment: Mapping[str, str], stop: Stop) -> int:
    """Work on the one input that the Job's index names.

    Args:
        environment: has the work order, or names the file with it.
        stop: ends the work within the pod's grace period.
    """
    from . import cluster
    from .log import log_as_json, say, say_about, say_error
    from .outcome import Findings, build_result
    from .reporting import write_termination_message
    from .sandbox import describe, hide_from_children

    hide_from_children()
    log_as_json()
    found, error = Findings(), None
    order, item = cluster.UNREAD
    report = cluster.NOBODY
    try:
        order, item = cluster.read_order(environment)
        job = order.job
        say_about(namespace=job.namespace, job=job.name, run=job.run_id, attempt=job.attempt)
        say_about(input=item.name)
        say("worker starts", **describe())
        report = cluster.open_reporter(order, item)
        with cluster.open_task(environment, order, item, report, stop) as task:
            cluster.run_and_keep_logs(task, found)
    except BaseException as problem:
        error = problem
    result = build_result(order, item, found, error)
    if error is not None:
        say_error(str(result.message), reason=result.reason, exitCode=result.exit_code)
    told = False
    try:
        told = write_termination_message(result)
    except OSError as problem:  # the report and the exit code still tell
        say_error("the termination message could not be written", why=str(problem))
    if not told:
        report.finish(result)
    say("worker ends", state=result.state.value, **found.usage.wire())
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
