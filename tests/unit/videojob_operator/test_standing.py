"""How a VideoJob stands: caps, counts that no lost report can change, percent that never falls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import NOW, Situation, a_report, a_result, a_time, a_videojob, an_output, seconds

from videojob_api.status import (
    MAX_STATUS_INPUTS,
    MAX_STATUS_OUTPUTS,
    InputState,
    Phase,
    Usage,
    VideoJobStatus,
)
from videojob_operator.standing import describe
from videojob_operator.verdicts import MAX_KILLS, judge


def standing(situation: Situation, phase: Phase = Phase.RUNNING, **more: Any) -> VideoJobStatus:
    return describe(
        situation,
        NOW,
        phase=phase,
        reason="Because",
        message="So it is.",
        verdicts=judge(situation),
        **more,
    )


def counts(status: VideoJobStatus) -> tuple[int, int, int, int, int]:
    c = status.input_counts
    assert c is not None
    return c.total, c.active, c.succeeded, c.failed, c.rejected


def percent(status: VideoJobStatus) -> int:
    assert status.progress is not None
    return status.progress.percent


# ---- lists that stay small


def test_five_hundred_inputs_are_counted_and_a_hundred_listed() -> None:
    situation = a_videojob(500).running().with_succeeded(*range(490))
    situation = situation.with_index(495, exit_code=42).with_index(497, exit_code=47)
    situation = situation.with_progress({499: a_report(10), 498: a_report(20)})
    status = standing(situation)
    assert len(status.inputs) == MAX_STATUS_INPUTS
    assert counts(status) == (500, 4, 490, 1, 1)
    assert status.indexes is not None
    assert status.indexes.succeeded == "0-489"
    assert (status.indexes.failed, status.indexes.rejected) == ("497", "495")


def test_running_ones_come_first_then_the_bad_ones() -> None:
    situation = a_videojob(500).running().with_succeeded(*range(490))
    situation = situation.with_index(495, exit_code=42).with_index(497, exit_code=47)
    situation = situation.with_progress({499: a_report(10)})
    states = [(i.name, i.state) for i in standing(situation).inputs[:4]]
    assert states == [
        ("in-499", InputState.RUNNING),
        ("in-497", InputState.FAILED),
        ("in-495", InputState.REJECTED),
        ("in-0", InputState.SUCCEEDED),
    ]


@pytest.mark.parametrize(
    ("inputs", "each", "listed", "truncated"),
    [(1, 3, 3, None), (1, 50, 50, None), (1, 51, 50, True), (5, 20, 50, True), (10, 5, 50, None)],
)
def test_outputs_are_listed_up_to_fifty_and_the_rest_is_said_to_be_missing(
    inputs: int, each: int, listed: int, truncated: bool | None
) -> None:
    situation = a_videojob(inputs).running().with_succeeded(*range(inputs), outputs=each)
    status = standing(situation, Phase.SUCCEEDED)
    assert len(status.outputs) == listed <= MAX_STATUS_OUTPUTS
    assert status.outputs_truncated is truncated
    assert status.output_count == inputs * each
    assert status.output_bytes == inputs * each * 1000


def test_a_list_that_a_termination_message_cut_is_said_to_be_truncated() -> None:
    cut = a_result(outputs=2).model_copy(update={"output_count": 9, "output_bytes": 9000})
    situation = replace(a_videojob().running().with_succeeded(0), results={0: cut})
    status = standing(situation, Phase.SUCCEEDED)
    assert (len(status.outputs), status.output_count, status.output_bytes) == (2, 9, 9000)
    assert status.outputs_truncated is True


def test_warnings_are_listed_up_to_twenty() -> None:
    warned = a_result(warnings=[{"reason": "R", "message": str(i)} for i in range(30)])
    situation = replace(a_videojob().running().with_succeeded(0), results={0: warned})
    assert len(standing(situation).warnings) == 20


def test_a_status_with_everything_in_it_stays_small() -> None:
    long = an_output(key="k" * 300, name="n" * 60)
    result = a_result(outputs=300).model_copy(update={"outputs": [long] * 300})
    situation = a_videojob(500).running().with_succeeded(*range(500))
    situation = replace(situation, results=dict.fromkeys(range(500), result))
    assert len(standing(situation, Phase.SUCCEEDED).model_dump_json()) < 100_000


# ---- percent


@pytest.mark.parametrize(
    ("reports", "expected"),
    [({}, 0), ({0: 50}, 12), ({0: 50, 1: 50}, 25), ({0: 100, 1: 100, 2: 100, 3: 100}, 99)],
)
def test_the_jobs_percent_is_the_mean_over_its_inputs(
    reports: dict[int, float], expected: int
) -> None:
    live = {i: a_report(p) for i, p in reports.items()}
    assert percent(standing(a_videojob(4).running().with_progress(live))) == expected


def test_an_input_that_ended_counts_as_done_however_it_ended() -> None:
    situation = a_videojob(4).running().with_succeeded(0).with_index(1, exit_code=42)
    assert percent(standing(situation)) == 50


def test_percent_never_falls_within_an_attempt_though_all_reports_are_lost() -> None:
    situation = a_videojob(2).running().with_progress({0: a_report(80), 1: a_report(60)})
    situation = replace(situation, status=standing(situation))
    assert percent(situation.status) == 70
    assert percent(standing(situation.with_progress({}))) == 70
    assert percent(standing(situation.with_progress({0: a_report(90)}))) == 70
    more = situation.with_progress({0: a_report(90), 1: a_report(90)})
    assert percent(standing(more)) == 90


def test_a_job_that_failed_stays_at_the_percent_it_reached() -> None:
    situation = a_videojob().running().with_status(progress={"percent": 40})
    assert percent(standing(situation.with_index(0, exit_code=1), Phase.FAILED)) == 40
    assert percent(standing(situation.with_succeeded(0), Phase.SUCCEEDED)) == 100


def test_waiting_changes_no_progress() -> None:
    situation = (
        a_videojob().running().with_status(progress={"percent": 40, "updated_at": a_time(9)})
    )
    assert standing(situation, Phase.PENDING).progress == situation.status.progress


def test_nobody_knows_how_long_it_takes_while_no_worker_runs() -> None:
    known = {"percent": 40, "etaSeconds": 42, "fps": 30.0, "step": "small", "updatedAt": a_time()}
    situation = a_videojob().running().with_status(progress=known)
    progress = standing(situation, Phase.SUSPENDED).progress
    assert progress is not None
    assert progress.wire() == {"percent": 40, "updatedAt": a_time()}


def test_rates_are_summed_and_steps_are_named() -> None:
    live = {
        0: a_report(10, fps=20.0, speed=1.5, step="small"),
        1: a_report(10, fps=10.04, speed=0.5, step="audio"),
        2: a_report(10, step=None),
    }
    progress = standing(a_videojob(3).running().with_progress(live)).progress
    assert progress is not None
    assert (progress.fps, progress.speed, progress.step) == (30.0, 2.0, "audio,small")
    assert progress.updated_at == "2026-03-01T12:00:00Z"


def test_a_report_of_an_input_that_is_not_there_is_passed_over() -> None:
    situation = a_videojob().running().with_progress({0: a_report(50), 7: a_report(90)})
    assert percent(standing(situation)) == 50


# ---- what lost reports cost


def test_a_lost_report_costs_no_count() -> None:
    told = a_videojob(4).running().with_succeeded(0).with_index(1, exit_code=42)
    told = told.with_newest(active=2, ready=2).with_progress({2: a_report(), 3: a_report()})
    lost = replace(told, progress={})
    assert counts(standing(told)) == counts(standing(lost)) == (4, 2, 1, 0, 1)


def test_one_pod_at_work_of_many_inputs_is_counted_though_none_reported() -> None:
    situation = a_videojob(10).running().with_newest(active=4, ready=4)
    assert counts(standing(situation))[1] == 4


def test_a_result_that_stays_lost_costs_no_verdict() -> None:
    situation = a_videojob(2).running().with_newest(kills=MAX_KILLS).with_succeeded(0, 1)
    status = standing(replace(situation, results={}), Phase.SUCCEEDED)
    assert counts(status) == (2, 0, 2, 0, 0)
    assert [i.manifest_key for i in status.inputs] == [
        "results/keynote/in-0/manifest.json",
        "results/keynote/in-1/manifest.json",
    ]


def test_what_was_told_once_stays_though_the_pods_are_gone() -> None:
    situation = a_videojob(2).running().with_succeeded(0, outputs=3).with_index(1, exit_code=42)
    told = a_result(outputs=3, facts={"width": 640}, warnings=[{"reason": "R", "message": "m"}])
    usage = Usage(cpu_seconds=4.0, bytes_in=7)
    situation = replace(situation, results={**situation.results, 0: told}, usage=usage)
    first = standing(situation)
    gone = {"results": {}, "endings": {}, "attempts": (), "usage": None}
    after = replace(situation, status=first, **gone)
    second = standing(after)
    for name in ("outputs", "output_count", "output_bytes", "usage", "warnings", "indexes"):
        assert getattr(second, name) == getattr(first, name), name
    assert sorted(second.inputs, key=lambda i: i.name) == sorted(first.inputs, key=lambda i: i.name)
    assert {i.name: i.width for i in second.inputs}["in-0"] == 640


def test_a_shorter_list_never_replaces_a_longer_one() -> None:
    situation = a_videojob().running().with_succeeded(0, outputs=5)
    situation = replace(situation, status=standing(situation))
    shorter = a_result(outputs=5).model_copy(update={"outputs": a_result(outputs=2).outputs})
    assert len(standing(replace(situation, results={0: shorter})).outputs) == 5


# ---- inputs


def test_each_input_says_how_it_fares() -> None:
    situation = a_videojob(3).running().with_succeeded(0).with_index(1, exit_code=42)
    situation = situation.with_progress({2: a_report(33.9)})
    by_name = {i.name: i for i in standing(situation).inputs}
    assert (by_name["in-0"].state, by_name["in-0"].percent) == (InputState.SUCCEEDED, 100)
    assert by_name["in-0"].attempts == 1
    assert by_name["in-1"].reason == "Truncated"
    assert by_name["in-1"].message == "the file ends before its index says"
    assert by_name["in-1"].manifest_key is None
    assert (by_name["in-2"].state, by_name["in-2"].percent) == (InputState.RUNNING, 33)


def test_the_facts_of_a_film_are_shown() -> None:
    facts = {"durationSeconds": 12.5, "width": 640, "height": 360, "videoCodec": "h264"}
    situation = a_videojob().running().with_succeeded(0)
    situation = replace(situation, results={0: a_result(facts=facts)})
    (one,) = standing(situation, Phase.SUCCEEDED).inputs
    assert (one.duration_seconds, one.width, one.video_codec) == (12.5, 640, "h264")


def test_an_input_that_is_tried_again_is_not_yet_bad() -> None:
    situation = a_videojob(2).running().with_succeeded(0).with_index(1, exit_code=137)
    status = standing(situation, Phase.PENDING)
    assert counts(status) == (2, 0, 1, 0, 0)
    assert {i.name: i.state for i in status.inputs}["in-1"] is InputState.PENDING


def test_a_message_of_any_length_fits() -> None:
    long = a_result(outputs=0, state="Failed", exitCode=47, message="é" * 5000, logTail="t" * 9000)
    situation = a_videojob().running().with_index(0, exit_code=47)
    status = standing(replace(situation, results={0: long}), Phase.FAILED)
    assert len(status.inputs[0].message or "") == 1024
    assert VideoJobStatus.model_validate(status.wire()) == status


# ---- accelerator, times


def test_a_gpu_that_a_worker_could_not_use_is_said() -> None:
    situation = (
        a_videojob()
        .running()
        .with_status(
            accelerator={
                "requested": "Auto nvidia.com/gpu",
                "used": "nvidia.com/gpu",
                "reason": "Offered",
            }
        )
    )
    situation = situation.with_succeeded(0)
    told = a_result(acceleratorUsed="CPU", acceleratorReason="no NVENC: " + "x" * 500)
    accelerator = standing(replace(situation, results={0: told})).accelerator
    assert accelerator is not None
    assert accelerator.used == "CPU"
    assert (accelerator.reason or "").startswith("no NVENC")
    assert accelerator.requested == "Auto nvidia.com/gpu"


def test_a_job_whose_status_was_never_written_still_says_where_it_runs() -> None:
    """The operator ended between making the Job and writing the status."""
    lost = a_videojob().with_attempt(
        active=1, ready=1, accelerator="nvidia.com/gpu", accelerator_reason="Offered"
    )
    status = standing(lost)
    assert status.attempt == 1
    assert status.accelerator is not None
    assert (status.accelerator.used, status.accelerator.reason) == ("nvidia.com/gpu", "Offered")
    assert status.accelerator.requested == "Auto nvidia.com/gpu"


def test_acceptance_and_start_are_times_that_stay() -> None:
    first = standing(a_videojob(), Phase.PENDING)
    assert (first.accepted_at, first.started_at, first.finished_at) == (a_time(), None, None)
    later = describe(
        replace(a_videojob().running(ago=50), status=first),
        NOW + seconds(50),
        phase=Phase.RUNNING,
        reason="R",
        message="m",
        verdicts=judge(a_videojob()),
    )
    assert (later.accepted_at, later.started_at) == (a_time(), a_time(-50))


def test_a_run_has_one_id() -> None:
    status = standing(a_videojob(), Phase.PENDING)
    assert status.run_id == "0f8fad5b-1"
    assert standing(replace(a_videojob(), status=status)).run_id == "0f8fad5b-1"


def test_a_gpu_that_works_needs_no_word() -> None:
    placed = {"requested": "Auto nvidia.com/gpu", "used": "nvidia.com/gpu", "reason": "Offered"}
    situation = a_videojob().running().with_status(accelerator=placed).with_succeeded(0)
    assert standing(situation).accelerator == situation.status.accelerator
    told = replace(
        situation.with_status(accelerator=None), results={0: a_result(acceleratorReason="x")}
    )
    assert standing(told).accelerator is None


def test_attempts_that_were_cleared_away_still_count() -> None:
    situation = a_videojob().running().with_index(0, exit_code=137)
    for number in (2, 3):
        situation = situation.with_attempt(number, kills=number - 1)
    situation = replace(situation, attempts=situation.attempts[1:]).with_succeeded(0)
    (one,) = standing(situation, Phase.SUCCEEDED).inputs
    assert one.attempts == 3


def test_no_claim_of_a_worker_is_too_large_to_be_written() -> None:
    claim = {"output_count": 2**53, "output_bytes": 2**53}
    situation = a_videojob(3).running().with_succeeded(0, 1, 2)
    results = {i: r.model_copy(update=claim) for i, r in situation.results.items()}
    status = standing(replace(situation, results=results), Phase.SUCCEEDED)
    assert (status.output_count, status.output_bytes) == (2**53, 2**53)


def test_usage_never_goes_back_though_the_operator_has_forgotten_earlier_pods() -> None:
    before = a_videojob().running().with_status(usage={"cpu_seconds": 9, "bytes_in": 5})
    after = replace(before, usage=Usage(cpu_seconds=4, bytes_in=7, gpu_seconds=1))
    assert standing(after).usage == Usage(cpu_seconds=9, bytes_in=7, gpu_seconds=1)


def test_many_steps_at_once_fit_their_column() -> None:
    live = {i: a_report(10, step=f"a-step-with-a-long-name-{i:03}") for i in range(20)}
    progress = standing(a_videojob(20).running().with_progress(live)).progress
    assert progress is not None
    assert len(progress.step or "") == 128
