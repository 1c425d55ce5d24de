"""Runs a planned pass, and afterwards has its steps finish their files.

Called by ``run.py`` for each pass of the plan. It reads ffmpeg's account of what it did, but does
not judge it: ``check.py`` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from videojob_api.reasons import RejectReason
from videojob_api.status import MAX_MESSAGE, Warn

from .companions import accompanied
from .errors import FFmpegFailed, Interrupted, NotDoable, Rejected
from .feeds import feeding
from .ffmpeg import MAX_LOG_BYTES, ChildFailed, Tools
from .loudness import describe_loudness
from .outcome import classify
from .outputs import Finished
from .plan import Pass
from .progress import Leg, ProgressParser
from .steps import StepKind, Workbench
from .tally import Tally, parse_tally

STEP_FAILED = "StepFailed"
"""Reason of the warning about a step that the input goes on without."""
_FAULTS_OF_THE_INPUT = (
    "Invalid data found when processing input",
    "Cannot determine format of input stream",
    "Error while decoding stream",
    "Error submitting packet to decoder",
    "Error during demuxing",
    "moov atom not found",
    "Input contains (near) NaN/+-Inf",
)
_COMPLAINT = re.compile(r"^\[([\w,]+) @ 0x[0-9a-f]+\] \[(?:error|fatal)\]", re.MULTILINE)
_ALSO_ENCODERS = frozenset({"aac", "flac", "png", "mjpeg", "ac3", "eac3"})
_ALSO_MUXERS = frozenset({"mp3", "ogg", "flac", "wav", "w64", "asf", "aac", "ac3", "eac3", "amr"})
_LACKING = re.compile(r"Unknown encoder '(\w+)'|No such filter: '(\w+)'")
_FAULT_OF_A_COPY = "Could not write header"


@dataclass(frozen=True)
class PassResult:
    """What a pass came to, as ffmpeg says."""

    tally: Tally


def run_pass(stage: Pass, tools: Tools, on_progress: Leg | None = None) -> PassResult:
    """Run one ffmpeg process to its end.

    Args:
        stage: the pass.
        tools: runs the process in its sandbox.
        on_progress: is told how far it is, about twice a second.

    Raises:
        Rejected: if the input is too damaged to be worked on.
        FFmpegFailed: for any other failure of the process.
    """
    for folder in stage.folders:
        folder.mkdir(parents=True, exist_ok=True)
    for kind in stage.kinds:
        kind.prepare()
    parser = ProgressParser(stage.expected_frames, stage.expected_seconds)

    def take(line: str) -> None:
        progress = parser.feed(line)
        if progress is not None and on_progress is not None:
            on_progress(progress.fraction, fps=progress.fps, speed=progress.speed)

    try:
        limit = stage.timeout_seconds
        with (
            feeding(stage.feeds, tools),
            accompanied(stage.companions, tools, timeout_seconds=limit),
        ):
            completed = tools.run(
                stage.argv,
                timeout_seconds=limit,
                on_stdout_line=take,
                log_name=stage.name,
            )
    except FFmpegFailed as error:
        raise _explained(stage, error) from error
    lines = _lines(completed.log, completed.stderr_tail)
    return PassResult(parse_tally(lines, film=stage.film_input))


def finish_pass(stage: Pass, bench: Workbench) -> Finished:
    """Have every step of a checked pass make what is left to make: playlists, pictures, sheets.

    Args:
        stage: the pass.
        bench: what the steps have at hand; its ``progress`` is told of all of them together.
    """
    total = sum(kind.finishing_cpu_seconds for kind in stage.kinds) or 1.0
    before = 0.0
    finished, made = [], dict(bench.made)
    for kind in stage.kinds:
        share = kind.finishing_cpu_seconds / total
        one = _finish_one(kind, replace(_share_of(bench, before, share), made=made))
        if one.produced:
            made[kind.name] = one.produced
        finished.append(one)
        before += share
    return Finished(
        tuple(file for each in finished for file in each.produced),
        tuple(warning for each in finished for warning in each.warnings),
        _with_loudness(stage, bench, finished),
    )


def _finish_one(kind: StepKind, bench: Workbench) -> Finished:
    try:
        return kind.finish(bench)
    except Exception as error:
        if not kind.may_fail:
            raise
        return Finished((), (failure_of(kind, error),))


def failure_of(kind: StepKind, error: Exception) -> Warn:
    """The warning that a step failed, where the input goes on without it.

    Raises:
        Interrupted: if that is what the error is: nothing goes on then.
    """
    known = classify(error)
    if isinstance(known, Interrupted):
        raise known
    return kind.warn(STEP_FAILED, f"{known.reason}: {known}"[:MAX_MESSAGE])


def _with_loudness(
    stage: Pass, bench: Workbench, finished: Sequence[Finished]
) -> dict[str, dict[str, Any]]:
    """What the steps found out, and how loud their sound is."""
    measured = {step: dict(facts) for each in finished for step, facts in each.measured.items()}
    for output in stage.outputs:
        if told := describe_loudness(output, bench.levels):
            measured.setdefault(output.step, {}).setdefault("loudness", []).extend(told)
    return measured


def _share_of(bench: Workbench, before: float, share: float) -> Workbench:
    return replace(bench, progress=lambda fraction: bench.progress(before + share * fraction))


def _explained(stage: Pass, error: FFmpegFailed) -> FFmpegFailed | NotDoable | Rejected:
    """The error as one of the input or of the steps, if ffmpeg's last words say so."""
    tail = error.log_tail or ""
    copies = [e.track.codec for o in stage.outputs for e in o.audio if e.is_copy]
    if copies and _FAULT_OF_A_COPY in tail:
        return NotDoable(
            f"Sound of codec {', '.join(copies)} can't be copied into a file of its own; have it "
            "encoded: by a transcode, or by extractAudio with format: AAC.",
            log_tail=tail,
        )
    lacking = _LACKING.search(tail)
    if lacking is not None:
        return NotDoable(
            f"The ffmpeg at hand has no {lacking[1] or lacking[2]}, which the steps need; use the "
            "project's image, or an ffmpeg that has it.",
            log_tail=tail,
        )
    if not any(words in tail for words in _FAULTS_OF_THE_INPUT) and not _is_upset(stage, error):
        return error
    return Rejected(
        RejectReason.DAMAGED,
        "The film could not be decoded: its data do not fit the format that it claims. Export it "
        "again, and upload that.",
        log_tail=tail,
    )


def _is_upset(stage: Pass, error: FFmpegFailed) -> bool:
    """Whether ffmpeg gave up after the film's own demuxer or decoder had complained.

    What fails then differs with each way to be damaged: an encoder that gets sound of another form,
    a filter that can't be set up again. A whole film upsets neither.
    """
    if not isinstance(error, ChildFailed) or error.exit_code_child < 0:
        return False
    media = stage.graph.media
    codecs = {stream.codec for stream in (media.video, *media.audio) if stream is not None}
    names = (codecs - _ALSO_ENCODERS) | ({media.format_name} - _ALSO_MUXERS)
    return any(name in names for name in _COMPLAINT.findall(error.log_tail or ""))


def _lines(log: Path | None, tail: str) -> Iterator[str]:
    """The full log, and the last lines too where it was cut off."""
    if log is not None and log.exists():
        with log.open(encoding="utf-8", errors="replace") as file:
            yield from file
        if log.stat().st_size < MAX_LOG_BYTES:
            return
    yield from tail.splitlines()
