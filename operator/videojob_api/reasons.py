"""The fixed words of outcomes: exit codes of a worker, and why an input was rejected or failed.

Pure. The worker raises them, the operator classifies by them, users read them in status.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """How a worker's process ends. The pod failure policy and the operator go by these alone."""

    DONE = 0
    REJECTED = 42
    """The input is not acceptable; no retry can help."""
    NOT_DOABLE = 43
    """The work order can't be done as written (bad parameter, not enough memory by plan)."""
    STORAGE_REFUSED = 44
    """Bucket missing, credentials refused: waited for, never a crash loop."""
    OUT_OF_MEMORY = 45
    """A child of the worker was killed for memory."""
    SCRATCH_FULL = 46
    """No space left in the scratch folder."""
    UNVERIFIED = 47
    """Output was made and failed verification; may be retried."""
    OOM_KILLED = 137
    """The kernel killed the worker itself (128 + SIGKILL)."""
    INTERRUPTED = 143
    """SIGTERM: drained, preempted, cancelled (128 + SIGTERM)."""


FAIL_INDEX_CODES = (
    ExitCode.REJECTED,
    ExitCode.NOT_DOABLE,
    ExitCode.STORAGE_REFUSED,
    ExitCode.OUT_OF_MEMORY,
    ExitCode.SCRATCH_FULL,
)
"""Codes on which the Job must not simply start the same pod again."""


class RejectReason(StrEnum):
    """Why an input is Rejected. Stable words: scripts match on them."""

    UNSUPPORTED_FORMAT = "UnsupportedFormat"
    UNSUPPORTED_CODEC = "UnsupportedCodec"
    NO_VIDEO_STREAM = "NoVideoStream"
    NO_AUDIO_STREAM = "NoAudioStream"
    TOO_LARGE = "TooLarge"
    TOO_LONG = "TooLong"
    TOO_MANY_PIXELS = "TooManyPixels"
    TOO_MANY_STREAMS = "TooManyStreams"
    EMPTY = "Empty"
    ZERO_DURATION = "ZeroDuration"
    TRUNCATED = "Truncated"
    DAMAGED = "Damaged"
    ENCRYPTED = "Encrypted"
    NOT_FOUND = "NotFound"
    ACCESS_DENIED = "AccessDenied"
    """The server of its url refuses it; an object that a store refuses is waited for instead."""
    ADDRESS_REFUSED = "AddressRefused"
    """Its url leads to an address that is not public, and not allowed by the administrator."""
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    INFECTED = "Infected"


class FailReason(StrEnum):
    """Why an input Failed though it may be a good one."""

    NOT_DOABLE = "NotDoable"
    OUTPUT_EXISTS = "OutputExists"
    STORAGE_REFUSED = "StorageRefused"
    STORAGE_UNREACHABLE = "StorageUnreachable"
    OUT_OF_MEMORY = "OutOfMemory"
    SCRATCH_FULL = "ScratchFull"
    NODE_DISK_FULL = "NodeDiskFull"
    EVICTED = "Evicted"
    SCANNER_UNAVAILABLE = "ScannerUnavailable"
    UNVERIFIED = "OutputUnverified"
    FFMPEG_FAILED = "FFmpegFailed"
    ENDPOINT_UNREACHABLE = "EndpointUnreachable"
    INTERRUPTED = "Interrupted"
    WORKER_CRASHED = "WorkerCrashed"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
