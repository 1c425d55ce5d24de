"""Kubernetes objects → the small values that decisions use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from builders import (
    NOW,
    UID,
    a_job_body,
    a_pod_body,
    a_result,
    a_spec,
    a_time,
    an_ended_pod,
    an_output,
    nodes_of,
)

from videojob_api import names
from videojob_operator.attempt import Ending
from videojob_operator.facts import (
    has_ended,
    is_at_work,
    is_owned_by,
    is_same_pod,
    keep_own_outputs,
    parse_attempt,
    parse_endings,
    parse_job_index,
    parse_result,
    parse_waiting_pod,
)
from videojob_operator.manifests import ANNOTATION_KILLS, ANNOTATION_WAITS
from videojob_operator.nodes import Nodes

# ---- Jobs


def test_job_indexes_become_input_indexes() -> None:
    attempt = parse_attempt(
        a_job_body(
            indexes=(2, 5, 7, 9), completedIndexes="0,2", failedIndexes="3", active=1, ready=1
        )
    )
    assert attempt.indexes == (2, 5, 7, 9)
    assert attempt.completed == {2, 7}
    assert attempt.failed == {9}
    assert attempt.open == {5}
    assert (attempt.active, attempt.ready, attempt.is_over) == (1, 1, False)


def test_indexes_beyond_the_list_are_passed_over() -> None:
    assert parse_attempt(a_job_body(indexes=(4,), completedIndexes="0-3")).completed == {4}


def test_a_new_job_has_nothing_to_tell() -> None:
    attempt = parse_attempt(a_job_body(indexes=(0, 1)))
    assert attempt.open == {0, 1}
    assert (attempt.active, attempt.ready, attempt.kills, attempt.waits) == (0, 0, 0, 0)
    assert (attempt.ended_at, attempt.pods_failed, attempt.accelerator) == (None, 0, None)
    assert attempt.created_at == NOW - timedelta(seconds=60)


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_a_job_is_over_when_its_condition_says_so(kind: str) -> None:
    condition = {
        "type": kind,
        "status": "True",
        "reason": "FailedIndexes",
        "message": "m",
        "lastTransitionTime": a_time(7),
    }
    attempt = parse_attempt(a_job_body(indexes=(0, 1), conditions=[condition]))
    assert attempt.ended_at == NOW - timedelta(seconds=7)
    assert attempt.is_over


def test_pods_that_failed_are_counted() -> None:
    assert parse_attempt(a_job_body(failed=3, active=1)).pods_failed == 3


def test_a_condition_that_is_false_ends_nothing() -> None:
    condition = {"type": "Failed", "status": "False", "lastTransitionTime": a_time(7)}
    assert not parse_attempt(a_job_body(conditions=[condition])).is_over


def test_a_job_is_over_when_no_index_is_open_though_no_condition_is_written_yet() -> None:
    attempt = parse_attempt(a_job_body(indexes=(0, 1), completedIndexes="0", failedIndexes="1"))
    assert attempt.is_over
    assert attempt.ended_at == attempt.created_at


def test_a_job_remembers_its_counters_and_its_placement() -> None:
    body = a_job_body()
    body["metadata"]["annotations"] |= {
        ANNOTATION_KILLS: "3",
        ANNOTATION_WAITS: "2",
        names.ANNOTATION_ACCELERATOR: "Offered",
    }
    limits = {"cpu": "2", "memory": "2Gi", "nvidia.com/gpu": "1"}
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": limits}
    attempt = parse_attempt(body)
    assert (attempt.kills, attempt.waits) == (3, 2)
    assert (attempt.accelerator, attempt.accelerator_reason) == ("nvidia.com/gpu", "Offered")


def test_a_job_on_its_way_out_is_told() -> None:
    body = a_job_body()
    body["metadata"]["deletionTimestamp"] = a_time()
    assert parse_attempt(body).deleted


@pytest.mark.parametrize(
    ("owners", "owned"),
    [
        ([{"uid": UID, "controller": True}], True),
        ([{"uid": "other", "controller": True}, {"uid": UID, "controller": True}], True),
        ([{"uid": UID}], False),
        ([{"uid": "other", "controller": True}], False),
        ([], False),
    ],
)
def test_only_the_controller_owns(owners: list[dict[str, Any]], owned: bool) -> None:
    assert is_owned_by({"metadata": {"ownerReferences": owners}}, UID) is owned


# ---- pods that wait


def test_the_schedulers_words() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes",
    }
    pod = parse_waiting_pod(a_pod_body(phase="Pending", conditions=[condition]))
    assert (pod.name, pod.reason, pod.message) == ("pod-0", "Unschedulable", "0/1 nodes")


def test_the_kubelets_words_come_before_the_schedulers() -> None:
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}
    scheduled = {"type": "PodScheduled", "status": "True"}
    pod = parse_waiting_pod(
        a_pod_body(
            conditions=[scheduled],
            containerStatuses=[{"name": "worker", "state": {"waiting": waiting}}],
        )
    )
    assert (pod.reason, pod.message) == ("CreateContainerConfigError", 'secret "x" not found')


def test_a_pod_on_its_way_says_where_it_is() -> None:
    body = a_pod_body()
    body["spec"] |= {"schedulerName": "second", "nodeName": "n1"}
    pod = parse_waiting_pod(body)
    told = "no scheduler has looked at it; is second there?"
    assert (pod.reason, pod.message) == ("NoScheduler", told)
    placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": a_time(5)}
    body["status"]["conditions"] = [placed]
    pod = parse_waiting_pod(body)
    assert (pod.reason, pod.message) == ("NodeSilent", "node n1 has not begun with it")
    assert pod.since == NOW - timedelta(seconds=5)


def test_the_stations_on_its_way_are_no_news() -> None:
    made = a_pod_body(phase="Pending")
    placed = a_pod_body(phase="Pending", conditions=[{"type": "PodScheduled", "status": "True"}])
    lost = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    stuck = a_pod_body(phase="Pending", conditions=[lost])
    assert is_same_pod(made, placed)
    assert not is_same_pod(made, stuck)


# ---- pods that ended


def test_the_last_pod_of_an_index_counts() -> None:
    pods = [
        an_ended_pod(1, "first", ago=30, name="a"),
        an_ended_pod(137, "third", ago=10, name="c", reason="OOMKilled"),
        an_ended_pod(47, "second", ago=20, name="b"),
        an_ended_pod(0, "other", ago=40, name="d", index=1),
    ]
    for order in (pods, pods[::-1]):
        found = parse_endings(order)
        assert found[0] == (Ending(137, "OOMKilled", "third", "c"), None)
        assert found[1][0].exit_code == 0


def test_last_words_that_are_no_result_do_nothing_to_a_terminal() -> None:
    """A crash's log, or what a worker that was taken over wants to be read."""
    (ending, result) = parse_endings([an_ended_pod(1, "\x1b[2Jall\u202e\nis well\x07")])[0]
    assert (ending.message, result) == ("[2Jall\nis well", None)
    evicted = an_ended_pod(137)
    evicted["status"] |= {"reason": "Evicted", "message": "\x1b[31mdisk"}
    assert parse_endings([evicted])[0][0].message == "[31mdisk"


