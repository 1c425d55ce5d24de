"""Films are shown to a real clamd before anything opens them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
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
@pytest.mark.parametrize("answer", [b"", b"what?\0", b"stream: O"], ids=["none", "other", "half"])
def test_an_answer_that_is_none_is_not_taken_for_a_good_one(film: Path, stop: Stop, answer: bytes):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(ATTEMPTS):
                connection, _ = server.accept()
                with connection:
                    while connection.recv(65536)[-4:] != bytes(4):
                        pass
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(ScannerUnavailable):
            scan(film, asked(f"127.0.0.1:{server.getsockname()[1]}"), stop)


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
