"""Films are shown to a real clamd before anything opens them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from bad_inputs import make_film
from clamav import MARKER, MAX_FILE_BYTES, MAX_STREAM_BYTES, SIGNATURE, clamd
from worker_pod import Pod

from videojob_api.videojob import MalwareScan
from videojob_worker.errors import Interrupted, NotDoable, Rejected, ScannerUnavailable
from videojob_worker.scan import ATTEMPTS, scan
from videojob_worker.stop import Stop


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with clamd(tmp_path_factory.mktemp("clamd")) as address:
        yield address


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film"
    path.write_bytes(b"\0\0\0\x08ftyp" + bytes(200_000))
    return path


def asked(address: str, on_unavailable: str = "Fail") -> MalwareScan:
    return MalwareScan.model_validate({"address": address, "onUnavailable": on_unavailable})


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{unused.getsockname()[1]}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stop, "sleep", lambda stop, _: stop.check())


def test_a_clean_film_passes(scanner: str, film: Path, stop: Stop):
    assert scan(film, asked(scanner), stop) == []
    assert scan(film, None, stop) == []


@pytest.mark.parametrize("policy", ["Fail", "Skip"])
def test_what_is_found_is_rejected_by_name(scanner: str, film: Path, stop: Stop, policy: str):
    film.write_bytes(film.read_bytes() + MARKER + bytes(300_000))
    with pytest.raises(Rejected, match=SIGNATURE) as refusal:
        scan(film, asked(scanner, policy), stop)
    assert refusal.value.reason == "Infected"


@pytest.mark.parametrize("size", [MAX_FILE_BYTES + 1, 3 * MAX_STREAM_BYTES], ids=["file", "stream"])
def test_a_film_too_large_for_the_scanner(scanner: str, film: Path, stop: Stop, size: int):
    film.write_bytes(bytes(size))
    with pytest.raises(NotDoable, match="raise its StreamMaxLength"):
        scan(film, asked(scanner), stop)
    (warning,) = scan(film, asked(scanner, "Skip"), stop)
    assert warning.reason == "NotScanned"


@pytest.mark.usefixtures("impatient")
def test_nobody_there(nobody: str, film: Path, stop: Stop):
    with pytest.raises(ScannerUnavailable, match=f"{nobody} did not answer, tried {ATTEMPTS}"):
        scan(film, asked(nobody), stop)
    (warning,) = scan(film, asked(nobody, "Skip"), stop)
    assert "not scanned" in warning.message


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "answer",
    [b"", b"what?\0", b"stream: O", b"stream: " + bytes([65]) * (1 << 20) + b" FOUND\0"],
    ids=["none", "other", "half", "endless"],
)
def test_an_answer_that_is_none_is_not_taken_for_a_good_one(film: Path, stop: Stop, answer: bytes):
    sent_bytes = len("zINSTREAM ") + 4 + film.stat().st_size + 4  # one chunk, and the empty one
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(ATTEMPTS):
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as received, suppress(OSError):
                    received.read(sent_bytes)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(ScannerUnavailable):
            scan(film, asked(f"127.0.0.1:{server.getsockname()[1]}"), stop)


@pytest.mark.usefixtures("impatient")
def test_a_scanner_that_dribbles_is_not_waited_for_long(
    film: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("videojob_worker.scan.REPLY_SECONDS", 0.3)
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def dribble(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                while not done.wait(0.05):
                    connection.sendall(b"s")

        def serve() -> None:
            for _ in range(ATTEMPTS):
                connection, _ = server.accept()
                threading.Thread(target=dribble, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(ScannerUnavailable, match="end of its answer"):
            scan(film, asked(f"127.0.0.1:{server.getsockname()[1]}"), stop)
        done.set()


def test_a_stop_ends_the_waiting(nobody: str, film: Path, stop: Stop):
    stop.request()
    with pytest.raises(Interrupted):
        scan(film, asked(nobody), stop)


@pytest.mark.ffmpeg
def test_a_worker_rejects_it_before_it_is_opened(scanner: str, tmp_path: Path):
    (tmp_path / "store").mkdir()
    pod = Pod(tmp_path, order={"limits": {"malwareScan": {"address": scanner}}})
    film = tmp_path / "store/film.mp4"
    make_film(film, seconds=1)
    assert pod.run("film.mp4").exit_code == 0
    film.write_bytes(film.read_bytes() + (len(MARKER) + 8).to_bytes(4, "big") + b"free" + MARKER)
    result = pod.run("film.mp4")
    assert (result.exit_code, result.reason) == (42, "Infected")
    assert SIGNATURE in str(result.message)
    assert result.facts is None
