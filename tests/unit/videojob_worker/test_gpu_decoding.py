"""When a GPU is asked to decode, in which words, and what becomes of what it fails at; none is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from media_builders import BUDGET, SCRATCH, a_film, a_step, a_video, hls, mp4, option

from videojob_api.reasons import RejectReason
from videojob_worker import work
from videojob_worker.commands.decoders import build_decoder_probe
from videojob_worker.device import choose_device
from videojob_worker.encoders import CPU, NVENC, Device, VideoEncoder
from videojob_worker.errors import FFmpegFailed, Interrupted, Rejected, Unverified, WorkerError
from videojob_worker.media import MediaInfo
from videojob_worker.outcome import Findings
from videojob_worker.outputs import Finished
from videojob_worker.passes import PassResult
from videojob_worker.plan import Pass, build_plan
from videojob_worker.progress import Way
from videojob_worker.steps import Workbench
from videojob_worker.tally import Tally

NVDEC = Device(reason="EncoderUnavailable", decodes=True)
POSTER = a_step("poster", thumbnails={"count": 3})
STILL = a_step("still", thumbnails={"times": [5]})
AUDIO = a_step("sound", extractAudio={})
DEEP = a_video(codec="hevc", pixel_format="yuv420p10le")


def the_pass(*steps: Any, device: Device = NVDEC, film: MediaInfo | None = None) -> Pass:
    (stage,) = build_plan(steps, film or a_film(), SCRATCH, BUDGET, device).passes
    return stage


def before_film(argv: tuple[str, ...]) -> list[str]:
    return list(argv[: argv.index("-i")])


def test_the_film_is_decoded_by_the_gpu_and_goes_on_in_planes() -> None:
    argv = the_pass(hls("tv", 720, 480)).argv
    asked = before_film(argv)
    assert asked[asked.index("-hwaccel") + 1] == "cuda"
    assert asked[asked.index("-threads") + 1] == "1"
    assert "-hwaccel_output_format" not in argv
    graph = ";".join(option(argv, "-filter_complex"))
    assert graph.count("[0:0]format=yuv420p[") == 1
    assert "[0:1]format" not in graph


def test_ten_bits_stay_ten_and_av1_has_a_decoder_that_knows_gpus() -> None:
    film = a_film(video=replace(DEEP, codec="av1"))
    argv = the_pass(mp4("web", 720, codec="HEVC", bitDepth=10), film=film).argv
    assert "[0:0]format=yuv420p10le[" in option(argv, "-filter_complex")[0]
    asked = before_film(argv)
    assert asked[asked.index("-c:0") + 1] == "av1"


@pytest.mark.parametrize("steps", [(POSTER,), (STILL,), (AUDIO,)])
def test_what_decodes_little_of_the_film_asks_for_no_gpu(steps: Any) -> None:
    stage = the_pass(*steps)
    assert "-hwaccel" not in stage.argv
    assert stage.software_argv is None


def test_the_same_without_a_gpu_is_at_hand() -> None:
    assert the_pass(hls("tv", 720)).software_argv == the_pass(hls("tv", 720), device=CPU).argv
    assert the_pass(hls("tv", 720), device=CPU).software_argv is None


def test_a_gpu_that_decodes_and_does_not_encode_is_told_of() -> None:
    plan = build_plan([mp4("web", 720)], a_film(), SCRATCH, BUDGET, NVDEC)
    assert [warning.reason for warning in plan.warnings] == ["EncodedOnCPU"]
    both = replace(NVDEC, hardware=frozenset({VideoEncoder.H264_NVENC}))
    assert build_plan([mp4("web", 720)], a_film(), SCRATCH, BUDGET, both).warnings == ()


class Card:
    """Tools whose GPU decodes, or doesn't."""

    def __init__(self, decodes: bool) -> None:
        self.decodes = decodes
        self.commands: list[tuple[str, ...]] = []

    def run(self, argv: tuple[str, ...], *, timeout_seconds: float) -> None:
        self.commands.append(argv)
        if not (self.decodes and "-hwaccel" in argv):
            raise FFmpegFailed(f"not within {timeout_seconds} s")


def chosen(card: Card, film: MediaInfo, accelerator: str | None = "nvidia.com/gpu") -> Device:
    return choose_device(accelerator, card, film, SCRATCH.source, 9999)  # type: ignore[arg-type]


