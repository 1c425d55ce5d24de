"""A whole worker against another S3 server than MinIO: what is published, kept, and removed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import make_film
from worker_pod import Pod

from videojob_api.work_order import S3Target
from videojob_worker.errors import StorageRefused
from videojob_worker.fetch import hash_file
from videojob_worker.multipart import PART_BYTES
from videojob_worker.objects import NotThere
from videojob_worker.stop import Stop
from videojob_worker.storage import S3Storage

pytestmark = pytest.mark.minio


@pytest.fixture
def pod(tmp_path: Path, second_s3: S3Target, versitygw_server: Any) -> Pod:
    make_film(tmp_path / "film.mp4", seconds=1)
    client = versitygw_server.client()
    client.fput_object(second_s3.bucket, "store/film.mp4", str(tmp_path / "film.mp4"))
    credentials = {k: os.environ[k] for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return Pod(tmp_path, order={"folder": None, "s3": second_s3.wire()}, environment=credentials)


@pytest.mark.ffmpeg
def test_a_worker_does_its_work_and_knows_it_again(
    pod: Pod, second_s3: S3Target, versitygw_server: Any
):
    client = versitygw_server.client()

    def found(output_key: str) -> Any:
        return client.stat_object(second_s3.bucket, f"store/{output_key}")

    first = pod.run("film.mp4")
    assert first.exit_code == 0, first.message
    seen = {output.key: found(output.key) for output in first.outputs}
    for output in first.outputs:
        assert seen[output.key].content_type == output.mime_type
        with client.get_object(second_s3.bucket, f"store/{output.key}") as body:
            assert hashlib.sha256(body.read()).hexdigest() == output.sha256
    # The manifest is gone, as if the worker had been killed before it: the markers are believed.
    client.remove_object(second_s3.bucket, "store/out/in-0/manifest.json")
    assert pod.run("film.mp4").outputs == first.outputs
    for output in first.outputs:
        assert found(output.key).last_modified == seen[output.key].last_modified


def test_parts_that_a_killed_worker_left_are_removed(
    second_s3: S3Target, versitygw_server: Any, tmp_path: Path, stop: Stop
):
    client, key = versitygw_server.client(), "store/big"
    client._create_multipart_upload(second_s3.bucket, key, {})
    big = tmp_path / "big"
    big.write_bytes(bytes(PART_BYTES + 1))
    store = S3Storage(second_s3, os.environ, stop)
    sha256 = hash_file(big)
    words = {"content_type": "video/mp4", "cache_control": "no-cache", "check": stop.check}
    store.put("big", big, sha256=sha256, **words)
    assert store.holds("big", PART_BYTES + 1, sha256)
    assert client._list_multipart_uploads(second_s3.bucket, prefix=key).uploads == []


def test_what_it_refuses_is_understood(
    second_s3: S3Target, stop: Stop, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(NotThere):
        S3Storage(second_s3, os.environ, stop).stat("none")
    elsewhere = second_s3.model_copy(update={"bucket": "no-such-bucket"})
    with pytest.raises(StorageRefused, match="no such bucket"):
        S3Storage(elsewhere, os.environ, stop).stat("none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageRefused, match="secret key is wrong"):
        S3Storage(second_s3, os.environ, stop).stat("none")
