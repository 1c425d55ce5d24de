"""Ended anywhere and started again: what is done is kept, what isn't is done, to the same bytes."""

from __future__ import annotations

import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bad_inputs import make_film
from interrupting import POINTS
from minio.commonconfig import CopySource
from worker_pod import Pod

from videojob_api.report import Result
from videojob_api.work_order import S3Target
from videojob_worker import __main__ as worker
from videojob_worker import publish
from videojob_worker import work as work_module
from videojob_worker.storage import S3Storage

pytestmark = [pytest.mark.ffmpeg, pytest.mark.minio]

INTERRUPTING = str(Path(__file__).parents[1] / "interrupting.py")
STEPS = [
    {"name": "web", "transcode": {"packaging": "CMAF", "renditions": [{"height": 144}]}},
    {"name": "stills", "thumbnails": {"count": 2}},
]
NOTHING_DONE = {"passes": 1, "sent": 9}
ALL_SENT = {"passes": 1, "sent": 0}
"""Only the note of it was missing: made again, found to be the same, not sent again."""
ALL_MARKED = {"passes": 0, "sent": 0}
AGAIN = {
    "half published": {"passes": 1, "sent": 7},
    "published": ALL_SENT,
    "half marked": ALL_SENT,
    "marked": ALL_MARKED,
    "before the manifest": ALL_MARKED,
    "after the manifest": ALL_MARKED,
}


