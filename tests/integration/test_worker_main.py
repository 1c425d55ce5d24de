"""The worker as its container starts it: a process, an order, an exit code, a message."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_inputs import BAD_INPUTS, make_film
from reports_server import TOKEN, ReportsServer, serve_reports
from worker_pod import Pod

from videojob_api.manifest import Manifest
from videojob_api.report import Result
from videojob_api.work_order import S3Target
from videojob_worker.fetch import hash_file

pytestmark = pytest.mark.ffmpeg


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    (tmp_path / "store").mkdir()
    return Pod(tmp_path)


def test_a_good_film_is_done(pod: Pod):
    make_film(pod.folder / "store/film.mp4")
    result = pod.run("none.mp4", "film.mp4", index=1)
    assert result.exit_code == 0
    assert (result.index, result.input) == (1, "in-1")
    assert result.facts is not None
    assert result.facts.width == 320
    assert result.manifest_key == "out/in-1/manifest.json"
    store = pod.folder / "store"
    assert hash_file(store / "out/in-1/manifest.json") == result.manifest_sha256
    manifest = Manifest.model_validate_json((store / "out/in-1/manifest.json").read_text())
    assert result.output_count == len(manifest.outputs) == 3
    for output in manifest.outputs:
        assert hash_file(store / output.key) == output.sha256
        assert (store / output.key).stat().st_size == output.bytes
    assert manifest.source.sha256 == hash_file(store / "film.mp4")
    assert [t.stage for t in manifest.timings] == ["fetch", "probe", "process", "publish"]
    assert manifest.usage.cpu_seconds > 0.1
    assert set(manifest.worker) >= {"version", "ffmpeg"}
    assert result.log_key in pod.published()
    assert any(key.endswith("commands.sh") for key in pod.published())


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_rejected_and_nothing_published(pod: Pod, name: str):
    BAD_INPUTS[name].make(pod.folder / "store/film.mp4")
    result = pod.run("film.mp4")
    assert result.exit_code == 42
    assert result.state.value == "Rejected"
    assert result.reason in BAD_INPUTS[name].reasons, result.message
    assert pod.published() == []


def test_a_missing_object_is_rejected(pod: Pod):
    result = pod.run("film.mp4")
    assert (result.exit_code, result.reason) == (42, "NotFound")
    assert "film.mp4" in str(result.message)


def test_a_wrong_checksum_is_rejected(pod: Pod):
    make_film(pod.folder / "store/film.mp4")
    pod.order["input"] = {"sha256": "0" * 64}
    assert pod.run("film.mp4").reason == "ChecksumMismatch"


def test_a_message_that_can_not_be_written_changes_nothing_else(pod: Pod, endpoint: ReportsServer):
    (pod.folder / "message").mkdir()
    process = pod.start("film.mp4")
    _, log = process.communicate(timeout=60)
    assert process.returncode == 42, log
    assert "the termination message could not be written" in log
    assert endpoint.reports[-1]["result"]["reason"] == "NotFound"


def test_scratch_space_is_what_the_source_leaves_of_its_limit(pod: Pod):
    film = pod.folder / "store/film.mp4"
    make_film(film)
    with film.open("ab") as file:  # a box that is passed over
        file.write((8 << 20).to_bytes(4, "big") + b"free")
        file.truncate(film.stat().st_size + (8 << 20))
    pod.environment = {"VIDEOJOB_SCRATCH_LIMIT_BYTES": str(film.stat().st_size + 4096)}
    result = pod.run("film.mp4")
    assert (result.exit_code, result.reason) == (43, "NotDoable")
    assert "of scratch space and 4 KiB are free" in str(result.message)


def test_results_that_would_leave_the_store_are_refused_before_any_work(pod: Pod):
    make_film(pod.folder / "store/film.mp4")
    (pod.folder / "elsewhere").mkdir()
    (pod.folder / "store/out").symlink_to(pod.folder / "elsewhere")
    result = pod.run("film.mp4")
    assert (result.exit_code, result.reason) == (44, "StorageRefused")
    assert "remove the link" in str(result.message)
    assert result.facts is None
    assert list((pod.folder / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"VIDEOJOB_ORDER": "{"}, "can't be read"),
        ({"JOB_COMPLETION_INDEX": "7"}, "none with index 7"),
        ({"VIDEOJOB_ORDER_FILE": "/nowhere", "VIDEOJOB_ORDER": ""}, "can't be read"),
    ],
)
def test_an_order_that_makes_no_sense(pod: Pod, environment: dict[str, str], sentence: str):
    pod.environment = environment
    result = pod.run("film.mp4")
    assert (result.exit_code, result.reason) == (43, "NotDoable")
    assert sentence in str(result.message)


def test_a_missing_program_is_named(pod: Pod):
    make_film(pod.folder / "store/film.mp4")
    pod.environment = {"PATH": "/nowhere"}
    result = pod.run("film.mp4")
    assert (result.exit_code, result.reason) == (43, "NotDoable")
    assert "ffprobe is not installed" in str(result.message)


@pytest.fixture
def bucket(pod: Pod, s3: S3Target) -> Pod:
    """The pod, with a bucket instead of a folder."""
    pod.order.update(folder=None, s3=s3.wire())
    pod.environment = {k: os.environ[k] for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return pod


@pytest.mark.minio
def test_the_same_from_a_bucket(bucket: Pod, s3: S3Target, minio_server, tmp_path: Path):
    make_film(tmp_path / "film.mp4")
    client = minio_server.client()
    client.fput_object(s3.bucket, "store/film.mp4", str(tmp_path / "film.mp4"))
    result = bucket.run("film.mp4")
    assert result.exit_code == 0, result.message
    for output in result.outputs:
        found = client.stat_object(s3.bucket, f"store/{output.key}")
        assert (found.size, found.content_type) == (output.bytes, output.mime_type)
    body = client.get_object(s3.bucket, "store/out/in-0/manifest.json")
    Manifest.model_validate_json(body.read())
    body.close()
    body.release_conn()
    assert "tester-secret-key" not in json.dumps(result.wire())


@pytest.mark.minio
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the secret key is wrong"),
        ({"AWS_ACCESS_KEY_ID": "wrong"}, "the access key is not known"),
        ({"AWS_ACCESS_KEY_ID": ""}, "There are no credentials"),
        ({}, "there is no such bucket; create it"),
    ],
)
def test_a_store_that_refuses(bucket: Pod, change: dict[str, str], sentence: str):
    bucket.environment |= change
    if not change:
        bucket.order["s3"] |= {"bucket": "no-such-bucket"}
    result = bucket.run("film.mp4")
    assert (result.exit_code, result.reason) == (44, "StorageRefused")
    assert sentence in str(result.message)


def wait_until(something: Path, pattern: str) -> None:
    deadline = time.monotonic() + 30
    while not list(something.glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_sigterm_ends_it_within_a_moment(pod: Pod):
    make_film(pod.folder / "store/film.mp4", seconds=60, size="1280x720")
    pod.order["steps"] = [{"name": "web", "transcode": {"renditions": [{"height": 720}]}}]
    process = pod.start("film.mp4")
    wait_until(pod.folder / "scratch", "*/out/web/*")
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert time.monotonic() - begun < 5
    assert process.returncode == 143
    result = Result.model_validate_json((pod.folder / "message").read_text())
    assert result.reason == "Interrupted"
    assert pod.published() == []
    assert list((pod.folder / "scratch").iterdir()) == []


def test_a_failure_publishes_its_logs_and_nothing_else(pod: Pod):
    """ffprobe works, and what is called ffmpeg can't even be started."""
    make_film(pod.folder / "store/film.mp4")
    (pod.folder / "bin").mkdir()
    script = pod.folder / "bin/ffmpeg"
    script.write_text("not a program")
    script.chmod(0o755)
    pod.environment = {"PATH": f"{pod.folder}/bin:{os.environ['PATH']}"}
    result = pod.run("film.mp4")
    assert (result.exit_code, result.reason) == (1, "WorkerCrashed")
    assert "Exec format error" in str(result.log_tail)
    assert result.log_key == "out/in-0/.logs/fused.log"
    assert pod.published() == ["out/in-0/.logs/commands.sh", "out/in-0/.logs/fused.log"]


