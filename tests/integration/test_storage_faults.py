"""What goes wrong between a worker and its store, in a real proxy between it and a real store.

Each ends in a retry that succeeds or in a clear failure: never in less than the whole, never with
parts of an upload left behind.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import make_film
from fault_proxy import Fault, FaultProxy, fault_proxy
from worker_pod import Pod

from videojob_api.inputs import Input
from videojob_api.videojob import Limits
from videojob_api.work_order import S3Target
from videojob_worker import fetch as fetching
from videojob_worker import multipart, storage
from videojob_worker.errors import ScratchFull, StorageRefused, StorageUnreachable, WorkerError
from videojob_worker.fetch import fetch, hash_file
from videojob_worker.multipart import PART_BYTES
from videojob_worker.outputs import Produced
from videojob_worker.publish import Destination, publish
from videojob_worker.scratch import Scratch
from videojob_worker.stop import Stop
from videojob_worker.storage import MAX_ATTEMPTS, S3Storage

pytestmark = pytest.mark.minio

ALWAYS = 1 << 30
SIZE = 700_000
FILM = hashlib.shake_128(b"film").digest(SIZE)
SLOW_DOWN, SERVER_ERROR, FULL = (
    (503, "SlowDown"),
    (500, "InternalError"),
    (507, "XMinioStorageFull"),
)
REFUSED = (403, "AccessDenied")
GET, PUT = ("GET", "film"), ("PUT", "b.mp4")


@pytest.fixture
def proxy(s3: S3Target, minio_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    monkeypatch.setattr(Stop, "sleep", lambda stop, _: stop.check())
    monkeypatch.setattr(fetching, "RANGE_BYTES", 256 << 10)
    with fault_proxy(s3.endpoint) as made:
        yield made


@pytest.fixture
def store(proxy: FaultProxy, s3: S3Target, stop: Stop, minio_server: Any) -> S3Storage:
    """The bucket through the proxy, with a film in it."""
    upload(minio_server, s3, FILM)
    return S3Storage(s3.model_copy(update={"endpoint": proxy.endpoint}), os.environ, stop)


def upload(minio: Any, s3: S3Target, data: bytes) -> None:
    minio.client().put_object(s3.bucket, "store/film", io.BytesIO(data), len(data))


def get(store: S3Storage, target: Path) -> str:
    return fetch(Input(name="film", key="film"), Limits(), store, target).sha256


@pytest.mark.parametrize(
    "fault",
    [
        Fault(*GET, cut_answer_after=100_000),
        Fault(*GET, cut_answer_after=0),
        Fault(*GET, times=3, skip=1, cut_answer_after=70_000),
        Fault(*GET, shorten_answer=5000),
        Fault(*GET, answer=SLOW_DOWN),
        Fault(*GET, answer=(429, "TooManyRequests")),
        Fault(*GET, answer=(409, "OperationAborted")),
        Fault(*GET, skip=1, whole=FILM),
        Fault(*GET, times=3, answer=SERVER_ERROR),
        Fault("HEAD", "film", answer=SLOW_DOWN),
        Fault(*GET, times=ALWAYS, pause_seconds=0.005),
    ],
    ids=[
        *("cut", "cut at once", "cut thrice", "short", "503", "429", "409", "no range once"),
        *("500s", "503 to HEAD", "slow"),
    ],
)
def test_a_fetch_gets_all_of_it_in_the_end(
    store: S3Storage, proxy: FaultProxy, tmp_path: Path, fault: Fault
):
    proxy.faults = [fault]
    assert get(store, tmp_path / "source") == hashlib.sha256(FILM).hexdigest()
    assert (tmp_path / "source").read_bytes() == FILM


@pytest.mark.parametrize(
    ("fault", "error", "sentence"),
    [
        (Fault(*GET, times=ALWAYS, cut_answer_after=0), StorageUnreachable, "did not answer"),
        (Fault(*GET, times=ALWAYS, answer=SLOW_DOWN), StorageUnreachable, "SlowDown"),
        (Fault(*GET, times=ALWAYS, shorten_answer=0), StorageUnreachable, "ended early"),
        (Fault(*GET, times=ALWAYS, whole=FILM), StorageUnreachable, "(other|more) bytes"),
        (Fault(*GET, skip=1, times=ALWAYS, whole=FILM), StorageUnreachable, "other bytes"),
        (Fault(*GET, skip=1, answer=REFUSED, times=ALWAYS), StorageRefused, "access is denied"),
        (Fault("HEAD", "film", times=ALWAYS, shorten_answer=SIZE // 2), WorkerError, "replaced"),
    ],
    ids=[
        *("cut", "503", "nothing", "no ranges", "no ranges any more"),
        *("credentials withdrawn", "length is not the object's"),
    ],
)
def test_a_fetch_that_gets_less_fails(
    store: S3Storage,
    proxy: FaultProxy,
    tmp_path: Path,
    fault: Fault,
    error: type[WorkerError],
    sentence: str,
):
    proxy.faults = [fault]
    with pytest.raises(error, match=sentence):
        get(store, tmp_path / "source")


def test_an_object_that_is_replaced_while_it_is_read_is_read_anew(
    store: S3Storage, proxy: FaultProxy, tmp_path: Path, s3: S3Target, minio_server: Any
):
    new = FILM[::-1] + b"longer"
    proxy.faults = [Fault(*GET, skip=1, before=lambda: upload(minio_server, s3, new))]
    assert get(store, tmp_path / "source") == hashlib.sha256(new).hexdigest()


def make(scratch: Scratch, name: str, size: int) -> Produced:
    path = scratch.out / "web" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(hashlib.shake_128(name.encode()).digest(size))
    return Produced(path, "web", name, "video/mp4")


class Publishing:
    """Two files to publish, one of them in parts; and what became of them."""

    def __init__(self, store: S3Storage, scratch: Scratch, stop: Stop, s3: S3Target, minio: Any):
        self.items = [make(scratch, "a.mp4", 1000), make(scratch, "b.mp4", PART_BYTES + 100_000)]
        self.bucket, self.client = s3.bucket, minio.client()
        self._to = Destination(store, "out/clip/", "clip", scratch, stop)

    def run(self) -> None:
        publish(self.items, self._to)

    def are_whole(self) -> bool:
        for item in self.items:
            key = f"store/out/clip/web/{item.name}"
            with self.client.get_object(self.bucket, key) as found:
                if hashlib.sha256(found.read()).hexdigest() != hash_file(item.path):
                    return False
        return True

    def is_there(self) -> bool:
        found = self.client.list_objects(self.bucket, "store/out/clip/web/b.mp4")
        return bool(list(found))

    def parts_left(self) -> int:
        key = "store/out/clip/web/b.mp4"
        return len(self.client._list_multipart_uploads(self.bucket, prefix=key).uploads)


@pytest.fixture
def publishing(
    store: S3Storage, scratch: Scratch, stop: Stop, s3: S3Target, minio_server: Any
) -> Publishing:
    return Publishing(store, scratch, stop, s3, minio_server)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(*PUT, cut_request_after=200_000),
        Fault(*PUT, skip=1, cut_request_after=50_000),
        Fault("PUT", "a.mp4", cut_request_after=10),
        Fault(*PUT, answer=SLOW_DOWN),
        Fault(*PUT, times=2, answer=SERVER_ERROR),
        Fault("POST", "uploadId", answer=SLOW_DOWN),
        Fault("POST", "uploads", answer=SERVER_ERROR),
        Fault("POST", "uploadId", cut_answer_after=0),
    ],
    ids=[
        "cut",
        "cut in the last part",
        "cut in a small one",
        "503",
        "500s",
        "503 to the end",
        "500 to the beginning",
        "done, and the answer lost",
    ],
)
def test_a_publish_puts_all_of_it_in_the_end(
    publishing: Publishing, proxy: FaultProxy, fault: Fault
):
    proxy.faults = [fault]
    publishing.run()
    assert fault.times == 0
    assert publishing.are_whole()
    assert publishing.parts_left() == 0


@pytest.mark.parametrize(
    ("faults", "error", "sentence"),
    [
        ([Fault(*PUT, times=ALWAYS, cut_request_after=9)], StorageUnreachable, "did not answer"),
        ([Fault(*PUT, times=ALWAYS, answer=SLOW_DOWN)], StorageUnreachable, "SlowDown"),
        ([Fault(*PUT, skip=1, times=ALWAYS, answer=REFUSED)], StorageRefused, "access is denied"),
        ([Fault(*PUT, times=ALWAYS, answer=FULL)], StorageRefused, "the store is full"),
    ],
    ids=["cut", "503", "credentials withdrawn", "store full"],
)
def test_a_publish_that_fails_leaves_no_half_and_no_parts(
    publishing: Publishing,
    proxy: FaultProxy,
    faults: list[Fault],
    error: type[WorkerError],
    sentence: str,
):
    proxy.faults = faults
    with pytest.raises(error, match=sentence):
        publishing.run()
    assert not publishing.is_there()
    assert publishing.parts_left() == 0


def test_parts_that_could_not_be_removed_are_by_the_next_attempt(
    publishing: Publishing, proxy: FaultProxy
):
    proxy.faults = [
        Fault(*PUT, skip=1, times=ALWAYS, cut_request_after=9),
        Fault("DELETE", "uploadId", times=ALWAYS, answer=SERVER_ERROR),
    ]
    with pytest.raises(StorageUnreachable):
        publishing.run()
    assert publishing.parts_left() > 0
    proxy.faults = []
    publishing.run()
    assert publishing.are_whole()
    assert publishing.parts_left() == 0


@pytest.fixture
def in_five_parts(
    publishing: Publishing, scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The larger file is of five parts, as small as S3 lets them be."""
    part = 5 << 20
    monkeypatch.setattr(multipart, "PART_BYTES", part)
    monkeypatch.setattr(storage, "PART_BYTES", part)
    publishing.items[1] = make(scratch, "b.mp4", 4 * part + 1000)


