"""Sending one file in parts: several at a time, in the right order, and nothing left behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from videojob_worker import multipart
from videojob_worker.errors import Interrupted
from videojob_worker.multipart import PARTS_AT_ONCE, choose_part_bytes, send_in_parts

MIB = 1 << 20


class Store:
    """Takes parts, slowly, and remembers what happened in which order."""

    def __init__(self, fails_at: int | None = None, seconds: float = 0.01) -> None:
        self.parts: dict[int, bytes] = {}
        self.events: list[str] = []
        self.at_once = self.most_at_once = 0
        self._fails_at, self._seconds, self._lock = fails_at, seconds, threading.Lock()

    def begin(self) -> str:
        return "upload-1"

    def send(self, upload: str, number: int, data: bytes) -> str:
        assert upload == "upload-1"
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        if number == self._fails_at:
            with self._lock:
                self.at_once -= 1
            raise ConnectionError("cut")
        time.sleep(self._seconds)
        with self._lock:
            self.at_once -= 1
            self.parts[number] = data
            self.events.append(f"part {number}")
        return f"etag-{number}"

    def complete(self, upload: str, etags: list[str]) -> None:
        assert etags == [f"etag-{number}" for number in sorted(self.parts)]
        self.events.append("complete")

    def abort(self, upload: str) -> None:
        assert self.at_once == 0, "a part that is still on its way would survive the abort"
        self.events.append("abort")


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty parts and a bit."""
    monkeypatch.setattr(multipart, "choose_part_bytes", lambda _: 1000)
    path = tmp_path / "film"
    path.write_bytes(b"".join(n.to_bytes(2, "big") * 500 for n in range(20)) + b"end")
    return path


def go(store: Store, film: Path, room: int = PARTS_AT_ONCE, check=lambda: None) -> None:
    send_in_parts(store, film, threading.BoundedSemaphore(room), check)


def test_all_parts_arrive_several_at_a_time(film: Path):
    store = Store()
    go(store, film)
    assert b"".join(store.parts[n] for n in sorted(store.parts)) == film.read_bytes()
    assert store.events[-1] == "complete"
    assert 1 < store.most_at_once <= PARTS_AT_ONCE


def test_no_more_of_them_are_in_memory_than_there_is_room_for(film: Path):
    store = Store()
    go(store, film, room=2)
    assert store.most_at_once == 2


def test_a_part_that_fails_ends_it_and_the_others_are_waited_for(film: Path):
    store = Store(fails_at=3)
    with pytest.raises(ConnectionError, match="cut"):
        go(store, film)
    assert store.events[-1] == "abort"
    assert len(store.parts) < 20, "parts that were not begun are left"


def test_a_stop_ends_it_though_no_part_fails(film: Path):
    store, asked = Store(seconds=0.05), []

    def check() -> None:
        asked.append(1)
        if store.parts:
            raise Interrupted("stop")

    film.write_bytes(bytes(50_000))
    with pytest.raises(Interrupted):
        go(store, film, check=check)
    assert store.events[-1] == "abort"
    assert len(store.parts) < 50


def test_an_abort_that_fails_does_not_hide_why(film: Path, monkeypatch: pytest.MonkeyPatch):
    def abort(*_: object) -> None:
        raise OSError("not now")

    store = Store(fails_at=1)
    monkeypatch.setattr(store, "abort", abort)
    with pytest.raises(ConnectionError, match="cut"):
        go(store, film)


@pytest.mark.parametrize(
    ("size", "part"),
    [
        (17 * MIB, 16 * MIB),
        (10_000 * 16 * MIB, 16 * MIB),
        (10_000 * 16 * MIB + 1, 17 * MIB),
        (5 << 40, 525 * MIB),  # the largest object of S3: 5 TiB
    ],
)
def test_parts_grow_where_there_would_be_too_many(size: int, part: int):
    assert choose_part_bytes(size) == part
    assert -(-size // part) <= 10_000
    assert 5 * MIB <= part <= 5 << 30
