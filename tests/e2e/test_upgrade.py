"""`helm upgrade` on the cluster: what the first chart and its operator left there, under those of today.

The first worker's image is not kept: a stand-in says at the end of a pod what that worker would have said.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deploy
import images
import places
import pytest
import yaml
from minio import Minio
from on_cluster import TERMINAL, Kubectl, a_videojob, condition, eventually, is_stalled

from videojob_api import names
from videojob_api.report import Result

pytestmark = pytest.mark.alone

FIRST = places.REPOSITORY / "tests" / "upgrade"
OBJECTS: dict[str, Any] = json.loads((FIRST / "first-objects.json").read_text())
WORKER = """
import os, sys, time
time.sleep(float(sys.argv[1]))
message = sys.argv[2 + int(os.environ["JOB_COMPLETION_INDEX"])]
open("/dev/termination-log", "w").write(message)
"""


@pytest.fixture(scope="module")
def first_chart(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The release is of a chart with the first CustomResourceDefinitions, and no operator is up.

    It does not know the values below `kueue` yet.
    """
    chart = tmp_path_factory.mktemp("chart") / "videojob"
    shutil.copytree(deploy.CHART, chart)
    without_kueue(chart)
    for plural, schema in json.loads((FIRST / "first-crds.json").read_text()).items():
        path = chart / "files" / "crds" / f"{plural}.yaml"
        crd = yaml.safe_load(path.read_text())
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
        path.write_text(yaml.safe_dump(crd))
    deploy.stop(chart)
    yield
    deploy.ensure()


def without_kueue(chart: Path) -> None:
    """Take it out of the values, their schema and the templates."""
    values, schema = chart / "values.yaml", chart / "values.schema.json"
    known = yaml.safe_load(values.read_text())
    del known["kueue"]
    values.write_text(yaml.safe_dump(known))
    allowed = json.loads(schema.read_text())
    del allowed["properties"]["kueue"]
    schema.write_text(json.dumps(allowed))
    for path in chart.glob("templates/*.yaml"):
        path.write_text(path.read_text().replace(".Values.kueue.readWorkloads", "false"))


