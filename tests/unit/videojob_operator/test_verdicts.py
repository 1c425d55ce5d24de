"""What the end of an input means: final, or worth another attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import NOW, Situation, a_result, a_videojob

from videojob_api.status import InputState
from videojob_operator.attempt import Ending
from videojob_operator.decide import decide
from videojob_operator.verdicts import MAX_KILLS, Again, Verdict, judge

REJECTED, FAILED = InputState.REJECTED, InputState.FAILED


def the_verdict(situation: Situation) -> Verdict:
    return judge(situation).by_index[0]


@pytest.mark.parametrize(
    ("code", "state", "reason", "retryable", "again", "words"),
    [
        (42, REJECTED, "Truncated", False, None, "the file ends before"),
        (43, FAILED, "NotDoable", False, None, "needs 9 GiB"),
        (44, FAILED, "StorageRefused", True, Again.STORE_REFUSED, "bucket 'films'"),
        (45, FAILED, "OutOfMemory", True, Again.OUT_OF_MEMORY, "ran out of memory with 2Gi"),
        (46, FAILED, "ScratchFull", True, None, "raise limits.maxBytes"),
        (47, FAILED, "OutputUnverified", True, None, "should have 250 (after 4 tries)"),
        (137, FAILED, "WorkerCrashed", True, Again.KILLED, "killed from outside"),
        (None, FAILED, "WorkerCrashed", True, Again.KILLED, "killed from outside"),
        (143, FAILED, "WorkerCrashed", True, None, "exit code 143 (after 4 tries)"),
        (1, FAILED, "WorkerCrashed", True, None, "exit code 1 (after 4 tries)"),
    ],
)
def test_an_exit_code_has_one_meaning(
    code: int | None,
    state: InputState,
    reason: str,
    retryable: bool,
    again: Again | None,
    words: str,
) -> None:
    verdict = the_verdict(a_videojob().running().with_index(0, exit_code=code))
    assert (verdict.state, verdict.reason, verdict.retryable) == (state, reason, retryable)
    assert verdict.again is again
    assert words in verdict.message


@pytest.mark.parametrize("code", [137, 1, 143])
def test_out_of_memory_is_told_by_the_kernels_word_too(code: int) -> None:
    situation = a_videojob().running().with_index(0, exit_code=code, reason="OOMKilled")
    assert the_verdict(situation).reason == "OutOfMemory"
    assert the_verdict(situation).again is Again.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("had", "policy", "again"),
    [
        (2 << 30, {}, True),
        (16 << 30, {}, False),
        (64 << 30, {}, False),
        (2 << 30, {"factor": 1}, False),
        (2 << 30, {"max": "2Gi"}, False),
        (2 << 30, {"max": "2049Mi"}, True),
        (0, {}, True),
    ],
)
def test_out_of_memory_ends_where_more_is_not_allowed(
    had: int, policy: dict[str, object], again: bool
) -> None:
    situation = a_videojob(retry={"outOfMemory": policy}).running()
    situation = situation.with_newest(memory_bytes=had).with_index(0, exit_code=45)
    verdict = the_verdict(situation)
    assert verdict.again is (Again.OUT_OF_MEMORY if again else None)
    if not again:
        assert f"out of memory with {had >> 30}Gi; raise resources.limits.memory" in verdict.message
        assert "retry.outOfMemory.max" in verdict.message


@pytest.mark.parametrize("kills", [0, 4, 5])
def test_a_nodes_full_disk_is_tried_elsewhere_as_often_as_a_kill(kills: int) -> None:
    situation = a_videojob().running().with_newest(kills=kills).with_index(0, exit_code=46)
    full = a_result(state="Failed", reason="NodeDiskFull", message="no room", exitCode=46)
    verdict = the_verdict(replace(situation, results={0: full}))
    assert verdict.again is (Again.KILLED if kills < 5 else None)
    assert (verdict.reason, verdict.message) == ("NodeDiskFull", "no room")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("The node was low on resource: memory. Threshold …", "Evicted"),
        ("The node was low on resource: ephemeral-storage. …", "NodeDiskFull"),
    ],
)
def test_one_that_node_after_node_evicted_is_given_up(message: str, reason: str) -> None:
    situation = a_videojob().running()
    situation = situation.with_index(0, exit_code=137, reason="Evicted", message=message)
    verdict = the_verdict(situation.with_newest(given_up=frozenset({0})))
    assert (verdict.reason, verdict.again) == (reason, None)
    assert verdict.message == f"nodes evicted its worker 6 times: {message}"


FULL = (
    "Pod ephemeral local storage usage exceeds the total limit of containers 5Gi.",
    'Usage of EmptyDir volume "scratch" exceeds the limit "3Gi".',
    'Container worker exceeded its local ephemeral storage limit "3Gi".',
)


@pytest.mark.parametrize("message", FULL)
@pytest.mark.parametrize("code", [137, 143, None])
@pytest.mark.parametrize("given_up", [frozenset(), frozenset({0})])
def test_an_eviction_for_a_full_scratch_is_not_a_kill(
    message: str, code: int | None, given_up: frozenset[int]
) -> None:
    ending = {"reason": "Evicted", "message": message}
    situation = a_videojob().running().with_index(0, exit_code=code, **ending)
    verdict = the_verdict(situation.with_newest(given_up=given_up))
    assert (verdict.reason, verdict.again) == ("ScratchFull", None)


def test_an_eviction_for_a_full_node_is_a_kill() -> None:
    ending = {"reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."}
    situation = a_videojob().running().with_index(0, exit_code=137, **ending)
    assert the_verdict(situation).again is Again.KILLED


def test_a_word_in_a_log_is_no_eviction() -> None:
    log = "RuntimeError: the ephemeral port range of EmptyDir"
    situation = a_videojob().running().with_index(0, exit_code=1, reason="Error", message=log)
    assert the_verdict(situation).reason == "WorkerCrashed"


@pytest.mark.parametrize(
    ("code", "reason"), [(42, "Rejected"), (43, "NotDoable")], ids=["rejected", "not doable"]
)
def test_a_final_end_without_a_word_quotes_the_logs_last_line(code: int, reason: str) -> None:
    situation = a_videojob().running().with_index(0, exit_code=code, message="a\nlast line\n")
    verdict = the_verdict(replace(situation, results={}))
    assert (verdict.reason, verdict.again) == (reason, None)
    assert verdict.message == f"the worker ended with exit code {code}: last line"


def test_another_eviction_is_a_kill() -> None:
    situation = (
        a_videojob()
        .running()
        .with_index(0, exit_code=None, reason="Evicted", message="memory pressure")
    )
    assert the_verdict(situation).again is Again.KILLED


def test_a_pod_that_is_gone_is_judged_by_what_its_worker_reported() -> None:
    situation = a_videojob().running().with_index(0, exit_code=42)
    assert the_verdict(replace(situation, endings={})).reason == "Truncated"


def test_one_that_had_published_all_and_was_killed_before_its_end_is_a_kill() -> None:
    """Its report told of success, its Job of a failure; the next worker finds all of it done."""
    situation = a_videojob().running().with_index(0, exit_code=1)
    situation = replace(situation, endings={}, results={0: a_result(0)})
    assert the_verdict(situation).again is Again.KILLED


def test_a_pod_that_is_gone_without_a_word_is_a_kill() -> None:
    situation = a_videojob().running().with_index(0, exit_code=1)
    assert the_verdict(replace(situation, endings={}, results={})).again is Again.KILLED


@pytest.mark.parametrize("kills", range(MAX_KILLS + 2))
def test_kills_are_made_good_five_times_and_then_it_is_final(kills: int) -> None:
    situation = a_videojob().running().with_newest(kills=kills).with_index(0, exit_code=137)
    verdict = the_verdict(situation)
    assert verdict.again is (Again.KILLED if kills < 5 else None)
    assert verdict.message == f"its worker was killed from outside {kills + 1} times"


def test_a_pod_that_its_node_turned_away_is_told_of_in_the_nodes_words() -> None:
    situation = a_videojob().running().with_newest(kills=5)
    why = {"reason": "UnexpectedAdmissionError", "message": "no healthy devices present"}
    message = the_verdict(situation.with_index(0, exit_code=None, **why)).message
    assert message.endswith(", at last with UnexpectedAdmissionError: no healthy devices present")


def test_a_refusing_store_is_asked_again_for_ever() -> None:
    situation = a_videojob().running().with_newest(waits=1000).with_index(0, exit_code=44)
    assert the_verdict(situation).again is Again.STORE_REFUSED


@pytest.mark.parametrize(
    ("limit", "words"), [(0, "with exit code 1"), (1, "with exit code 1 (after 2 tries)")]
)
def test_the_number_of_tries_is_said(limit: int, words: str) -> None:
    situation = a_videojob(retry={"limit": limit}).running().with_index(0, exit_code=1)
    assert the_verdict(situation).message.endswith(words)


def test_an_input_that_goes_on_has_no_final_verdict() -> None:
    verdicts = judge(a_videojob(2).running().with_index(0, exit_code=137))
    assert verdicts.get(0) is None
    assert [v.index for v in verdicts.again] == [0]
    assert verdicts.failed == frozenset()


def test_inputs_left_open_by_a_job_that_failed_as_a_whole_are_judged() -> None:
    situation = a_videojob(2).running().with_succeeded(0).with_newest(ended_at=NOW)
    verdicts = judge(situation)
    assert verdicts.succeeded == {0}
    assert [v.index for v in verdicts.again] == [1]


def test_what_was_written_stands_though_pods_and_jobs_are_gone() -> None:
    situation = a_videojob(4).with_status(
        indexes={"succeeded": "0-1", "failed": "2", "rejected": "3"},
        inputs=[{"name": "in-3", "state": "Rejected", "reason": "Empty", "message": "0 bytes"}],
    )
    verdicts = judge(situation)
    assert verdicts.succeeded == {0, 1}
    assert verdicts.failed == {2}
    assert verdicts.rejected == {3}
    assert (verdicts.by_index[3].reason, verdicts.by_index[3].message) == ("Empty", "0 bytes")
    assert [v.index for v in verdicts.bad] == [2, 3]


def test_what_was_written_stands_though_its_pod_went_before_a_restart() -> None:
    """Its node was scaled down while the job went on, and the operator that read its end is gone."""
    situation = a_videojob(3).running().with_index(0, exit_code=42).with_index(1, exit_code=43)
    status = decide(situation, NOW).status
    assert status is not None
    restarted = replace(situation, status=status, results={}, endings={})
    verdicts = judge(restarted)
    assert (verdicts.rejected, verdicts.failed, verdicts.again) == ({0}, {1}, ())
    assert verdicts.by_index[0].reason == "Truncated"


def test_success_is_never_taken_back() -> None:
    first = a_videojob(2).running().with_succeeded(0).with_index(1, exit_code=137)
    again = first.with_attempt(kills=1).with_newest(failed=frozenset({0}), ended_at=NOW)
    again = replace(again, endings={0: Ending(1), 1: Ending(1)})
    assert judge(again).succeeded == {0}


def test_a_success_that_nobody_heard_of_is_asked_for_again() -> None:
    """Its worker found time to publish, and its pod was deleted before anybody looked."""
    first = replace(a_videojob(2).running().with_succeeded(0, 1), results={}, endings={})
    assert [verdict.again for verdict in judge(first).again] == [Again.KILLED] * 2
    second = first.with_attempt(kills=1)
    assert judge(second).by_index == {}, "it is at work on both"
    told = second.with_succeeded(0, 1)
    assert judge(told).succeeded == {0, 1}


@pytest.mark.parametrize("code", [1, 42], ids=["a crash", "a result"])
def test_what_an_earlier_pod_of_the_input_said_is_not_heard_of_its_success(code: int) -> None:
    situation = a_videojob().running().with_index(0, exit_code=code)
    completed = situation.with_newest(failed=frozenset(), completed=frozenset({0}))
    assert the_verdict(completed).again is Again.KILLED


def test_a_success_that_was_written_down_needs_not_be_heard_again() -> None:
    situation = a_videojob(2).running().with_succeeded(0)
    written = situation.written(decide(situation, NOW))
    assert judge(replace(written, results={}, endings={})).succeeded == {0}


def test_a_success_nobody_ever_hears_of_is_taken_at_its_word() -> None:
    situation = a_videojob().running().with_newest(kills=MAX_KILLS).with_succeeded(0)
    assert judge(replace(situation, results={}, endings={})).succeeded == {0}


def test_a_worker_that_published_counts_though_its_job_is_gone() -> None:
    situation = replace(a_videojob(2).running(), attempts=(), endings={1: Ending(0)})
    assert judge(situation).succeeded == {1}


def test_what_fails_while_its_job_is_deleted_fails_for_nobody() -> None:
    situation = a_videojob(3).running().with_succeeded(0).with_index(1, exit_code=1)
    verdicts = judge(situation.with_newest(deleted_at=NOW))
    assert (verdicts.succeeded, verdicts.failed, verdicts.again) == ({0}, frozenset(), ())


def test_an_attempt_that_works_on_an_input_again_leaves_it_open() -> None:
    again = a_videojob().running().with_index(0, exit_code=137).with_attempt(kills=1)
    verdicts = judge(again)
    assert verdicts.get(0) is None
    assert verdicts.again == ()


def test_a_final_verdict_of_an_earlier_attempt_stays() -> None:
    first = a_videojob(2).running().with_index(0, exit_code=42).with_index(1, exit_code=137)
    second = first.with_attempt(indexes=(1,), kills=1).with_succeeded(1)
    verdicts = judge(second)
    assert verdicts.rejected == {0}
    assert verdicts.succeeded == {1}


def test_the_next_attempt_succeeds_where_the_first_was_killed() -> None:
    first = a_videojob().running().with_index(0, exit_code=137)
    second = replace(first.with_attempt(kills=1), results={0: a_result()}).with_succeeded(0)
    assert judge(second).succeeded == {0}


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("Traceback\n  File x\nKeyError: 3\n\n", "exit code 1: KeyError: 3 (after"),
        ("\n \n", "exit code 1 (after"),
    ],
)
def test_the_last_line_of_a_crash_is_quoted(log: str, words: str) -> None:
    situation = a_videojob().running().with_index(0, exit_code=1, message=log)
    assert words in the_verdict(situation).message


def test_what_is_not_doable_keeps_the_workers_own_reason() -> None:
    situation = a_videojob().running().with_index(0, exit_code=43)
    told = situation.results[0].model_copy(update={"reason": "OutputExists"})
    assert the_verdict(replace(situation, results={0: told})).reason == "OutputExists"