def parts_sent(proxy: FaultProxy) -> int:
    return sum("partNumber" in line for line in proxy.seen)


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        (Fault(*PUT, skip=2, cut_request_after=3_000_000), 6),
        (Fault(*PUT, skip=1, times=3, answer=SLOW_DOWN), 8),
        (Fault("POST", "uploadId", answer=SERVER_ERROR), 5),
        (Fault("POST", "uploadId", answer=(200, "InternalError")), 5),
        (Fault("POST", "uploadId", cut_answer_after=0), 5),
        (Fault(*PUT, skip=4, answer=(404, "NoSuchUpload")), 10),
    ],
    ids=["cut", "503s", "500 to the end", "200 and an error", "answer lost", "upload gone"],
)
@pytest.mark.usefixtures("in_five_parts")
def test_only_the_part_that_failed_is_sent_again(
    publishing: Publishing, proxy: FaultProxy, fault: Fault, sent: int
):
    proxy.faults = [fault]
    publishing.run()
    assert fault.times == 0
    assert publishing.are_whole()
    assert publishing.parts_left() == 0
    assert parts_sent(proxy) == sent


@pytest.mark.usefixtures("in_five_parts")
def test_a_part_that_never_arrives_leaves_none_of_the_others(
    publishing: Publishing, proxy: FaultProxy
):
    proxy.faults = [Fault("PUT", "partNumber=3", times=ALWAYS, cut_request_after=9)]
    with pytest.raises(StorageUnreachable, match="did not answer"):
        publishing.run()
    assert not publishing.is_there()
    assert publishing.parts_left() == 0