def test_the_probe_decodes_a_frame_of_the_film_in_the_gpu_alone() -> None:
    argv = build_decoder_probe(replace(DEEP, index=2), SCRATCH.source, 9999)
    assert option(argv, "-hwaccel_output_format") == ["cuda"]
    assert option(argv, "-vf") == ["hwdownload,format=p010le"]
    assert (option(argv, "-map"), option(argv, "-frames:v")) == (["0:2"], ["1"])
    asked = before_film(argv)
    assert {"-noautorotate", "-protocol_whitelist", "-codec_whitelist"} <= set(asked)
    assert asked[asked.index("-max_pixels") + 1] == "9999"


def test_a_gpu_decodes_what_it_has_just_decoded_a_frame_of() -> None:
    card = Card(decodes=True)
    assert chosen(card, a_film(video=DEEP)) == NVDEC
    assert card.commands[-1] == build_decoder_probe(DEEP, SCRATCH.source, 9999)
    assert chosen(card, a_film(), accelerator=None) is CPU


@pytest.mark.parametrize(
    ("video", "decodes", "words"),
    [
        (a_video(), False, "The GPU did not decode a frame of h264 of yuv420p; the CPU did."),
        (a_video(codec="prores"), True, "GPUs do not decode prores of yuv420p; the CPU did."),
        (a_video(pixel_format="yuv444p"), True, "GPUs do not decode h264 of yuv444p; the CPU did."),
    ],
)
def test_the_reason_why_the_cpu_decodes_is_a_warning(video: Any, decodes: bool, words: str) -> None:
    film = a_film(video=video)
    device = chosen(Card(decodes), film)
    assert not device.decodes
    assert build_plan([mp4("web", 720)], film, SCRATCH, BUDGET, device).warnings == ()  # in status
    device = replace(device, hardware=frozenset(NVENC.values()), reason=None)
    (warning,) = build_plan([mp4("web", 720)], film, SCRATCH, BUDGET, device).warnings
    assert (warning.reason, warning.message) == ("DecodedOnCPU", words)
    assert build_plan([AUDIO], film, SCRATCH, BUDGET, device).warnings == ()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What becomes of each run of a pass, in order: an account, or an error of ffmpeg's or ``check``'s."""
    planned: list[Any] = []

    def run_pass(stage: Pass, *_: object) -> PassResult:
        told = planned.pop(0)
        planned.append(stage.argv)
        if isinstance(told, FFmpegFailed | Interrupted):
            raise told
        return PassResult(told)

    def check(_: Pass, result: Any, *__: object) -> list[Any]:
        if isinstance(result.tally, WorkerError):
            raise result.tally
        return []

    monkeypatch.setattr(work, "run_pass", run_pass)
    monkeypatch.setattr(work, "check", check)
    monkeypatch.setattr(work, "finish_pass", lambda *_: Finished(()))
    return planned


def done(stage: Pass) -> Finished:
    bench = Workbench(None, a_film())  # type: ignore[arg-type]
    return work.work_through(
        replace(stage, kinds=()), bench, Way([1.0, 1.0], lambda *_, **__: None)
    )


@pytest.mark.parametrize(
    "fault",
    [
        FFmpegFailed("cuvid is gone"),
        Rejected(RejectReason.DAMAGED, "cuvid is gone: 9 frames lost"),
        Unverified("cuvid is gone: a file is short"),
        Tally(error_count=1, complaints=["cuvid is gone"]),
    ],
)
def test_what_the_gpu_fails_at_is_done_again_by_the_cpu(fault: Any, runs: list[Any]) -> None:
    stage = the_pass(mp4("web", 720))
    runs += [fault, Tally()]
    finished = done(stage)
    assert runs == [stage.argv, stage.software_argv]
    (warning,) = finished.warnings
    assert warning.reason == "DecodedOnCPU"
    assert "cuvid is gone" in warning.message
    assert not finished.decoded_on_gpu


def test_what_the_cpu_says_of_a_film_stands(runs: list[Any]) -> None:
    runs += [FFmpegFailed("x"), Rejected(RejectReason.DAMAGED, "9 frames lost")]
    with pytest.raises(Rejected, match="9 frames lost"):
        done(the_pass(mp4("web", 720)))


def test_a_stop_is_no_fault_of_the_gpu(runs: list[Any]) -> None:
    runs += [Interrupted("SIGTERM"), Tally()]
    with pytest.raises(Interrupted):
        done(the_pass(mp4("web", 720)))
    assert len(runs) == 2, "it was tried again"


def test_a_gpu_that_decoded_it_all_was_used(runs: list[Any]) -> None:
    runs += [Tally()]
    finished = done(the_pass(mp4("web", 720)))
    assert (finished.decoded_on_gpu, finished.warnings) == (True, ())
    found = Findings(device=NVDEC)
    found.take(finished)
    assert found.decoded_on_gpu