def upgrade_as_told() -> None:
    """By the very command that docs/operations.md gives, and with an operator again."""
    page = (places.REPOSITORY / "docs" / "operations.md").read_text()
    (told,) = re.findall(r"^\$ (helm upgrade .+)$", page, re.MULTILINE)
    command = [*shlex.split(told), "--set", "replicas=1", "--wait", "--timeout", "120s"]
    done = subprocess.run(
        command,
        cwd=places.REPOSITORY,
        env=deploy.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def left_behind(kube: Kubectl, state: str, seconds: float) -> None:
    """A VideoJob called like its state, with its Job, as the first operator wrote both just now."""
    text = json.dumps(OBJECTS[state]).replace("keynote", state).replace('"films"', '"NAMESPACE"')
    text = text.replace("NAMESPACE", kube.namespace)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", now, text)
    kube.apply(strip(json.loads(text)["videojob"]))
    old, uid = (
        OBJECTS[state]["videojob"]["metadata"]["uid"],
        kube.get("videojob", state)["metadata"]["uid"],
    )
    objects = json.loads(text.replace(old, uid).replace(old[:8], uid[:8]))
    job = strip(objects["job"])
    job["metadata"]["name"] = names.child_name(state, uid, run=1, attempt=1)
    job["spec"]["template"]["spec"]["volumes"] = []
    (container,) = job["spec"]["template"]["spec"]["containers"]
    said = [
        Result.model_validate(
            {
                "index": index,
                "input": f"in-{index}",
                "state": "Succeeded",
                "outputCount": 1,
                "outputBytes": 1000,
                "outputs": [an_output(state, index)],
            }
        ).to_termination_message()
        for index in range(2)
    ]
    container |= {
        "image": images.ensure_loaded("operator"),
        "command": ["python3.13", "-c", WORKER, str(seconds), *said],
        "env": [e for e in container["env"] if "secretKeyRef" not in json.dumps(e)],
        "volumeMounts": [],
        "resources": {},
    }
    kube.apply(job)
    if status := objects["videojob"].get("status"):
        patch = ("patch", "videojob", state, "--subresource=status", "--type=merge")
        kube.ok(*patch, "-p", json.dumps({"status": status}))


NEW_FIELD = {"type": "boolean", "default": False, "description": "Of a version to come."}
SPEC = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/dryRun"


@pytest.fixture
def newer_crd(installed: None, kube: Kubectl) -> Iterator[Callable[[], None]]:
    """To add a field with a default to VideoJobs, under the operator of today."""
    patch = ("patch", "crd", "videojobs.videojob.dev", "--type=json", "-p")
    add = {"op": "add", "path": SPEC, "value": NEW_FIELD}
    yield lambda: kube.ok(*patch, json.dumps([add]))
    kube.run(*patch, json.dumps([{"op": "remove", "path": SPEC}]))


def test_crds_that_come_before_their_operator_end_nothing(
    newer_crd: Callable[[], None], kube: Kubectl, media: Minio, clip: str
) -> None:
    kube.apply(a_videojob("at-work", *[clip] * 12, parallelism=1))
    kube.wait("at-work", lambda s: s.get("phase") == "Running")
    newer_crd()
    eventually(lambda: "dryRun" in kube.get("videojob", "at-work")["spec"], seconds=30)
    later = itertools.count()

    def waits() -> dict[str, Any] | None:
        """A new one's status, once watches that began before are over: they leave new fields out."""
        name = f"later-{next(later)}"
        kube.apply(a_videojob(name, clip))
        told = kube.wait(name, lambda s: s.get("phase") in TERMINAL or is_stalled(s), seconds=60)
        return told if condition(told, "Accepted")["reason"] == "UnknownFields" else None

    status = eventually(waits, seconds=150)
    assert (status["phase"], condition(status, "Stalled")["status"]) == ("Pending", "True")
    assert "spec.dryRun" in status["message"]
    status = kube.wait_end("at-work")
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1), status
    assert "spec.dryRun" in condition(status, "Accepted")["message"]


def strip(body: dict[str, Any]) -> dict[str, Any]:
    """Without what the API server says itself."""
    of_the_server = ("uid", "resourceVersion", "generation", "creationTimestamp")
    meta = {k: v for k, v in body["metadata"].items() if k not in of_the_server}
    return {k: v for k, v in body.items() if k != "status"} | {"metadata": meta}


def an_output(state: str, index: int) -> dict[str, Any]:
    key = f"results/{state}/in-{index}/small/360p.mp4"
    named = {"name": "360p.mp4", "input": f"in-{index}", "step": "small", "key": key}
    return {**named, "bytes": 1000, "sha256": "ab" * 32}


def test_work_goes_on_and_what_is_done_stays_so(
    first_chart: None, kube: Kubectl, media: Minio, clip: str, tmp_path: Path
) -> None:
    for state, seconds in (("started", 25), ("running", 25), ("finished", 0)):
        left_behind(kube, state, seconds)
    too_new = a_videojob("new", clip, steps=[{"name": "cuts", "scenes": {}}])
    refused = kube.run("apply", "-f", "-", stdin=yaml.safe_dump(too_new))
    assert 'unknown field "spec.steps[0].scenes"' in refused.stderr, "these are not the first CRDs"
    before = kube.status("finished")
    jobs = {job["metadata"]["uid"] for job in kube.items("jobs")}
    assert len(jobs) == 3

    upgrade_as_told()
    kube.apply(too_new)
    assert kube.wait_end("new")["phase"] == "Succeeded"
    for state in ("started", "running"):
        status = kube.wait_end(state)
        assert (status["phase"], status["attempt"]) == ("Succeeded", 1), status
        assert status["indexes"]["succeeded"] == "0-1"
        assert [o["key"] for o in status["outputs"]] == [
            an_output(state, index)["key"] for index in range(2)
        ]
    assert kube.status("finished") == before
    now = {
        job["metadata"]["uid"]
        for job in kube.items("jobs")
        if job["metadata"]["labels"][names.LABEL_JOB] != "new"
    }
    assert now <= jobs, "work was begun twice"