@pytest.mark.usefixtures("in_five_parts")
def test_who_may_not_look_for_remains_can_still_send(publishing: Publishing, proxy: FaultProxy):
    proxy.faults = [Fault("GET", "uploads", times=ALWAYS, answer=REFUSED)]
    publishing.run()
    assert publishing.are_whole()


def test_attempts_have_an_end(publishing: Publishing, proxy: FaultProxy):
    proxy.faults = [Fault("PUT", "a.mp4", times=ALWAYS, answer=SERVER_ERROR)]
    with pytest.raises(StorageUnreachable, match=f"tried {MAX_ATTEMPTS} times"):
        publishing.run()
    assert sum(line.startswith("PUT") and "a.mp4" in line for line in proxy.seen) == MAX_ATTEMPTS


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_is_told_as_one(store: S3Storage, tmp_path: Path):
    """Full only when it is written to: another has taken the room meanwhile."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE + 65536}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("nothing may be mounted here")
    try:
        real = os.statvfs(disk)
        (disk / "other").write_bytes(bytes(SIZE // 2))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "statvfs", lambda _: real)
            with pytest.raises(ScratchFull, match="no room"):
                get(store, disk / "source")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def pod(tmp_path: Path, s3: S3Target, minio_server: Any) -> Pod:
    """A whole worker, with a film in a bucket; its store is the proxy."""
    make_film(tmp_path / "film.mp4", seconds=1, size="256x144")
    minio_server.client().fput_object(s3.bucket, "store/film.mp4", str(tmp_path / "film.mp4"))
    credentials = {k: os.environ[k] for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return Pod(tmp_path, order={"folder": None, "s3": s3.wire()}, environment=credentials)


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        (Fault("GET", "film", cut_answer_after=9000), 0, None),
        (Fault("PUT", "web/", cut_request_after=100), 0, None),
        (Fault("GET", "film", times=ALWAYS, cut_answer_after=0), 1, "StorageUnreachable"),
        (Fault("PUT", "web/", times=ALWAYS, answer=REFUSED), 44, "StorageRefused"),
        (Fault("PUT", "manifest", times=ALWAYS, answer=SLOW_DOWN), 1, "StorageUnreachable"),
    ],
    ids=["cut fetch", "cut publish", "nothing fetched", "withdrawn", "no manifest"],
)
def test_a_worker_ends_with_the_right_code(
    pod: Pod, s3: S3Target, minio_server: Any, fault: Fault, code: int, reason: str | None
):
    with fault_proxy(s3.endpoint) as proxy:
        pod.order["s3"] = {**s3.wire(), "endpoint": proxy.endpoint}
        proxy.faults = [fault]
        result = pod.run("film.mp4")
    assert (result.exit_code, result.reason) == (code, reason), result.message
    client = minio_server.client()
    found = client.list_objects(s3.bucket, "store/out/in-0/manifest.json")
    assert bool(list(found)) == (code == 0)
    for output in result.outputs:
        with client.get_object(s3.bucket, f"store/{output.key}") as body:
            assert hashlib.sha256(body.read()).hexdigest() == output.sha256
