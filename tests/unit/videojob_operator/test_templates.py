"""Jobs from templates: waited for, refused, written down once, and never changed by an edit."""

from __future__ import annotations

from typing import Any

import pytest
from builders import KEY, a_spec_from_template, a_videojob_body, seconds
from fake_cluster import (
    StillWorld,
    a_world_with_a_videojob,
    fake,
    job_becomes,
    settled,
    status_of,
    the_job,
)

from videojob_api.conditions import ConditionType
from videojob_api.names import ENV_ORDER
from videojob_api.status import Phase
from videojob_api.work_order import WorkOrder
from videojob_operator.errors import ClusterError, Forbidden
from videojob_operator.reconcile import reconcile


def a_world_with_a_job_from_a_template(**spec: Any) -> StillWorld:
    """It names the VideoTemplate ``web``; there is none yet."""
    world, key = a_world_with_a_videojob()
    body = a_videojob_body()
    body["spec"] = a_spec_from_template(**spec).model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    body["metadata"]["uid"] = "fresh"
    world.forget_videojob(fake(world).drop("videojobs", key.name))
    world.cache.put_videojob(fake(world).put("videojobs", body))
    return world


def put_template(
    world: StillWorld, height: Any = "$(params.height)", *, cluster: bool = False, **blocks: Any
) -> None:
    params = [{"name": "height", "type": "Integer", "default": 360, "maximum": 9000}]
    meta: dict[str, Any] = {"name": "web", "generation": 3}
    if not cluster:
        meta["namespace"] = KEY.namespace
    steps = [{"name": "web", "transcode": {"renditions": [{"height": height}]}}]
    fake(world).put(
        "clustervideotemplates" if cluster else "videotemplates",
        {"metadata": meta, "spec": {"params": params, "steps": steps, **blocks}},
    )


def accepted(world: StillWorld) -> tuple[str, str, str]:
    (found,) = (c for c in status_of(world).conditions if c.type == ConditionType.ACCEPTED)
    return found.status, found.reason, found.message


def the_order(world: StillWorld) -> WorkOrder:
    (container,) = the_job(world)["spec"]["template"]["spec"]["containers"]
    (text,) = (e["value"] for e in container["env"] if e["name"] == ENV_ORDER)
    return WorkOrder.model_validate_json(text)