@pytest.fixture
def pod(tmp_path: Path, s3: S3Target, minio_server: Any) -> Pod:
    """A pod with a film in a bucket."""
    make_film(tmp_path / "film.mp4", seconds=1, size="256x144")
    minio_server.client().fput_object(s3.bucket, "store/film.mp4", str(tmp_path / "film.mp4"))
    credentials = {k: os.environ[k] for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    order = {"folder": None, "s3": s3.wire(), "steps": STEPS}
    return Pod(tmp_path, order=order, environment=credentials)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many passes were run and results sent; sizes don't matter."""
    seen = {"passes": 0, "sent": 0}
    real_pass, real_put = work_module.run_pass, S3Storage.put

    def run_pass(*arguments: Any) -> Any:
        seen["passes"] += 1
        return real_pass(*arguments)

    def put(self: S3Storage, key: str, *arguments: Any, **named: Any) -> None:
        real_put(self, key, *arguments, **named)
        seen["sent"] += "/." not in key and not key.endswith("manifest.json")

    monkeypatch.setattr(work_module, "run_pass", run_pass)
    monkeypatch.setattr(S3Storage, "put", put)
    monkeypatch.setattr(publish, "WORTH_ASKING_BYTES", 0)
    return seen


def work(pod: Pod) -> Result:
    """Run the worker in this process."""
    environment = pod.environ("film.mp4")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr("videojob_worker.sandbox.hide_from_children", lambda: None)
        patch.setattr("videojob_worker.log.log_as_json", lambda: None)
        worker.work_in_cluster(environment, worker.Stop())
    return Result.model_validate_json((pod.folder / "message").read_text())


def results(pod: Pod, minio: Any) -> dict[str, bytes]:
    """All published bytes, those of logs, markers and manifest excepted."""
    bucket, client = pod.order["s3"]["bucket"], minio.client()
    keys = [o.object_name for o in client.list_objects(bucket, "store/out/", recursive=True)]
    wanted = [k for k in keys if "/." not in k and not k.endswith("manifest.json")]
    return {key: client.get_object(bucket, key).read() for key in wanted}


def forget(pod: Pod, minio: Any) -> None:
    bucket, client = pod.order["s3"]["bucket"], minio.client()
    for found in list(client.list_objects(bucket, "store/out/", recursive=True)):
        client.remove_object(bucket, found.object_name)


@pytest.fixture
def uninterrupted(pod: Pod, minio_server: Any) -> dict[str, bytes]:
    """What a run makes that nobody disturbs."""
    assert work(pod).exit_code == 0
    made = results(pod, minio_server)
    assert len(made) == NOTHING_DONE["sent"]
    forget(pod, minio_server)
    return made


def test_killed_at_any_point_and_started_again(
    pod: Pod, minio_server: Any, uninterrupted: dict[str, bytes], counts: dict[str, int]
):
    """One test for all points, since they share the undisturbed run."""
    for point in POINTS:
        process = replace(pod, program=(INTERRUPTING, point, "SIGKILL")).start("film.mp4")
        log = process.communicate(timeout=120)[1]
        assert process.returncode == -9, f"{point}: {log}"
        counts.update(passes=0, sent=0)
        result = work(pod)
        assert result.exit_code == 0, f"{point}: {result.message}"
        assert counts == AGAIN.get(point, NOTHING_DONE), point
        assert results(pod, minio_server) == uninterrupted, point
        assert sorted(o.key for o in result.outputs) == sorted(
            key.removeprefix("store/") for key in uninterrupted
        )
        forget(pod, minio_server)


@pytest.mark.parametrize("more", [{}, {"watermark": {"key": "mark.png"}}], ids=["plain", "named"])
def test_a_worker_that_wakes_after_another_has_done_its_work_leaves_it_alone(
    pod: Pod, tmp_path: Path, minio_server: Any, more: dict[str, Any]
):
    """As on a node that was thought lost: what is published stays, its manifest all the time."""
    bucket = pod.order["s3"]["bucket"]
    mark = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    minio_server.client().put_object(bucket, "store/mark.png", io.BytesIO(mark), len(mark))
    transcode = {"renditions": [{"height": 144}], **more}
    pod.order["steps"] = [{"name": "web", "transcode": transcode}]
    (tmp_path / "lost").mkdir()
    lost = replace(pod, folder=tmp_path / "lost", program=(INTERRUPTING, "checked", "SIGSTOP"))
    process = lost.start("film.mp4")
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    result = work(pod)
    assert result.exit_code == 0
    key = f"store/{result.manifest_key}"
    manifest = minio_server.client().stat_object(bucket, key)
    process.send_signal(signal.SIGCONT)
    log = process.communicate(timeout=120)[1]
    assert process.returncode == 0, log
    after = minio_server.client().stat_object(bucket, key)
    assert (after.etag, after.last_modified) == (manifest.etag, manifest.last_modified)
    late = Result.model_validate_json((lost.folder / "message").read_text())
    assert (late.manifest_sha256, late.outputs) == (result.manifest_sha256, result.outputs)


@pytest.mark.parametrize("point", ["half fetched", "half encoded", "half published"])
def test_told_to_stop_and_started_again(
    pod: Pod, minio_server: Any, uninterrupted: dict[str, bytes], point: str
):
    process = replace(pod, program=(INTERRUPTING, point, "SIGTERM")).start("film.mp4")
    log = process.communicate(timeout=120)[1]
    assert process.returncode == 143, log
    assert list((pod.folder / "scratch").iterdir()) == []
    assert work(pod).exit_code == 0
    assert results(pod, minio_server) == uninterrupted


def rerun(pod: Pod, **changes: Any) -> Pod:
    """The same VideoJob's next run."""
    job = {"namespace": "n", "name": "j", "uid": "u", "runID": "r2", "attempt": 1}
    return replace(pod, order={**pod.order, "job": job, **changes})


def test_another_run_makes_all_anew_unless_it_is_told_to_skip(pod: Pod, counts: dict[str, int]):
    first = work(pod)
    assert work(rerun(pod)).exit_code == 0
    assert counts["passes"] == 2
    skipped = work(rerun(pod, ifExists="Skip"))
    assert counts["passes"] == 2
    assert skipped.outputs == first.outputs
    assert skipped.facts == first.facts


def test_skipping_makes_what_is_new_changed_or_gone(
    pod: Pod, counts: dict[str, int], minio_server: Any, s3: S3Target
):
    work(pod)
    sound = {"name": "sound", "extractAudio": {"format": "AAC"}}
    assert work(rerun(pod, ifExists="Skip", steps=[*STEPS, sound])).output_count == 10
    assert counts == {"passes": 2, "sent": 10}
    finer = {"name": "web", "transcode": {"renditions": [{"height": 120}]}}
    assert work(rerun(pod, ifExists="Skip", steps=[finer, STEPS[1]])).output_count == 3
    assert counts == {"passes": 3, "sent": 11}
    minio_server.client().remove_object(s3.bucket, "store/out/in-0/stills/0001.jpg")
    assert work(rerun(pod, ifExists="Skip", steps=[finer, STEPS[1]])).exit_code == 0
    assert counts["passes"] == 4
    make_film(pod.folder / "film.mp4", seconds=1.5, size="256x144")
    client = minio_server.client()
    client.fput_object(s3.bucket, "store/film.mp4", str(pod.folder / "film.mp4"))
    assert work(rerun(pod, ifExists="Skip", steps=[finer, STEPS[1]])).exit_code == 0
    assert counts["passes"] == 5


def test_results_of_others_are_left_alone_if_asked(pod: Pod, counts: dict[str, int]):
    order = {"ifExists": "Fail"}
    pod.order |= order
    assert work(pod).exit_code == 0
    assert work(pod).exit_code == 0  # a retry of the same run
    result = work(rerun(pod))
    assert (result.exit_code, result.reason) == (43, "OutputExists")
    assert "out/in-0/manifest.json is there already" in str(result.message)
    assert result.facts is None
    assert counts["passes"] == 1


def test_a_marker_is_believed_about_its_own_folder_only(
    pod: Pod, counts: dict[str, int], minio_server: Any, s3: S3Target
):
    """Whoever can write a marker could else name any object as a result."""
    work(pod)
    client = minio_server.client()
    client.remove_object(s3.bucket, "store/out/in-0/manifest.json")
    key = "store/out/in-0/.steps/web.json"
    marker = json.loads(client.get_object(s3.bucket, key).read())
    for output in marker["outputs"]:
        here, there = output["key"], output["key"].replace("out/in-0/", "elsewhere/")
        client.copy_object(s3.bucket, f"store/{there}", CopySource(s3.bucket, f"store/{here}"))
        output["key"] = there
    body = json.dumps(marker).encode()
    client.put_object(s3.bucket, key, io.BytesIO(body), len(body))
    assert work(pod).exit_code == 0
    assert counts["passes"] == 2