@pytest.fixture
def endpoint(pod: Pod) -> Iterator[ReportsServer]:
    token = pod.folder / "token"
    token.write_text(TOKEN)
    with serve_reports(pod.folder) as (server, authority):
        url = f"https://127.0.0.1:{server.server_port}/reports"
        pod.order["reports"] = {"url": url, "caPem": authority, "tokenPath": str(token)}
        yield server


def test_reports_tell_the_way(pod: Pod, endpoint: ReportsServer):
    make_film(pod.folder / "store/film.mp4", seconds=12, size="1280x720")
    result = pod.run("film.mp4")
    assert result.exit_code == 0
    percents = [r["progress"]["percent"] for r in endpoint.reports if "progress" in r]
    assert percents == sorted(percents)
    assert percents
    assert endpoint.connections == 1
    assert not any("result" in r for r in endpoint.reports), "the termination message says it"


def test_a_list_too_long_for_the_termination_message_is_reported(pod: Pod, endpoint: ReportsServer):
    make_film(pod.folder / "store/film.mp4", seconds=4)
    pod.order["steps"] = [{"name": "pictures", "thumbnails": {"count": 80}}]
    told = pod.run("film.mp4")
    reported = Result.model_validate(endpoint.reports[-1]["result"])
    assert 40 < len(told.outputs) < told.output_count == 80
    assert told.outputs == reported.outputs[: len(told.outputs)]
    assert len(reported.outputs) == 80


def test_reports_that_never_arrive_change_nothing(pod: Pod, endpoint: ReportsServer):
    make_film(pod.folder / "store/film.mp4")
    endpoint.statuses = [500] * 1000
    assert pod.run("film.mp4").exit_code == 0
    assert endpoint.reports == []
