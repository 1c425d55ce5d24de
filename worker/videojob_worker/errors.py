"""How a worker's run can end badly: one class for each exit code that means something.

    WorkerError
    ├── Rejected            42  the input is not acceptable; no retry can help
    ├── NotDoable           43  the work order can't be done as written
    │   └── OutputExists    43  there are results already, and they are to be left alone
    ├── StorageRefused      44  credentials, bucket: waited for by the operator
    ├── OutOfMemory         45  a child was killed for memory
    ├── ScratchFull         46  the scratch folder's own limit
    │   └── NodeDiskFull    46  no space left on the node's disk: another node may help
    ├── Unverified          47  output was made and is not what was planned
    ├── Interrupted        143  SIGTERM
    ├── StorageUnreachable   1  network, 5xx: may pass
    ├── EndpointUnreachable  1  a server that an input or a step names: 429, 5xx, network; may pass
    ├── ScannerUnavailable   1  the malware scanner does not answer: may pass
    └── FFmpegFailed         1  ffmpeg ended with an error that names no fault of the input
        └── SaidTooMuch      1  or said more than is taken from it

Raised anywhere in this package; ``outcome.build_result`` turns one into an exit code and a message,
for ``__main__`` in a pod and for ``local`` without one.
"""

from __future__ import annotations

from videojob_api.reasons import ExitCode, FailReason, RejectReason


class WorkerError(Exception):
    """Base of the tree. The text is one sentence for the user: got, wanted, what to do."""

    exit_code: int = 1
    reason: str = FailReason.WORKER_CRASHED
    log_tail: str | None = None
    """Last lines of a child's log, where there are any."""

    def __init__(self, message: str, *, log_tail: str | None = None) -> None:
        super().__init__(message)
        self.log_tail = log_tail


class Rejected(WorkerError):
    """The input is not acceptable."""

    exit_code = ExitCode.REJECTED

    def __init__(self, reason: RejectReason, message: str, *, log_tail: str | None = None) -> None:
        super().__init__(message, log_tail=log_tail)
        self.reason = reason


class NotDoable(WorkerError):
    """The work order can't be done as written."""

    exit_code = ExitCode.NOT_DOABLE
    reason = FailReason.NOT_DOABLE


class OutputExists(NotDoable):
    """Results of another run are there already, and the order says to leave them alone."""

    reason = FailReason.OUTPUT_EXISTS


class StorageRefused(WorkerError):
    """The store exists and says no, or there is no such bucket."""

    exit_code = ExitCode.STORAGE_REFUSED
    reason = FailReason.STORAGE_REFUSED


class StorageUnreachable(WorkerError):
    """The store did not answer as it should, after retries."""

    reason = FailReason.STORAGE_UNREACHABLE


class ScannerUnavailable(WorkerError):
    """The malware scanner did not answer as it should, after retries."""

    reason = FailReason.SCANNER_UNAVAILABLE


class OutOfMemory(WorkerError):
    """A child process was killed for memory."""

    exit_code = ExitCode.OUT_OF_MEMORY
    reason = FailReason.OUT_OF_MEMORY


class ScratchFull(WorkerError):
    """No space left in the scratch folder."""

    exit_code = ExitCode.SCRATCH_FULL
    reason = FailReason.SCRATCH_FULL


class NodeDiskFull(ScratchFull):
    """No space left on the node's disk, though the scratch folder's limit is not reached."""

    reason = FailReason.NODE_DISK_FULL


class Unverified(WorkerError):
    """What was made is not what was planned."""

    exit_code = ExitCode.UNVERIFIED
    reason = FailReason.UNVERIFIED


class Interrupted(WorkerError):
    """The worker was told to stop."""

    exit_code = ExitCode.INTERRUPTED
    reason = FailReason.INTERRUPTED


class EndpointUnreachable(WorkerError):
    """A server that an input or a step names did not answer as it should, after retries."""

    reason = FailReason.ENDPOINT_UNREACHABLE


class FFmpegFailed(WorkerError):
    """ffmpeg or ffprobe ended with an error."""

    reason = FailReason.FFMPEG_FAILED


class SaidTooMuch(FFmpegFailed):
    """ffmpeg or ffprobe wrote more than is taken from it, and was stopped."""
