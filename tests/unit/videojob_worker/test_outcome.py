"""Any way to end becomes a result that the operator understands."""

from __future__ import annotations

import errno

import pytest

from videojob_api.reasons import ExitCode, RejectReason
from videojob_api.status import InputState
from videojob_api.videojob import Limits
from videojob_api.work_order import JobIdentity, OrderInput, WorkOrder
from videojob_worker.encoders import Device, VideoEncoder
from videojob_worker.errors import Interrupted, Rejected, StorageUnreachable
from videojob_worker.outcome import Findings, accelerator, build_result

ITEM = OrderInput(index=7, name="clip", key="clip.mp4")
ORDER = WorkOrder(
    job=JobIdentity(namespace="n", name="j", uid="u", run_id="r", attempt=1),
    inputs=[ITEM],
    steps=[],
    limits=Limits(),
    output_prefix="out/",
)


@pytest.mark.parametrize(
    ("error", "state", "reason", "code"),
    [
        (Rejected(RejectReason.EMPTY, "x"), InputState.REJECTED, "Empty", 42),
        (StorageUnreachable("x"), InputState.FAILED, "StorageUnreachable", 1),
        (Interrupted("x"), InputState.FAILED, "Interrupted", 143),
        (MemoryError(), InputState.FAILED, "OutOfMemory", 45),
        (OSError(errno.ENOSPC, "full"), InputState.FAILED, "NodeDiskFull", 46),
        (OSError(errno.EFBIG, "large"), InputState.FAILED, "ScratchFull", 46),
        (ZeroDivisionError("oh"), InputState.FAILED, "WorkerCrashed", 1),
    ],
)
def test_every_error_has_its_code_and_reason(
    error: Exception, state: InputState, reason: str, code: int
):
    result = build_result(ORDER, ITEM, Findings(), error)
    assert (result.state, result.reason, result.exit_code) == (state, reason, code)
    assert (result.index, result.input) == (7, "clip")


def test_a_crash_shows_the_end_of_its_traceback():
    try:
        raise ZeroDivisionError("a bug" * 2000)
    except ZeroDivisionError as error:
        result = build_result(ORDER, ITEM, Findings(), error)
    assert "a bug" in (result.log_tail or "")
    assert len(result.to_termination_message().encode()) <= 4096


def test_success_names_the_manifest():
    result = build_result(ORDER, ITEM, Findings(manifest_sha256="0" * 64), None)
    assert result.exit_code == ExitCode.DONE
    assert result.manifest_key == "out/clip/manifest.json"


def test_a_fallback_to_the_cpu_is_told():
    given = ORDER.model_copy(update={"accelerator": "nvidia.com/gpu"})
    nvenc = Device(frozenset({VideoEncoder.H264_NVENC}))
    fallen = Device(reason="EncoderUnavailable")
    assert accelerator(given, Findings(device=nvenc)) == ("nvidia.com/gpu", None)
    assert accelerator(given, Findings(device=fallen)) == (None, "EncoderUnavailable")
    computed = Findings(device=fallen, measured={"p": {"gradient": {"device": "cuda"}}})
    assert accelerator(given, computed) == ("nvidia.com/gpu", None)
    decoded = Findings(device=fallen, decoded_on_gpu=True)
    assert accelerator(given, decoded) == ("nvidia.com/gpu", None)
    assert accelerator(ORDER, Findings(device=Device())) == (None, None)
