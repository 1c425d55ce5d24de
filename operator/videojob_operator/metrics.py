"""Every metric of the operator, declared here. Shapes follow controller-runtime and its workqueue.

Never labelled by the name of a VideoJob: the number of series must not grow with the number of jobs.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, Info

from videojob_api.status import NotificationState, Phase, Usage, VideoJobStatus

from . import __version__
from .clock import parse_time
from .observed import Observed
from .policies.placement import CPU, PlacementReason

PREFIX = "videojob_operator"
_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200)

BUILD = Info(f"{PREFIX}_build", "Version of the operator")
BUILD.info({"version": __version__})

RECONCILES = Counter(f"{PREFIX}_reconcile", "Reconciles by result", ["result"])
for _result in ("success", "requeue_after", "error"):
    RECONCILES.labels(result=_result)  # there from the start, so that a rate can be taken
RECONCILE_ERRORS = Counter(f"{PREFIX}_reconcile_errors", "Reconciles that ended in an error")
MAX_CONCURRENT = Gauge(f"{PREFIX}_max_concurrent_reconciles", "Reconciles that may run at once")
RECONCILE_TIME = Histogram(
    f"{PREFIX}_reconcile_time_seconds", "Time of a reconcile", buckets=_SECONDS
)
DECISIONS = Counter(f"{PREFIX}_decisions", "Decisions by the policy that spoke", ["policy"])
CONFLICTS = Counter(
    f"{PREFIX}_status_conflicts", "Status writes refused because the object was newer"
)

QUEUE_DEPTH = Gauge(f"{PREFIX}_workqueue_depth", "Keys waiting for a worker")
QUEUE_ADDS = Counter(f"{PREFIX}_workqueue_adds", "Keys added")
RETRIES = Counter(f"{PREFIX}_workqueue_retries", "Keys tried again after an error")
QUEUE_WAIT = Histogram(
    f"{PREFIX}_workqueue_queue_duration_seconds", "Time a key waited", buckets=_SECONDS
)
WORK_TIME = Histogram(
    f"{PREFIX}_workqueue_work_duration_seconds", "Time that work on a key took", buckets=_SECONDS
)

EVENTS_LEFT_OUT = Counter(
    f"{PREFIX}_events_left_out", "Normal Events not written because there were too many at once"
)
REPORTS = Counter(f"{PREFIX}_reports", "Reports received, by result", ["result"])
for _result in ("taken", "400", "401", "403", "408", "413", "429", "503"):
    REPORTS.labels(result=_result)
CONNECTIONS_CUT = Counter(
    f"{PREFIX}_connections_cut", "Connections that asked nothing in time, or had to make room"
)
CLAIMS_DROPPED = Counter(
    f"{PREFIX}_claims_dropped",
    "Outputs that workers named and that are not in their input's folder",
)
WATCH_LAST_EVENT = Gauge(
    f"{PREFIX}_watch_last_event_timestamp_seconds", "When a watch last said something", ["resource"]
)
WATCH_MISSED = Gauge(
    f"{PREFIX}_watch_missed", "Changes that no watch had told of when all was last compared"
)
FINISHED = Counter(f"{PREFIX}_finished", "VideoJobs ended, by phase", ["phase"])
ADMISSION_WAIT = Histogram(
    f"{PREFIX}_admission_wait_time_seconds", "From acceptance to running", buckets=_LONG_SECONDS
)
for _phase in Phase:
    if _phase.is_terminal:
        FINISHED.labels(phase=_phase)
EXECUTION_TIME = Histogram(
    f"{PREFIX}_execution_time_seconds", "From running to the end", ["phase"], buckets=_LONG_SECONDS
)
PLACEMENTS = Counter(
    f"{PREFIX}_placements",
    "Jobs made, by where their workers run and why there",
    ["device", "reason"],
)
GPU_SECONDS = Counter(f"{PREFIX}_gpu_seconds", "GPU seconds used by workers that ended")
CPU_SECONDS = Counter(f"{PREFIX}_cpu_seconds", "CPU seconds used by workers that ended")

NOTIFICATIONS = Counter(
    f"{PREFIX}_notifications",
    "Attempts to deliver a notification, and letters given up",
    ["result"],
)
for _result in ("delivered", "failed", "refused", "unsigned", "given_up"):
    NOTIFICATIONS.labels(result=_result)
NOTIFICATION_TIME = Histogram(
    f"{PREFIX}_notification_time_seconds", "Time of an attempt to deliver", buckets=_SECONDS
)


def observe_transition(observed: Observed, status: VideoJobStatus) -> None:
    """Count what a status write changed."""
    before = observed.status
    if status.attempt and status.attempt != before.attempt and status.accelerator:
        on_cpu = status.accelerator.used == CPU
        known = status.accelerator.reason in set(PlacementReason)
        reason = status.accelerator.reason if known else "Other"
        PLACEMENTS.labels(device="CPU" if on_cpu else "GPU", reason=reason).inc()
    if status.usage:
        was = before.usage if before.usage and before.run_id == status.run_id else Usage()
        GPU_SECONDS.inc(max(0.0, status.usage.gpu_seconds - was.gpu_seconds))
        CPU_SECONDS.inc(max(0.0, status.usage.cpu_seconds - was.cpu_seconds))
    given_up = {n.id for n in before.notifications if n.state is NotificationState.FAILED}
    for one in status.notifications:
        if one.state is NotificationState.FAILED and one.id not in given_up:
            NOTIFICATIONS.labels(result="given_up").inc()
    if before.phase is status.phase:
        return
    started, accepted = parse_time(status.started_at), parse_time(status.accepted_at)
    if status.phase is Phase.RUNNING and started and accepted and before.started_at is None:
        ADMISSION_WAIT.observe((started - accepted).total_seconds())
    if status.phase.is_terminal:
        FINISHED.labels(phase=status.phase).inc()
        finished = parse_time(status.finished_at)
        if started and finished:
            EXECUTION_TIME.labels(phase=status.phase).observe((finished - started).total_seconds())
