"""Fetching: whole and checked, whatever the connection or the object does meanwhile."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from videojob_api.inputs import Input
from videojob_api.reasons import RejectReason
from videojob_api.videojob import Limits
from videojob_api.work_order import S3Target
from videojob_worker import fetch as fetching
from videojob_worker.errors import Interrupted, NodeDiskFull, Rejected, StorageUnreachable
from videojob_worker.fetch import fetch
from videojob_worker.folder import FolderStorage
from videojob_worker.stop import Stop
from videojob_worker.storage import S3Storage

BODY = os.urandom(1 << 20) * 21 + b"the end"
SHA256 = hashlib.sha256(BODY).hexdigest()


def wanted(key: str = "film", **more: str) -> Input:
    return Input(name="film", key=key, **more)


@pytest.fixture
def volume(tmp_path: Path, stop: Stop) -> FolderStorage:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/film").write_bytes(BODY)
    (tmp_path / "volume/empty").touch()
    return FolderStorage(tmp_path / "volume", "", stop.check)


class Flaky(http.server.BaseHTTPRequestHandler):
    """An S3 server of one object, that breaks as the test wants."""

    protocol_version = "HTTP/1.1"
    breaks = 0
    """How many answers are cut off in the middle."""
    etags: Iterator[str] | None = None
    ranges: list[str] = []

    def do_HEAD(self) -> None:
        self._head(200, len(BODY))

    def do_GET(self) -> None:
        cls = type(self)
        asked = self.headers["Range"]
        cls.ranges.append(asked)
        first, last = (int(n) for n in asked.removeprefix("bytes=").split("-"))
        if cls.etags is not None and self.headers.get("If-Match") != next(cls.etags):
            self._head(412, 0)
            return
        part = BODY[first : last + 1]
        self._head(206, len(part))
        if cls.breaks > 0:
            cls.breaks -= 1
            self.wfile.write(part[: len(part) // 2])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
            return
        self.wfile.write(part)

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", "application/xml")
        self.send_header("ETag", '"v1"')
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def flaky(stop: Stop, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[S3Storage, type[Flaky]]]:
    class Handler(Flaky):
        ranges: list[str] = []

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setattr(stop, "sleep", lambda _: None)
    target = S3Target(endpoint=f"http://127.0.0.1:{server.server_port}", bucket="bucket")
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    yield S3Storage(target, keys, stop), Handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_copied_and_checked(volume: FolderStorage, tmp_path: Path):
    seen: list[float] = []
    source = fetch(wanted(sha256=SHA256), Limits(), volume, tmp_path / "source", seen.append)
    assert source.path.read_bytes() == BODY
    assert (source.size_bytes, source.sha256) == (len(BODY), SHA256)
    assert seen[-1] == 1.0


def test_the_original_is_out_of_reach(volume: FolderStorage, tmp_path: Path):
    source = fetch(wanted(), Limits(), volume, tmp_path / "source")
    source.path.write_bytes(b"overwritten")
    assert (tmp_path / "volume/film").read_bytes() == BODY


@pytest.mark.minio
def test_ranges_come_in_parallel_and_whole(s3: S3Target, minio_server, tmp_path: Path, stop: Stop):
    (tmp_path / "film").write_bytes(BODY)
    minio_server.client().fput_object(s3.bucket, "store/film", str(tmp_path / "film"))
    seen: list[float] = []
    store = S3Storage(s3, os.environ, stop)
    source = fetch(wanted(sha256=SHA256), Limits(), store, tmp_path / "source", seen.append)
    assert source.path.read_bytes() == BODY
    assert source.sha256 == SHA256
    assert seen == sorted(seen)
    assert len(seen) == -(-len(BODY) // fetching.RANGE_BYTES)


@pytest.mark.minio
def test_a_missing_object_and_an_empty_one_are_rejected(
    s3: S3Target, minio_server, tmp_path: Path, stop: Stop
):
    minio_server.client().put_object(s3.bucket, "store/empty", __import__("io").BytesIO(), 0)
    store = S3Storage(s3, os.environ, stop)
    for key, reason in (("nothing", RejectReason.NOT_FOUND), ("empty", RejectReason.EMPTY)):
        with pytest.raises(Rejected, match=key) as rejected:
            fetch(wanted(key), Limits(), store, tmp_path / "source")
        assert rejected.value.reason is reason


@pytest.mark.parametrize(
    ("asked", "limits", "reason"),
    [
        (wanted("nothing"), Limits(), RejectReason.NOT_FOUND),
        (wanted("empty"), Limits(), RejectReason.EMPTY),
        (wanted(), Limits(max_bytes="1Mi"), RejectReason.TOO_LARGE),
        (wanted(sha256="0" * 64), Limits(), RejectReason.CHECKSUM_MISMATCH),
    ],
)
def test_an_unacceptable_object_is_rejected(
    volume: FolderStorage, tmp_path: Path, asked: Input, limits: Limits, reason: RejectReason
):
    with pytest.raises(Rejected) as rejected:
        fetch(asked, limits, volume, tmp_path / "source")
    assert rejected.value.reason is reason


def test_no_room_is_told_before_the_transfer(
    volume: FolderStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(
        fetching.os, "statvfs", lambda _: os.statvfs_result((*real[:4], 1, *real[5:]))
    )
    with pytest.raises(NodeDiskFull, match="has room for"):
        fetch(wanted(), Limits(), volume, tmp_path / "source")


def test_a_broken_connection_is_taken_up_where_it_broke(flaky, tmp_path: Path):
    store, server = flaky
    server.breaks = 4
    source = fetch(wanted(sha256=SHA256), Limits(), store, tmp_path / "source")
    assert source.path.read_bytes() == BODY
    asked_for = sum(int(b) - int(a) + 1 for a, b in (r[6:].split("-") for r in server.ranges))
    assert asked_for < len(BODY) * 2


def test_a_body_that_never_gets_whole_is_an_error(flaky, tmp_path: Path):
    store, server = flaky
    server.breaks = 10_000
    server.do_GET = lambda self: self._head(206, 0)
    with pytest.raises(StorageUnreachable, match="ended early"):
        fetch(wanted(), Limits(), store, tmp_path / "source")


def test_an_object_replaced_meanwhile_is_read_anew(flaky, tmp_path: Path):
    import itertools

    store, server = flaky
    server.etags = itertools.chain(['"v0"'], itertools.repeat('"v1"'))
    assert fetch(wanted(), Limits(), store, tmp_path / "source").sha256 == SHA256
    server.etags = itertools.repeat('"v0"')
    with pytest.raises(StorageUnreachable, match="replaced 3 times"):
        fetch(wanted(), Limits(), store, tmp_path / "source")


def test_a_stop_ends_the_transfer(flaky, volume: FolderStorage, tmp_path: Path, stop: Stop):
    stop.request()
    for store in (flaky[0], volume):
        with pytest.raises(Interrupted):
            fetch(wanted(), Limits(), store, tmp_path / "source")
