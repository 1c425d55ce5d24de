"""What a worker says back: live reports over HTTPS, and the result in its termination message.

Pure. A report is a convenience; the result (with the Job's own status) is the truth.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Annotated, Any

from pydantic import Field, model_validator

from .base import Sha256, Tolerant
from .status import ExitStatus, InputState, Key, MediaFacts, OutputStatus, Stage, Usage, Warn, Word

MAX_TERMINATION_BYTES = 4096
MAX_REPORT_BYTES = 64 * 1024

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""All but tab and newline."""

Finite = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e9)]
Tally = Annotated[int, Field(ge=0, le=1 << 53)]

_PACKED = "packedOutputs"
"""Takes the place of outputs in a termination message that has no room for them as they are."""
_MAX_UNPACKED_BYTES = 64 * 1024
_MAX_PACKED = 200
"""Outputs beyond so many never fit."""
_CUT = ("warnings", "logTail", "message")
"""What a termination message leaves out next: it can be found elsewhere."""
_DROPPED = ("acceleratorReason", "logKey", "facts", "manifestKey")


def clean_text(text: str) -> str:
    """Without control characters, and marks that turn the direction of text: these get to terminals."""
    return _UNPRINTABLE.sub("", text)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return {k: _clean(v) for k, v in value.items()} if isinstance(value, dict) else value


class Told(Tolerant):
    """What a worker says: it read files of strangers, and may be a stranger's by now."""

    @model_validator(mode="before")
    @classmethod
    def _is_printable(cls, data: Any) -> Any:
        return _clean(data)


class Result(Told):
    """How one attempt at one input ended; fits a termination message."""

    index: int
    """Place of the input in the VideoJob's list (not the Job's completion index)."""
    input: Word
    state: InputState
    reason: Word | None = None
    message: str | None = None
    exit_code: ExitStatus = 0
    facts: MediaFacts | None = None
    manifest_key: Key | None = None
    manifest_sha256: Sha256 | None = None
    output_count: Tally = 0
    output_bytes: Tally = 0
    outputs: list[OutputStatus] = []
    """As many as fit; ``output_count`` is the truth. A termination message may have them packed."""
    accelerator_used: Word | None = None
    accelerator_reason: str | None = None
    usage: Usage | None = None
    warnings: list[Warn] = []
    log_key: Key | None = None
    log_tail: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _unpack(cls, data: Any) -> Any:
        if isinstance(data, dict) and _PACKED in data:
            rest = {name: value for name, value in data.items() if name != _PACKED}
            return {**rest, "outputs": _unpacked(data[_PACKED])}
        return data

    def to_termination_message(self) -> str:
        """JSON of at most 4096 bytes; some forty outputs have room, compressed where they must be.

        What can be found elsewhere is dropped first: outputs and warnings from their ends, then the
        log tail from its beginning.
        """
        data = self.wire()
        if _size(data) > MAX_TERMINATION_BYTES and data.get("outputs"):
            data = _with_packed_outputs(data)
        for name in _CUT:
            while data.get(name) and (excess := _size(data) - MAX_TERMINATION_BYTES) > 0:
                data[name] = _shortened(data[name], excess, keep_end=name == "logTail")
        for name in _DROPPED:
            if _size(data) > MAX_TERMINATION_BYTES:
                data.pop(name, None)
        return _compact(data)


def _compact(data: object) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


def _size(data: object) -> int:
    return len(_compact(data).encode())


def _packed(outputs: list[Any]) -> str:
    """Base85 of the compressed list: letters that need no escapes in JSON, a quarter of its length."""
    return base64.b85encode(zlib.compress(_compact(outputs).encode(), 9)).decode()


def _unpacked(text: Any) -> Any:
    """The list, printable; however small the text is, no more than a worker could have meant.

    Raises:
        ValueError: if it is anything else.
    """
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b85decode(text), _MAX_UNPACKED_BYTES)
    except (zlib.error, TypeError) as error:
        raise ValueError(f"{_PACKED} can't be read: {error}") from error
    if not inflate.eof:
        raise ValueError(f"{_PACKED} is cut, or holds more than {_MAX_UNPACKED_BYTES} bytes")
    try:
        return _clean(json.loads(data))
    except RecursionError:
        raise ValueError(f"{_PACKED} is no list of outputs") from None


def _with_packed_outputs(data: dict[str, Any]) -> dict[str, Any]:
    """With as many of the outputs as have room when packed."""
    outputs = data["outputs"][:_MAX_PACKED]
    rest = {name: value for name, value in data.items() if name != "outputs"}

    def pack(count: int) -> dict[str, Any]:
        return {**rest, _PACKED: _packed(outputs[:count])} if count else rest

    fits, too_many = 0, len(outputs) + 1
    while too_many - fits > 1:
        count = (fits + too_many) // 2
        if _size(pack(count)) <= MAX_TERMINATION_BYTES:
            fits = count
        else:
            too_many = count
    return pack(fits)


def _shortened(value: list[Any] | str, excess: int, *, keep_end: bool) -> list[Any] | str:
    """Without items of about so many bytes; a text step by step, as a character may be many bytes."""
    if isinstance(value, str):
        cut = max(1, excess // 4)
        return value[cut:] if keep_end else value[:-cut]
    kept = list(value)
    while kept and excess > 0:
        excess -= _size(kept.pop()) + 1
    return kept


class ProgressReport(Told):
    """How far one input is. Percent is a float in 0..100 over all passes and transfers."""

    percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    stage: Stage
    step: str | None = None
    eta_seconds: Finite | None = None
    fps: Finite | None = None
    speed: Finite | None = None


class Report(Told):
    """One POST to the reports endpoint. Who sends it is told by the token alone."""

    run_id: Annotated[str, Field(alias="runID", max_length=64)]
    attempt: Annotated[int, Field(ge=0)]
    index: Annotated[int, Field(ge=0, le=499)]
    progress: ProgressReport | None = None
    result: Result | None = None
    """Sent where the termination message has no room for all outputs, and this may have."""