def test_a_terminated_container_is_an_end_before_the_pod_says_so() -> None:
    pod = an_ended_pod(0)
    pod["status"]["phase"] = "Running"
    assert has_ended(pod)
    assert parse_endings([pod])[0][0].exit_code == 0
    pod["status"]["containerStatuses"][0]["name"] = "proxy"
    assert not has_ended(pod)


@pytest.mark.parametrize(
    ("state", "at_work"), [({"running": {}}, True), ({"waiting": {}}, False), ({}, False)]
)
def test_a_worker_is_at_work_while_its_container_runs(state: dict[str, Any], at_work: bool) -> None:
    assert is_at_work(a_pod_body(containerStatuses=[{"name": "worker", "state": state}])) is at_work
    assert not is_at_work(a_pod_body(containerStatuses=[{"name": "proxy", "state": state}]))
    assert not is_at_work(a_pod_body())


def test_pods_still_at_work_are_no_ending() -> None:
    pods = [an_ended_pod(1, ago=30), a_pod_body(name="b", phase="Running")]
    assert parse_endings(pods)[0][0].pod == "pod-0"
    assert parse_endings([a_pod_body(phase="Running"), a_pod_body(phase="Pending")]) == {}


def test_a_termination_message_is_read() -> None:
    result = a_result(3, outputs=2)
    ending, told = parse_endings([an_ended_pod(0, result.to_termination_message(), index=2)])[2]
    assert told == result
    assert ending.message == ""


def test_log_lines_after_a_crash_are_kept_as_they_are() -> None:
    ending, told = parse_endings([an_ended_pod(1, "Traceback …\nKeyError: 3")])[0]
    assert told is None
    assert ending.message == "Traceback …\nKeyError: 3"


def test_an_evicted_pod_says_why_of_itself() -> None:
    pod = an_ended_pod(137, "last log line")
    pod["status"] |= {"reason": "Evicted", "message": "Pod ephemeral local storage usage exceeds"}
    ending, _ = parse_endings([pod])[0]
    assert (ending.exit_code, ending.reason) == (137, "Evicted")
    assert "ephemeral" in ending.message


def test_a_pod_that_ended_before_its_container_began_has_no_exit_code() -> None:
    pod = a_pod_body(phase="Failed", reason="Evicted", message="The node was low on memory")
    ending, told = parse_endings([pod])[0]
    assert ending == Ending(None, "Evicted", "The node was low on memory", "pod-0")
    assert told is None


def test_a_pod_of_no_indexed_job_is_passed_over() -> None:
    pod = an_ended_pod(0)
    del pod["metadata"]["annotations"]
    assert parse_job_index(pod) == -1
    assert parse_endings([pod]) == {}


