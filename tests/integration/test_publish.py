"""Publishing: what was made and nothing else, the manifest last, no half of anything."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from videojob_api.work_order import S3Target
from videojob_worker.errors import Interrupted, StorageUnreachable, Unverified
from videojob_worker.folder import FolderStorage
from videojob_worker.multipart import PART_BYTES
from videojob_worker.outputs import Produced
from videojob_worker.publish import Destination, publish, publish_logs
from videojob_worker.scratch import Scratch
from videojob_worker.stop import Stop
from videojob_worker.storage import S3Storage

HLS = "application/vnd.apple.mpegurl"


@pytest.fixture
def volume(tmp_path: Path, stop: Stop) -> FolderStorage:
    (tmp_path / "volume").mkdir()
    return FolderStorage(tmp_path / "volume", "", stop.check)


def made(scratch: Scratch, name: str, size: int = 10, mime_type: str = "video/mp4") -> Produced:
    path = scratch.out / "web" / name
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(name.encode())
        file.truncate(size)
    return Produced(path, "web", name, mime_type, width=320)


def published(tmp_path: Path) -> list[str]:
    top = tmp_path / "volume"
    return sorted(p.relative_to(top).as_posix() for p in top.rglob("*") if p.is_file())


def destination(store: Any, scratch: Scratch, stop: Stop) -> Destination:
    return Destination(store, "out/clip/", "clip", scratch, stop)


def test_files_are_published_under_their_step(
    volume: FolderStorage, scratch: Scratch, stop: Stop, tmp_path: Path
):
    items = [made(scratch, "master.m3u8", mime_type=HLS), made(scratch, "a.mp4", 5000)]
    seen: list[float] = []
    statuses = publish(items, destination(volume, scratch, stop), seen.append)
    assert [s.key for s in statuses] == ["out/clip/web/master.m3u8", "out/clip/web/a.mp4"]
    assert statuses[1].bytes == 5000
    assert statuses[1].width == 320
    assert statuses[1].sha256 == hashlib.sha256(items[1].path.read_bytes()).hexdigest()
    assert published(tmp_path) == ["out/clip/web/a.mp4", "out/clip/web/master.m3u8"]
    assert seen[-1] == 1.0


def test_playlists_come_after_media_and_an_old_manifest_goes_first(scratch: Scratch, stop: Stop):
    calls: list[str] = []

    class Noting:
        def exists(self, key: str) -> bool:
            return True

        def delete(self, key: str) -> None:
            calls.append(f"delete {key}")

        def put(self, key: str, *_: object, **headers: object) -> None:
            calls.append(f"{key.rpartition('/')[2]} {headers['cache_control']}")

    items = [made(scratch, "a.m3u8", mime_type=HLS), made(scratch, "b.mp4"), made(scratch, "c.mp4")]
    publish(items, destination(Noting(), scratch, stop))
    assert calls[:1] == ["delete out/clip/manifest.json"]
    assert sorted(calls[1:3]) == ["b.mp4 max-age=3600", "c.mp4 max-age=3600"]
    assert calls[3] == "a.m3u8 no-cache"


def test_a_link_that_a_child_left_is_never_followed(
    volume: FolderStorage, scratch: Scratch, stop: Stop, tmp_path: Path
):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/token").write_text("hush")
    (scratch.out / "web").symlink_to(tmp_path / "secret")
    (scratch.out / "link").symlink_to(tmp_path / "secret/token")
    for path in (scratch.out / "web/token", scratch.out / "link", tmp_path / "secret/token"):
        with pytest.raises(Unverified, match="not published"):
            publish([Produced(path, "web", "x", "video/mp4")], destination(volume, scratch, stop))
    assert published(tmp_path) == []


def test_logs_are_published_and_the_largest_is_named(
    volume: FolderStorage, scratch: Scratch, stop: Stop, tmp_path: Path
):
    assert publish_logs(destination(volume, scratch, stop)) is None
    (scratch.logs / "small.log").write_text("x")
    (scratch.logs / "fused.log").write_text("xyz")
    (scratch.logs / "commands.sh").write_text("ffmpeg " * 10)
    assert publish_logs(destination(volume, scratch, stop)) == "out/clip/.logs/fused.log"
    assert len(published(tmp_path)) == 3


def test_one_failure_ends_the_other_uploads(scratch: Scratch, stop: Stop):
    running = threading.Event()

    class Failing:
        def exists(self, key: str) -> bool:
            return False

        def put(self, key: str, *_: object, check: Any, **__: object) -> None:
            if key.endswith("bad.mp4"):
                running.wait(5)
                raise StorageUnreachable("gone")
            running.set()
            while True:
                check()
                stop.sleep(0.01)

    items = [made(scratch, "slow.mp4"), made(scratch, "bad.mp4")]
    with pytest.raises(StorageUnreachable, match="gone"):
        publish(items, destination(Failing(), scratch, stop))


def uploads_under_way(client: Any, bucket: str, key: str) -> int:
    """How many multipart uploads of an object are begun and not ended; MinIO tells by whole key."""
    return len(client._list_multipart_uploads(bucket, prefix=key).uploads)


@pytest.mark.minio
def test_a_stop_aborts_and_leaves_no_parts(
    s3: S3Target, minio_server: Any, scratch: Scratch, stop: Stop
):
    store = S3Storage(s3, os.environ, stop)
    items = [made(scratch, f"{i}.mp4", 3 * PART_BYTES) for i in range(3)]
    threading.Timer(0.15, stop.request).start()
    with pytest.raises(Interrupted):
        publish(items * 20, destination(store, scratch, stop))
    client = minio_server.client()
    left = [o.object_name for o in client.list_objects(s3.bucket, recursive=True)]
    assert all(client.stat_object(s3.bucket, key).size == 3 * PART_BYTES for key in left)
    keys = [f"store/out/clip/web/{item.name}" for item in items]
    assert [uploads_under_way(client, s3.bucket, key) for key in keys] == [0, 0, 0]


@pytest.mark.minio
def test_parts_that_a_killed_worker_left_are_removed_and_those_of_others_stay(
    s3: S3Target, minio_server: Any, scratch: Scratch, stop: Stop
):
    client = minio_server.client()
    ours, theirs = "store/out/clip/web/a.mp4", "store/out/clip/web/a.mp4.bak"
    for key in (ours, theirs):
        client._create_multipart_upload(s3.bucket, key, {})
    item = made(scratch, "a.mp4", PART_BYTES + 1)
    publish([item], destination(S3Storage(s3, os.environ, stop), scratch, stop))
    assert client.stat_object(s3.bucket, ours).size == PART_BYTES + 1
    assert uploads_under_way(client, s3.bucket, ours) == 0
    assert uploads_under_way(client, s3.bucket, theirs) == 1


@pytest.mark.minio
def test_what_is_there_already_is_not_sent_again(
    s3: S3Target, scratch: Scratch, stop: Stop, monkeypatch: pytest.MonkeyPatch
):
    store = S3Storage(s3, os.environ, stop)
    item = made(scratch, "a.mp4", 2 << 20)
    publish([item], destination(store, scratch, stop))
    sent: list[str] = []
    real = S3Storage.put
    monkeypatch.setattr(
        S3Storage, "put", lambda self, key, *a, **n: (sent.append(key), real(self, key, *a, **n))
    )
    publish([item], destination(store, scratch, stop))
    assert sent == []
    item.path.write_bytes(bytes(2 << 20))
    publish([item], destination(store, scratch, stop))
    assert sent == ["out/clip/web/a.mp4"]
