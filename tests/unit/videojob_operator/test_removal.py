"""Outputs that go with their VideoJob: held by a finalizer, time-boxed, and never a namespace's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import NOW, Situation, a_time, a_videojob, a_volume_store, seconds

from videojob_api import names
from videojob_api.clean_up import CleanUpOrder, CleanUpResult
from videojob_api.status import Phase
from videojob_operator.clean_up_job import build_clean_up, parse_clean_up
from videojob_operator.decide import decide
from videojob_operator.observed import (
    Action,
    CleanUp,
    CreateCleanUp,
    Decision,
    DeleteJob,
    EmitEvent,
    Removal,
    SetFinalizers,
    StoreMissing,
)
from videojob_operator.policies.removal import decide_hold, decide_removal
from videojob_operator.settings import PodDefaults

DELETE = {"prefix": "results/keynote/", "deletionPolicy": "Delete"}
HELD = ("somebody.example/else", names.FINALIZER)
LET_GO = SetFinalizers(("somebody.example/else",))
DONE = CleanUpResult(deleted=3, message="3 objects below results/keynote/ deleted.")
REFUSED = CleanUpResult(complete=False, message="The store refused (AccessDenied).")


def a_clean_up(*, ago: float = 10, **changes: Any) -> CleanUp:
    return CleanUp("keynote-clean", "job-uid", NOW - seconds(ago), **changes)


def deleted(*, ago: float = 10, output: dict[str, str] | None = None, **removal: Any) -> Situation:
    """It had succeeded, and was deleted so many seconds ago."""
    known = {"is_namespace_going": False, "workers": 0, **removal}
    situation = a_videojob(output=output or DELETE).running().with_succeeded(0).with_store()
    return replace(
        situation.with_status(phase=Phase.SUCCEEDED, finished_at=a_time(60)),
        deleting=True,
        finalizers=HELD,
        removal=Removal(NOW - seconds(ago), **known),
    )


def actions(situation: Situation) -> tuple[Action, ...]:
    decision = decide_removal(situation, NOW)
    assert decision is not None
    assert decision.status is None
    return decision.actions


def says(situation: Situation) -> str:
    """The Event with which it is let go."""
    done = actions(situation)
    assert LET_GO in done
    (event,) = (action for action in done if isinstance(action, EmitEvent))
    return f"{event.type} {event.reason}: {event.message}"


# ---- the finalizer


def test_it_is_put_on_before_anything_is_made() -> None:
    situation = a_videojob(output=DELETE).with_store()
    decision = decide(situation, NOW)
    assert decision.actions == (SetFinalizers((names.FINALIZER,)),)
    assert decision.requeue_seconds == 0
    held = replace(situation, finalizers=(names.FINALIZER,))
    assert decide(held, NOW).policy == "decide_admit"


@pytest.mark.parametrize("finalizers", [(), ("somebody.example/else",)])
def test_without_the_policy_there_is_none(finalizers: tuple[str, ...]) -> None:
    assert decide_hold(replace(a_videojob(), finalizers=finalizers), NOW) is None


def test_it_comes_off_when_the_policy_has_changed_and_leaves_others() -> None:
    decision = decide_hold(replace(a_videojob(), finalizers=HELD), NOW)
    assert decision == Decision(actions=(LET_GO,), requeue_seconds=0)


def test_it_is_put_on_after_the_end_too() -> None:
    ended = a_videojob(output=DELETE).at_phase(Phase.SUCCEEDED, finished_at=a_time())
    assert decide(ended, NOW).actions == (SetFinalizers((names.FINALIZER,)),)


@pytest.mark.parametrize("change", [{"deleting": True}, {"spec": None}])
def test_it_is_let_be_when_nothing_can_be_said(change: dict[str, Any]) -> None:
    assert decide_hold(replace(a_videojob(output=DELETE), **change), NOW) is None


# ---- the way of a removal


def test_what_is_not_being_deleted_is_for_others_to_say() -> None:
    assert decide_removal(a_videojob(output=DELETE), NOW) is None


def test_workers_are_stopped_first() -> None:
    at_work = replace(deleted(workers=1), attempts=()).with_attempt(active=1, ready=1)
    decision = decide_removal(at_work, NOW)
    job = at_work.attempts[0]
    assert decision == Decision(actions=(DeleteJob.of(job),), requeue_seconds=2)
    going = at_work.with_newest(deleted_at=NOW)
    assert decide_removal(going, NOW) == Decision(requeue_seconds=2)
    pods_left = replace(going, attempts=())
    assert decide_removal(pods_left, NOW) == Decision(requeue_seconds=2)


def test_a_worker_on_a_dead_node_is_not_waited_for_for_long() -> None:
    (create,) = actions(replace(deleted(ago=120, workers=1), attempts=()))
    assert isinstance(create, CreateCleanUp)


def test_then_the_clean_up_is_made_for_the_time_that_is_left() -> None:
    (create,) = actions(deleted(ago=40))
    assert isinstance(create, CreateCleanUp)
    assert create.manifest["spec"]["activeDeadlineSeconds"] == 260


def test_then_it_is_waited_for() -> None:
    decision = decide_removal(deleted(clean_up=a_clean_up()), NOW)
    assert decision == Decision(requeue_seconds=5)
    late = decide_removal(deleted(ago=298, clean_up=a_clean_up()), NOW)
    assert late == Decision(requeue_seconds=2)


def test_what_was_deleted_is_told() -> None:
    situation = deleted(clean_up=a_clean_up(is_over=True, result=DONE))
    assert says(situation) == f"Normal OutputsDeleted: {DONE.message}"


@pytest.mark.parametrize(
    ("situation", "why"),
    [
        (deleted(clean_up=a_clean_up(is_over=True, result=REFUSED)), "The store refused"),
        (deleted(clean_up=a_clean_up(is_over=True)), "without a word"),
        (
            deleted(clean_up=a_clean_up(ago=20, stuck='secret "s" not found')),
            'secret "s" not found',
        ),
        (deleted().with_store(StoreMissing("media")), "'media' is gone: there is none"),
        (deleted().with_store(StoreMissing("media", invalid="no kind")), "is gone: no kind"),
        (replace(deleted(), spec=None, invalid="no steps"), "not understood: no steps"),
        (deleted(is_namespace_going=True), "the namespace is being deleted"),
        (deleted(ago=300, workers=1), "five minutes are over"),
        (deleted(ago=300, clean_up=a_clean_up(result=REFUSED)), "The store refused"),
    ],
)
def test_it_is_let_go_with_the_reason_why_outputs_are_left(situation: Situation, why: str) -> None:
    said = says(situation)
    assert said.startswith("Warning OutputsLeft: Outputs were left behind: ")
    assert why in said


def test_a_pod_that_has_just_started_is_not_stuck_yet() -> None:
    situation = deleted(clean_up=a_clean_up(ago=19, stuck="secret not found"))
    assert decide_removal(situation, NOW) == Decision(requeue_seconds=5)


def test_a_clean_up_never_outlives_the_finalizer() -> None:
    """A VideoJob of the same name and prefix may follow at once."""
    job = a_clean_up()
    first, *_ = actions(deleted(output={"prefix": "results/keynote/"}, clean_up=job))
    assert first == DeleteJob(job.name, job.uid)


@pytest.mark.parametrize("late", [{"ago": 300}, {"is_namespace_going": True}])
def test_a_clean_up_that_can_not_be_deleted_holds_nothing_that_must_go(
    late: dict[str, Any],
) -> None:
    job = a_clean_up()
    assert actions(deleted(clean_up=job, **late))[0] == DeleteJob(job.name, job.uid, may_fail=True)


def test_a_clean_up_that_is_done_goes_last_and_one_that_failed_stays_for_a_look() -> None:
    job = a_clean_up(is_over=True, result=DONE)
    assert actions(deleted(clean_up=job))[1:] == (LET_GO, DeleteJob(job.name, job.uid))
    failed = actions(deleted(clean_up=replace(job, result=REFUSED)))
    assert not any(isinstance(action, DeleteJob) for action in failed)


@pytest.mark.parametrize(
    "situation",
    [
        replace(deleted().with_status(attempt=None), attempts=()),
        deleted(output={"prefix": "results/keynote/"}),
    ],
    ids=["nothing was made", "retain"],
)
def test_it_is_let_go_without_a_word_where_nothing_is_to_be_deleted(situation: Situation) -> None:
    assert actions(situation) == (LET_GO,)


def test_a_run_that_has_made_nothing_yet_does_not_hide_the_one_before() -> None:
    second = replace(deleted().with_status(attempt=None, run_id="0f8fad5b-2"), attempts=())
    (create,) = actions(second)
    assert isinstance(create, CreateCleanUp)


# ---- the Job


def a_job(situation: Situation | None = None) -> dict[str, Any]:
    situation = situation or deleted()
    assert situation.spec is not None
    assert situation.store is not None
    assert not isinstance(situation.store, StoreMissing)
    return build_clean_up(situation, situation.spec, situation.store, seconds=100)


def the_container(job: dict[str, Any]) -> dict[str, Any]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def test_the_job_has_no_owner_and_its_pods_are_no_workers() -> None:
    job = a_job()
    assert "ownerReferences" not in job["metadata"]
    assert names.LABEL_UID in job["metadata"]["labels"]
    assert names.LABEL_UID not in job["spec"]["template"]["metadata"]["labels"]
    assert job["metadata"]["annotations"] == {names.ANNOTATION_CLEANS_UP: "keynote"}


def test_its_pod_goes_where_the_chart_sends_workers_and_holds_no_gpu() -> None:
    defaults = PodDefaults.model_validate(
        {
            "labels": {"team": "video"},
            "annotations": {"sidecar.istio.io/inject": "false"},
            "nodeSelector": {"pool": "video"},
            "tolerations": [{"key": "video", "operator": "Exists"}],
            "priorityClassName": "low",
            "gpuRuntimeClassName": "nvidia",
        }
    )
    own = {"key": "media", "operator": "Exists"}
    asked = {"scheduling": {"nodeSelector": {"gpu": "yes"}, "tolerations": [own]}}
    gpu = {"accelerator": {"mode": "Required"}}
    spec = a_videojob(output=DELETE, **asked, **gpu).spec
    situation = replace(deleted().with_settings(worker_pod_defaults=defaults), spec=spec)
    template = a_job(situation)["spec"]["template"]
    assert template["metadata"]["labels"]["team"] == "video"
    assert template["metadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}
    pod = template["spec"]
    assert (pod["nodeSelector"], pod["priorityClassName"]) == ({"pool": "video"}, "low")
    assert [toleration["key"] for toleration in pod["tolerations"]] == ["media", "video"]
    assert "runtimeClassName" not in pod


def test_the_job_is_told_whose_what_and_where() -> None:
    container = the_container(a_job())
    assert container["args"] == ["clean-up"]
    order, *credentials = container["env"]
    parsed = CleanUpOrder.model_validate_json(order["value"].replace("$$", "$"))
    assert (parsed.uid, parsed.inputs) == (deleted().uid, ["in-0"])
    assert parsed.output_prefix == "results/keynote/"
    assert parsed.s3 is not None
    assert {c["valueFrom"]["secretKeyRef"]["name"] for c in credentials} == {"minio"}


def test_a_volume_is_mounted() -> None:
    job = a_job(deleted().with_store(a_volume_store()))
    (volume,) = job["spec"]["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"] == {"claimName": "films"}
    container = the_container(job)
    assert len(container["env"]) == 1
    assert container["volumeMounts"][0]["mountPath"] == names.VOLUME_PATH


def a_pod(at: str, **state: Any) -> dict[str, Any]:
    statuses = [{"name": "worker", "state": state}]
    return {
        "metadata": {"creationTimestamp": at},
        "status": {"containerStatuses": statuses},
    }


@pytest.mark.parametrize(
    ("condition", "message", "wanted"),
    [
        ("Complete", '{"deleted": 2, "complete": true}', CleanUpResult(deleted=2)),
        (
            "Failed",
            "Traceback: boom",
            CleanUpResult(complete=False, message="It ended so: Traceback: boom"),
        ),
        (
            "Failed",
            "\x1b[2Jboom\u202e",
            CleanUpResult(complete=False, message="It ended so: [2Jboom"),
        ),
        (
            "Complete",
            '{"deleted": 2, "message": "\\u001b[2Jgone"}',
            CleanUpResult(deleted=2, message="[2Jgone"),
        ),
    ],
)
def test_the_newest_pod_tells_how_it_ended(
    condition: str, message: str, wanted: CleanUpResult
) -> None:
    meta = {"name": "c", "uid": "u", "creationTimestamp": a_time(30)}
    job = {"metadata": meta, "status": {"conditions": [{"type": condition, "status": "True"}]}}
    pods = [
        a_pod(a_time(9), terminated={"message": message}),
        a_pod(a_time(20), terminated={"message": "an older one"}),
    ]
    found = parse_clean_up(job, pods)
    assert (found.is_over, found.result) == (True, wanted)


def test_a_pod_without_its_secret_is_stuck() -> None:
    meta = {"name": "c", "uid": "u", "creationTimestamp": a_time(30)}
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "minio" not found'}
    found = parse_clean_up({"metadata": meta}, [a_pod(a_time(9), waiting=waiting)])
    assert (found.is_over, found.result, found.stuck) == (False, None, 'secret "minio" not found')