def test_outputs_outside_the_inputs_own_folder_are_dropped() -> None:
    own = an_output(2)
    others = [
        an_output(3),
        an_output(2, input="in-3"),
        an_output(2, key="results/keynote/in-20/small/0.mp4"),
        an_output(2, key="somewhere/else.mp4"),
        an_output(2, key="/results/keynote/in-2/x"),
        an_output(2, key="results/keynote/in-2/../../other/x"),
    ]
    result = a_result(2).model_copy(update={"outputs": [others[0], own, *others[1:]]})
    kept = keep_own_outputs(a_spec(4), 2, result)
    assert kept.outputs == [own]
    assert kept == result.model_copy(update={"outputs": [own]})
    assert keep_own_outputs(a_spec(2), 2, result).outputs == []


@pytest.mark.parametrize("text", ["", "panic", "{", "{}", '{"index": "many"}', "[1]", "null"])
def test_what_is_no_result_is_none(text: str) -> None:
    assert parse_result(text) is None


def test_the_last_pod_is_the_one_that_was_made_last_whatever_its_nodes_clock_says() -> None:
    first, second = an_ended_pod(1, ago=-60), an_ended_pod(42, name="pod-1", ago=10)
    first["metadata"]["creationTimestamp"] = a_time(50)
    second["metadata"]["creationTimestamp"] = a_time(30)
    for pods in ([first, second], [second, first]):
        assert parse_endings(pods)[0][0].exit_code == 42


@pytest.mark.parametrize("text", ["zero", "", "²", "-1", "9" * 5000])
def test_a_pod_whose_index_somebody_has_changed_is_of_no_job_of_ours(text: str) -> None:
    pod = an_ended_pod(0)
    pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] = text
    assert parse_job_index(pod) == -1
    assert parse_endings([pod]) == {}


# ---- nodes


def a_node(
    allocatable: dict[str, str], *, ready: str = "True", cordoned: bool = False
) -> dict[str, Any]:
    spec = {"unschedulable": True} if cordoned else {}
    return {
        "spec": spec,
        "status": {
            "allocatable": allocatable,
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def most(nodes: Nodes, resource: str) -> int:
    """The largest number that one node has."""
    return max(count for count in range(9) if count == 0 or nodes.have(resource, count))


def test_one_ready_node_must_have_all_that_is_needed() -> None:
    nodes = nodes_of(
        a_node({"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"}),
        a_node({"nvidia.com/gpu": "4", "amd.com/gpu": "1"}),
        a_node({"nvidia.com/gpu": "8"}, ready="False"),
        a_node({"nvidia.com/gpu": "8"}, ready="Unknown"),
        a_node({"nvidia.com/gpu": "8"}, cordoned=True),
    )
    assert most(nodes, "nvidia.com/gpu") == 4
    assert most(nodes, "amd.com/gpu") == 1
    assert most(nodes, "cpu") == 0


@pytest.mark.parametrize("amount", ["1k", "1500m", "", "-1", "two"])
def test_an_amount_that_is_no_whole_number_is_passed_over(amount: str) -> None:
    nodes = nodes_of(a_node({"odd.com/gpu": amount, "nvidia.com/gpu": "1"}))
    assert most(nodes, "odd.com/gpu") == 0
    assert most(nodes, "nvidia.com/gpu") == 1


def test_a_node_that_has_just_come_offers_nothing_yet() -> None:
    assert nodes_of({"status": {}}) == nodes_of() == Nodes()
    assert most(Nodes(), "nvidia.com/gpu") == 0


DEDICATED = {"key": "dedicated", "value": "video", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("taint", "toleration", "taken"),
    [
        (DEDICATED, None, False),
        (DEDICATED, {"key": "dedicated", "operator": "Exists"}, True),
        (DEDICATED, {"key": "dedicated", "value": "video"}, True),
        (DEDICATED, {"key": "dedicated", "operator": "Equal", "value": "other"}, False),
        (DEDICATED, {"key": "dedicated"}, False),
        (DEDICATED, {"operator": "Exists"}, True),
        (DEDICATED, {"operator": "Exists", "effect": "NoSchedule"}, True),
        (DEDICATED, {"operator": "Exists", "effect": "NoExecute"}, False),
        (DEDICATED, {"key": "other", "operator": "Exists"}, False),
        (DEDICATED | {"effect": "NoExecute"}, None, False),
        (DEDICATED | {"effect": "PreferNoSchedule"}, None, True),
        ({"key": "bare", "effect": "NoSchedule"}, {"key": "bare"}, True),
    ],
)
def test_a_node_is_of_no_use_to_pods_that_its_taints_keep_off(
    taint: dict[str, str], toleration: dict[str, str] | None, taken: bool
) -> None:
    node = a_node({"nvidia.com/gpu": "1"})
    node["spec"]["taints"] = [taint]
    asked = [{"key": "unrelated", "operator": "Exists"}, *([toleration] if toleration else [])]
    assert nodes_of(node).have("nvidia.com/gpu", 1, tolerations=asked) is taken


def test_each_taint_of_a_node_is_put_up_with_or_none() -> None:
    node = a_node({"nvidia.com/gpu": "1"})
    node["spec"]["taints"] = [DEDICATED, {"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    own = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    dedicated = {"key": "dedicated", "operator": "Exists"}
    assert not nodes_of(node).have("nvidia.com/gpu", 1, tolerations=[own])
    assert nodes_of(node).have("nvidia.com/gpu", 1, tolerations=[own, dedicated])