async def test_a_job_is_done_with_the_steps_of_its_template() -> None:
    world = a_world_with_a_job_from_a_template(params={"height": "480"})
    put_template(world, resources={"limits": {"cpu": "8"}}, limits={"maxBytes": "1Gi"})
    assert await reconcile(KEY, world) == 0
    assert fake(world).all("jobs") == [], "a Job before it is written down what it does"
    assert accepted(world) == ("True", "Accepted", "")
    assert (status_of(world).message or "") == "Accepted with the steps of VideoTemplate 'web'."

    await reconcile(KEY, world)
    order = the_order(world)
    assert order.steps[0].transcode is not None
    assert order.steps[0].transcode.renditions[0].height == 480
    assert order.limits.max_bytes == "1Gi"
    (container,) = the_job(world)["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["cpu"] == "8"
    await settled(world)


async def test_a_template_of_the_cluster_is_found_too() -> None:
    ref = {"kind": "ClusterVideoTemplate", "name": "web"}
    world = a_world_with_a_job_from_a_template()
    (body,) = fake(world).all("videojobs")
    body["spec"]["templateRef"] = ref
    world.cache.put_videojob(fake(world).put("videojobs", body))
    put_template(world)
    await reconcile(KEY, world)
    assert accepted(world)[1] == "TemplateNotFound", "it took the one of the namespace"
    put_template(world, cluster=True)
    await reconcile(KEY, world)
    await reconcile(KEY, world)
    template = status_of(world).template
    assert template is not None
    assert (template.kind, template.name, template.generation) == ("ClusterVideoTemplate", "web", 3)
    assert len(fake(world).all("jobs")) == 1


async def test_an_edit_changes_no_accepted_job_and_a_restart_neither() -> None:
    world = a_world_with_a_job_from_a_template()
    put_template(world)
    await reconcile(KEY, world)
    put_template(world, height=2160)
    restarted = StillWorld(fake(world), world.settings)
    restarted.cache.put_videojob(fake(world).all("videojobs")[0])
    await reconcile(KEY, restarted)
    order = the_order(restarted)
    assert order.steps[0].transcode is not None
    assert order.steps[0].transcode.renditions[0].height == 360
    fake(restarted).drop("videotemplates", "web")
    job_becomes(restarted, active=1, ready=1)
    await reconcile(KEY, restarted)
    assert status_of(restarted).phase is Phase.RUNNING


async def test_a_template_is_read_once() -> None:
    world = a_world_with_a_job_from_a_template()
    put_template(world)
    for _ in range(4):
        await reconcile(KEY, world)
    reads = [path for _, path in fake(world).requests if "videotemplates" in path]
    assert len(reads) == 1


async def test_a_missing_template_is_waited_for() -> None:
    world = a_world_with_a_job_from_a_template()
    assert await reconcile(KEY, world) == 5
    status, reason, message = accepted(world)
    assert (status, reason) == ("False", "TemplateNotFound")
    assert message.startswith("There is no VideoTemplate 'web' in namespace 'films'; create it, or")
    assert status_of(world).phase is Phase.PENDING
    stalled = {c.type: c.status for c in status_of(world).conditions}
    assert (stalled["Stalled"], stalled["Reconciling"]) == ("True", "False")
    await settled(world)
    assert fake(world).all("jobs") == []
    assert not [path for _, path in fake(world).requests if "videostores" in path]
    put_template(world)
    await reconcile(KEY, world)
    assert accepted(world)[0] == "True"
    await reconcile(KEY, world)
    assert len(fake(world).all("jobs")) == 1


@pytest.mark.parametrize(("waited", "again"), [(0, 5), (40, 5), (300, 30), (6000, 60), (86390, 10)])
async def test_a_long_wait_is_a_patient_one(waited: float, again: float) -> None:
    """And never sleeps through the deadline, which is a day."""
    world = a_world_with_a_job_from_a_template()
    await reconcile(KEY, world)
    world.moment += seconds(waited)
    assert await reconcile(KEY, world) == again


async def test_a_wait_for_a_template_ends_with_the_deadline() -> None:
    world = a_world_with_a_job_from_a_template(activeDeadlineSeconds=60)
    await reconcile(KEY, world)
    world.moment += seconds(61)
    await reconcile(KEY, world)
    assert status_of(world).phase is Phase.FAILED
    assert "There is no VideoTemplate 'web'" in (status_of(world).message or "")


async def test_a_broken_template_is_waited_for_until_it_is_mended() -> None:
    world = a_world_with_a_job_from_a_template(params={"height": "8000"})
    put_template(world)
    assert await reconcile(KEY, world) == 5
    status, reason, message = accepted(world)
    assert (status, reason) == ("False", "TemplateInvalid")
    assert "(height: 8000)" in message
    assert "less than or equal to 4320" in message
    put_template(world, height=144)
    await reconcile(KEY, world)
    assert accepted(world)[0] == "True"


async def test_params_that_do_not_fit_end_the_job_with_the_sentence() -> None:
    world = a_world_with_a_job_from_a_template(params={"height": "tall"})
    put_template(world)
    await reconcile(KEY, world)
    status = status_of(world)
    assert status.phase is Phase.FAILED
    assert accepted(world)[:2] == ("False", "InvalidParams")
    assert (status.message or "").startswith("params.height is 'tall'; wanted is a whole number")
    assert status.failure is not None
    assert status.failure.reason == "InvalidParams"
    assert [event["reason"] for event in fake(world).all("events")] == ["InvalidParams"]
    put_template(world, height=144)
    await settled(world)


@pytest.mark.parametrize("cluster", [False, True])
async def test_a_template_that_may_not_be_read_names_the_remedy(cluster: bool) -> None:
    world = a_world_with_a_job_from_a_template()
    if cluster:
        (body,) = fake(world).all("videojobs")
        body["spec"]["templateRef"]["kind"] = "ClusterVideoTemplate"
        world.cache.put_videojob(fake(world).put("videojobs", body))
    fake(world).failures.append(Forbidden("clustervideotemplates is forbidden", 403))
    await reconcile(KEY, world)
    _, reason, message = accepted(world)
    assert reason == "TemplateForbidden"
    assert ("rbac.clusterTemplates" in message) is cluster


async def test_an_api_server_that_does_not_answer_says_nothing_about_the_template() -> None:
    world = a_world_with_a_job_from_a_template()
    fake(world).failures.append(ClusterError("the API server did not answer", 500))
    with pytest.raises(ClusterError):
        await reconcile(KEY, world)
    assert fake(world).writes == []


async def test_a_snapshot_that_is_not_understood_any_more_ends_the_job() -> None:
    """An older operator after a newer one; guessing would make something else of the film."""
    world = a_world_with_a_job_from_a_template()
    put_template(world)
    await reconcile(KEY, world)
    (body,) = fake(world).all("videojobs")
    body["status"]["template"]["steps"][0]["sharpen"] = {}
    world.cache.put_videojob(fake(world).put("videojobs", body))
    await reconcile(KEY, world)
    assert status_of(world).phase is Phase.FAILED
    assert "status.template" in (status_of(world).message or "")
    assert accepted(world)[:2] == ("False", "SnapshotInvalid")


async def test_a_template_can_not_bring_an_account_a_volume_or_privileges() -> None:
    world = a_world_with_a_job_from_a_template()
    for smuggled in (
        {"serviceAccountName": "admin"},
        {"resources": {"securityContext": {"privileged": True}}},
        {"accelerator": {"resourceName": "nvidia.com/gpu", "hostPath": "/dev"}},
    ):
        put_template(world, **smuggled)
        await reconcile(KEY, world)
        assert accepted(world)[1] == "TemplateInvalid"
        assert "Extra inputs" in accepted(world)[2]
    assert fake(world).all("jobs") == []


async def test_a_new_run_reads_the_template_anew() -> None:
    world = a_world_with_a_job_from_a_template()
    put_template(world)
    for _ in range(2):
        await reconcile(KEY, world)
    put_template(world, height=720)
    (body,) = fake(world).all("videojobs")
    body["spec"]["runToken"] = "2"
    world.cache.put_videojob(fake(world).put("videojobs", body))
    await reconcile(KEY, world)
    for job in fake(world).all("jobs"):
        world.cache.put_job(job)
    for job in world.cache.jobs():
        if job["metadata"]["labels"]["videojob.dev/run"].endswith("-1"):
            world.cache.drop_job(job)
    for _ in range(2):
        await reconcile(KEY, world)
    (step,) = the_order(world).steps
    assert step.transcode is not None
    assert [r.height for r in step.transcode.renditions] == [720]
