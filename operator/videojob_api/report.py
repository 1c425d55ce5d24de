"""What a worker says back: live reports over HTTPS, and the result in its termination message.

Pure. A report is a convenience; the result (with the Job's own status) is the truth.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field

from .base import Sha256, Tolerant
from .status import InputState, MediaFacts, OutputStatus, Stage, Usage, Warn

MAX_TERMINATION_BYTES = 4096
MAX_REPORT_BYTES = 64 * 1024

Finite = Annotated[float, Field(allow_inf_nan=False, ge=0)]


class Result(Tolerant):
    """How one attempt at one input ended; fits a termination message."""

    index: int
    """Place of the input in the VideoJob's list (not the Job's completion index)."""
    input: str
    state: InputState
    reason: str | None = None
    message: str | None = None
    exit_code: int = 0
    facts: MediaFacts | None = None
    manifest_key: str | None = None
    manifest_sha256: Sha256 | None = None
    output_count: int = 0
    output_bytes: int = 0
    outputs: list[OutputStatus] = []
    """As many as fit; ``output_count`` is the truth."""
    accelerator_used: str | None = None
    accelerator_reason: str | None = None
    usage: Usage | None = None
    warnings: list[Warn] = []
    log_key: str | None = None
    log_tail: str | None = None

    def to_termination_message(self) -> str:
        """JSON of at most 4096 bytes.

        What can be found elsewhere is dropped first: outputs and warnings from their ends, then the
        log tail from its beginning.
        """
        data = self.wire()
        while len(text := _compact(data).encode()) > MAX_TERMINATION_BYTES:
            excess = len(text) - MAX_TERMINATION_BYTES
            if data.get("outputs"):
                data["outputs"].pop()
            elif data.get("warnings"):
                data["warnings"].pop()
            elif data.get("logTail"):
                data["logTail"] = data["logTail"][max(1, excess // 2) :]
            else:
                data["message"] = str(data.get("message", ""))[: -max(1, excess // 2)]
        return _compact(data)


def _compact(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


class ProgressReport(Tolerant):
    """How far one input is. Percent is a float in 0..100 over all passes and transfers."""

    percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    stage: Stage
    step: str | None = None
    eta_seconds: Finite | None = None
    fps: Finite | None = None
    speed: Finite | None = None


class Report(Tolerant):
    """One POST to the reports endpoint. Who sends it is told by the token alone."""

    run_id: Annotated[str, Field(alias="runID", max_length=64)]
    attempt: Annotated[int, Field(ge=0)]
    index: Annotated[int, Field(ge=0, le=499)]
    progress: ProgressReport | None = None
    result: Result | None = None
    """With the whole list of outputs, which a termination message may have no room for."""
