"""Cleaning up after a deleted VideoJob: what its manifests list, and not an object more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from videojob_api.clean_up import CleanUpOrder, CleanUpResult
from videojob_api.work_order import FolderTarget, S3Target
from videojob_worker.clean_up import clean_up
from videojob_worker.errors import Interrupted, StorageRefused
from videojob_worker.objects import NotThere, ObjectInfo, Storage
from videojob_worker.stop import Stop
from videojob_worker.storage import open_storage

UID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.minio)])
def order(request: pytest.FixtureRequest, tmp_path: Path) -> CleanUpOrder:
    target: dict[str, Any] = {}
    if request.param == "s3":
        target["s3"] = request.getfixturevalue("s3")
    else:
        (tmp_path / "volume").mkdir()
        target["folder"] = FolderTarget(path=str(tmp_path / "volume"), prefix="store/")
    return CleanUpOrder(uid=UID, inputs=["a", "b"], output_prefix="results/job/", **target)


@pytest.fixture
def store(order: CleanUpOrder, stop: Stop) -> Storage:
    return open_storage(order, stop)


def put(store: Storage, *keys: str, body: bytes = b"x") -> None:
    for key in keys:
        store.put(key, body, content_type="x/y", cache_control="no-cache", check=lambda: None)


def manifest(uid: str, *keys: str) -> bytes:
    outputs = [
        {"name": "n", "input": "a", "step": "s", "key": key, "bytes": 1, "sha256": ""}
        for key in keys
    ]
    return json.dumps(
        {
            "schema": "videojob.dev/manifest/v1",
            "job": {"uid": uid},
            "input": "a",
            "index": 0,
            "source": {"key": "k", "sha256": "", "facts": {}},
            "steps": [],
            "outputs": outputs,
            "usage": {},
            "worker": {},
            "finishedAt": "2026-03-01T12:00:00Z",
        }
    ).encode()


def publish(store: Storage, name: str, *files: str, uid: str = UID) -> None:
    folder = f"results/job/{name}/"
    put(store, *(folder + file for file in files))
    body = manifest(uid, *(folder + file for file in files))
    put(store, f"{folder}manifest.json", body=body)


def left(store: Storage) -> set[str]:
    return set(store.list_keys("results/")) | set(store.list_keys("uploads/"))


def test_what_the_manifests_list_goes_and_all_else_stays(
    order: CleanUpOrder, store: Storage, stop: Stop, tmp_path: Path
):
    publish(store, "a", "web/1.mp4", "web/2.mp4", "web/master.m3u8")
    publish(store, "b", "stills/1.jpg")
    put(store, "results/job/a/.logs/fused.log")
    others = {"uploads/a.mp4", "results/job/a/web/mine.txt", "results/job/c/x", "results/job2/a/y"}
    put(store, *others)
    result = clean_up(order, store, stop)
    assert result == CleanUpResult(deleted=7, message="7 objects below results/job/ deleted.")
    assert left(store) == others
    assert clean_up(order, store, stop).deleted == 0, "a second time there is nothing to do"


def test_a_manifest_of_another_videojob_is_left_alone_with_all_it_lists(
    order: CleanUpOrder, store: Storage, stop: Stop
):
    publish(store, "a", "web/1.mp4", uid="another")
    put(store, "results/job/a/.logs/fused.log")
    publish(store, "b", "web/2.mp4")
    result = clean_up(order, store, stop)
    assert (result.deleted, result.complete) == (2, False)
    assert "a was left alone: its manifest is of another VideoJob (uid another)" in result.message
    assert left(store) == {
        "results/job/a/manifest.json",
        "results/job/a/web/1.mp4",
        "results/job/a/.logs/fused.log",
    }


@pytest.mark.parametrize(
    "foreign",
    [
        "uploads/a.mp4",
        "results/job/b/web/1.mp4",
        "results/job/a/../b/web/1.mp4",
        "results/job/a/web/../../../../uploads/a.mp4",
        "results/job/a",
    ],
)
def test_an_object_outside_of_the_inputs_folder_is_never_deleted(
    foreign: str, order: CleanUpOrder, store: Storage, stop: Stop
):
    put(store, "uploads/a.mp4", "results/job/b/web/1.mp4", "results/job/a/web/1.mp4")
    put(
        store,
        "results/job/a/manifest.json",
        body=manifest(UID, foreign, "results/job/a/web/1.mp4"),
    )
    result = clean_up(order, store, stop)
    assert (result.deleted, result.complete) == (2, False)
    assert "lists 1 objects outside of results/job/a/" in result.message
    assert left(store) == {"uploads/a.mp4", "results/job/b/web/1.mp4"}


def test_a_manifest_that_is_none_is_left_alone(order: CleanUpOrder, store: Storage, stop: Stop):
    put(store, "results/job/a/manifest.json", body=b"{}")
    result = clean_up(order, store, stop)
    assert (result.deleted, result.complete) == (0, False)
    assert "its manifest is not understood" in result.message
    assert left(store) == {"results/job/a/manifest.json"}


def test_of_an_input_without_a_manifest_only_its_logs_go(
    order: CleanUpOrder, store: Storage, stop: Stop
):
    put(store, "results/job/a/.logs/probe.log", "results/job/a/web/1.mp4")
    assert clean_up(order, store, stop).deleted == 1
    assert left(store) == {"results/job/a/web/1.mp4"}


def test_where_another_videojob_is_at_work_nothing_goes(
    order: CleanUpOrder, store: Storage, stop: Stop
):
    """The first failed without a manifest, and another has the same prefix now."""
    folder = "results/job/a/"
    put(store, f"{folder}.logs/probe.log", f"{folder}web/1.mp4")
    put(store, f"{folder}.steps/web.json", body=b'{"job": {"uid": "another"}, "digest": "x"}')
    put(store, "results/job/b/.logs/probe.log")
    put(store, "results/job/b/.steps/web.json", body=json.dumps({"job": {"uid": UID}}).encode())
    before = left(store)
    result = clean_up(order, store, stop)
    assert (result.deleted, result.complete) == (2, False)
    assert "a was left alone: another VideoJob (uid another) is at work there." in result.message
    assert left(store) == {key for key in before if key.startswith(folder)}


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"job": 7}'])
def test_a_marker_that_is_none_is_nobodys(
    body: bytes, order: CleanUpOrder, store: Storage, stop: Stop
):
    put(store, "results/job/a/.steps/web.json", body=body)
    assert clean_up(order, store, stop).deleted == 1


def test_a_stop_ends_it(order: CleanUpOrder, store: Storage, stop: Stop):
    publish(store, "a", "web/1.mp4")
    stop.request()
    with pytest.raises(Interrupted):
        clean_up(order, store, stop)
    assert len(left(store)) == 2


def test_empty_folders_of_a_volume_go_too(tmp_path: Path, stop: Stop):
    target = FolderTarget(path=str(tmp_path))
    order = CleanUpOrder(uid=UID, inputs=["a"], output_prefix="results/job/", folder=target)
    store = open_storage(order, stop)
    publish(store, "a", "web/1.mp4")
    put(store, "results/other/x")
    clean_up(order, store, stop)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == [
        "results",
        "results/other",
        "results/other/x",
    ]


@pytest.mark.minio
def test_the_manifest_stays_until_all_else_is_gone(s3: S3Target, stop: Stop):
    order = CleanUpOrder(uid=UID, inputs=["a"], output_prefix="results/job/", s3=s3)
    store = open_storage(order, stop)
    publish(store, "a", "web/1.mp4")
    calls: list[str] = []

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def delete(self, key: str) -> None:
            calls.append(key)
            raise StorageRefused("no")

    with pytest.raises(StorageRefused):
        clean_up(order, Refusing(), stop)
    assert calls == ["results/job/a/web/1.mp4"]


class Unlisting:
    """A bucket in which one may not list: S3 refuses then what it would else say is missing."""

    def __init__(self, store: Storage) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def stat(self, key: str) -> ObjectInfo:
        try:
            return self._store.stat(key)
        except NotThere:
            raise StorageRefused("may not list") from None

    def list_keys(self, prefix: str) -> list[str]:
        raise StorageRefused("may not list")


def test_what_can_not_be_listed_keeps_nobody_elses_outputs(
    order: CleanUpOrder, store: Storage, stop: Stop
):
    publish(store, "a", "web/1.mp4")
    put(store, "results/job/a/.logs/fused.log")
    result = clean_up(order, Unlisting(store), stop)
    assert (result.deleted, result.complete) == (2, False)
    assert "The logs of a were left alone: may not list" in result.message
    assert "b was left alone: may not list" in result.message
    assert left(store) == {"results/job/a/.logs/fused.log"}
    with pytest.raises(StorageRefused):  # and is tried again
        clean_up(order, Unlisting(store), stop)


def run(tmp_path: Path, order: str, **environment: str) -> tuple[int, CleanUpResult]:
    told = tmp_path / "told"
    done = subprocess.run(
        [sys.executable, "-m", "videojob_worker", "clean-up"],
        env={
            **os.environ,
            "VIDEOJOB_ORDER": order,
            "VIDEOJOB_TERMINATION_PATH": str(told),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stderr.splitlines()[-1])["message"]
    return done.returncode, CleanUpResult.model_validate_json(told.read_text())


def test_the_process_tells_what_it_did(
    order: CleanUpOrder, store: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    publish(store, "a", "web/1.mp4")
    code, result = run(tmp_path, order.model_dump_json(by_alias=True))
    assert (code, result.deleted, result.complete) == (0, 2, True)
    assert left(store) == set()


def test_the_process_tells_why_it_did_nothing(tmp_path: Path):
    folder = FolderTarget(path=str(tmp_path / "gone"))
    order = CleanUpOrder(uid=UID, inputs=["a"], output_prefix="results/job/", folder=folder)
    code, result = run(tmp_path, order.model_dump_json(by_alias=True))
    assert (code, result.complete) == (44, False)
    assert "does not exist" in result.message
    code, result = run(tmp_path, "{}")
    assert code == 43
    assert "can't be read" in result.message
