"""Both kinds of store against the same contract: a real MinIO process, and a folder."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from videojob_api.videojob import Limits
from videojob_api.work_order import FolderTarget, JobIdentity, S3Target, WorkOrder
from videojob_worker.errors import Interrupted, NotDoable, StorageRefused, StorageUnreachable
from videojob_worker.multipart import PART_BYTES
from videojob_worker.objects import NotThere, Replaced, Storage
from videojob_worker.stop import Stop
from videojob_worker.storage import S3Storage, open_storage


def order(s3: S3Target | None = None, folder: FolderTarget | None = None) -> WorkOrder:
    job = JobIdentity(namespace="n", name="j", uid="u", run_id="r", attempt=1)
    return WorkOrder(
        job=job, inputs=[], steps=[], limits=Limits(), output_prefix="out/", s3=s3, folder=folder
    )


@pytest.fixture(
    params=[
        "folder",
        *(pytest.param(name, marks=pytest.mark.minio) for name in ("s3", "second_s3")),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path, stop: Stop) -> Storage:
    if request.param != "folder":
        return open_storage(order(s3=request.getfixturevalue(request.param)), stop)
    (tmp_path / "volume").mkdir()
    folder = FolderTarget(path=str(tmp_path / "volume"), prefix="store/")
    return open_storage(order(folder=folder), stop)


def put(store: Storage, key: str, source: Path | bytes, check: Callable[[], None] = lambda: None):
    store.put(key, source, content_type="text/plain", cache_control="no-cache", check=check)


def test_what_is_put_is_found_read_and_deleted(store: Storage):
    put(store, "a/b c.txt", b"0123456789")
    info = store.stat("a/b c.txt")
    assert info.size_bytes == 10
    assert b"".join(store.read("a/b c.txt", info.etag, 0, 10)) == b"0123456789"
    assert b"".join(store.read("a/b c.txt", info.etag, 3, 4)) == b"3456"
    assert store.exists("a/b c.txt")
    assert store.locate("a/b c.txt").endswith("/store/a/b c.txt")
    store.delete("a/b c.txt")
    store.delete("a/b c.txt")
    assert not store.exists("a/b c.txt")
    with pytest.raises(NotThere, match=r"there is no (object|file)"):
        store.stat("a/b c.txt")


def test_an_empty_object_is_an_object(store: Storage):
    put(store, "empty", b"")
    assert store.stat("empty").size_bytes == 0


def test_a_replaced_object_is_noticed(store: Storage):
    put(store, "key", b"first version")
    etag = store.stat("key").etag
    put(store, "key", b"other version")
    assert store.stat("key").etag != etag
    with pytest.raises(Replaced):
        list(store.read("key", etag, 0, 5))


def test_a_large_file_goes_up_whole(store: Storage, tmp_path: Path):
    big = tmp_path / "big"
    big.write_bytes(bytes(range(256)) * (PART_BYTES // 256) * 2 + b"end")
    put(store, "big", big)
    info = store.stat("big")
    assert info.size_bytes == big.stat().st_size
    assert b"".join(store.read("big", info.etag, PART_BYTES * 2 - 1, 4)) == b"\xffend"


def test_an_interrupted_upload_leaves_nothing(
    store: Storage, tmp_path: Path, request: pytest.FixtureRequest
):
    big, calls = tmp_path / "big", 0
    with big.open("wb") as file:
        file.truncate(5 * PART_BYTES)

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 1:  # on a fast machine there is but one more, before the parts become one
            raise Interrupted("enough")

    if isinstance(store, S3Storage):
        with pytest.raises(Interrupted):
            put(store, "big", big, check)
        server, target = request.getfixturevalue("minio_server"), request.getfixturevalue("s3")
        uploads = server.client()._list_multipart_uploads(target.bucket)
        assert list(uploads.uploads) == []
    else:
        calls = 1
        with pytest.raises(Interrupted):
            put(store, "big", big, check)
        assert not list(tmp_path.glob("volume/store/*"))
        assert not list(tmp_path.glob("volume/store/.*"))
    assert not store.exists("big")


@pytest.mark.parametrize("key", ["../outside", "a/../../../outside", "link/passwd"])
def test_a_key_never_leads_out_of_a_folder(tmp_path: Path, stop: Stop, key: str):
    (tmp_path / "volume").mkdir()
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "volume/link").symlink_to("/etc")
    store = open_storage(order(folder=FolderTarget(path=str(tmp_path / "volume"))), stop)
    with pytest.raises(NotThere, match="leads out"):
        store.stat(key)


@pytest.mark.parametrize("link", ["out", "out/clip", "out/clip/web"])
def test_results_never_go_out_of_a_folder(tmp_path: Path, stop: Stop, link: str):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "volume" / link).parent.mkdir(parents=True)
    (tmp_path / "volume" / link).symlink_to(tmp_path / "elsewhere")
    store = open_storage(order(folder=FolderTarget(path=str(tmp_path / "volume"))), stop)
    sentence = r"a link on the way leads there; remove the link"
    for use in (store.exists, store.delete, lambda key: put(store, key, b"x")):
        with pytest.raises(StorageRefused, match=sentence):
            use(link + "/a.mp4")
    with pytest.raises(StorageRefused, match=sentence):
        store.prepare(link + "/")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("key", ["out", "out/clip/a.mp4", "round/a.mp4"])
def test_what_is_in_the_way_of_a_result_is_refused(tmp_path: Path, stop: Stop, key: str):
    volume = tmp_path / "volume"
    (volume / "out").mkdir(parents=True)
    (volume / "out/clip").write_text("a file, where a folder is wanted")
    (volume / "round").symlink_to("round")
    store = open_storage(order(folder=FolderTarget(path=str(volume))), stop)
    with pytest.raises(StorageRefused, match="something else is in its way"):
        put(store, key, b"x")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_volume_is_refused_and_not_tried_again(
    tmp_path: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch, code: int
):
    def sync(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fdatasync", sync)
    store = open_storage(order(folder=FolderTarget(path=str(tmp_path))), stop)
    with pytest.raises(StorageRefused, match="free space on it"):
        put(store, "a/film.mp4", b"x")
    assert list((tmp_path / "a").iterdir()) == []


def test_a_write_that_takes_a_part_is_gone_on_with(
    tmp_path: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
):
    """As on a nearly full disk, where blocks can be neither shared nor copied by the kernel."""
    write, film = os.write, tmp_path / "film"
    film.write_bytes(bytes(range(256)) * 5000)

    def fail(*_: object) -> int:
        raise OSError(errno.EXDEV, "no")

    monkeypatch.setattr(fcntl, "ioctl", fail)
    monkeypatch.setattr(os, "copy_file_range", fail)
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[: 1 << 16]))
    store = open_storage(order(folder=FolderTarget(path=str(tmp_path))), stop)
    put(store, "a/film.mp4", film)
    assert (tmp_path / "a/film.mp4").read_bytes() == film.read_bytes()


def test_a_missing_folder_is_refused_with_its_path(tmp_path: Path, stop: Stop):
    with pytest.raises(StorageRefused, match=r"nowhere does not exist; make it"):
        open_storage(order(folder=FolderTarget(path=str(tmp_path / "nowhere"))), stop)


def test_an_order_without_a_store_is_not_doable(stop: Stop):
    with pytest.raises(NotDoable, match="names no store"):
        open_storage(order(), stop)


@pytest.mark.minio
class TestRefusals:
    def open(self, target: S3Target, stop: Stop, **changes: str) -> Storage:
        return open_storage(order(s3=target.model_copy(update=changes)), stop)

    def test_no_credentials(self, s3: S3Target, stop: Stop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(StorageRefused, match="no credentials for bucket 'test-"):
            self.open(s3, stop)

    def test_unknown_access_key(self, s3: S3Target, stop: Stop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        with pytest.raises(
            StorageRefused, match=r"InvalidAccessKeyId.*mend the VideoStore's Secret"
        ):
            self.open(s3, stop).stat("key")

    def test_wrong_secret_key(self, s3: S3Target, stop: Stop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
        with pytest.raises(StorageRefused, match=r"SignatureDoesNotMatch.*secret key is wrong"):
            self.open(s3, stop).stat("key")

    @pytest.mark.parametrize("method", ["stat", "put"])
    def test_missing_bucket(self, s3: S3Target, stop: Stop, method: str):
        store = self.open(s3, stop, bucket="no-such-bucket")
        with pytest.raises(StorageRefused, match=r"'no-such-bucket' at http://127.*create it"):
            put(store, "key", b"x") if method == "put" else store.stat("key")

    @pytest.mark.parametrize("bucket", ["media..films", "10.0.0.1", "a.-b"])
    def test_a_name_that_no_bucket_can_have(self, s3: S3Target, stop: Stop, bucket: str):
        """The CRD's pattern lets it through."""
        with pytest.raises(StorageRefused, match=rf"{bucket}.*; mend it in the VideoStore\.$"):
            self.open(s3, stop, bucket=bucket)

    def test_nobody_there(self, s3: S3Target, stop: Stop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(stop, "sleep", lambda _: None)
        store = self.open(s3, stop, endpoint="http://127.0.0.1:9")
        with pytest.raises(StorageUnreachable, match=r"127.0.0.1:9, tried 5 times .*refused"):
            store.stat("key")

    def test_a_stop_ends_the_waiting(self, s3: S3Target, stop: Stop):
        stop.request()
        with pytest.raises(Interrupted):
            self.open(s3, stop, endpoint="http://127.0.0.1:9").stat("key")

    def test_headers_are_served(self, s3: S3Target, stop: Stop, minio_server):
        put(self.open(s3, stop), "key", b"x")
        found = minio_server.client().stat_object(s3.bucket, "store/key")
        assert found.content_type == "text/plain"
        assert found.metadata["Cache-Control"] == "no-cache"
