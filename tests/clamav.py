"""A real clamd on loopback with signatures of the tests' own, so that nothing is downloaded."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MARKER = b"this-film-is-marked-as-malware-by-the-tests-of-videojob"
SIGNATURE = "VideoJob.Test.Marker"
MAX_STREAM_BYTES = 1 << 20
MAX_FILE_BYTES = MAX_STREAM_BYTES * 3 // 4


@contextmanager
def clamd(folder: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """A scanner at that address of this machine, until the end of the block; yields host and port."""
    binary = shutil.which("clamd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if binary is None:
        pytest.fail("clamd is not installed; tests/cluster/packages.py installs it")
    with socket.socket() as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
    (folder / "signatures").mkdir()
    # The extended format: name, any type of file, anywhere in it, these bytes.
    line = f"{SIGNATURE}:0:*:{MARKER.hex()}\n"
    (folder / "signatures/test.ndb").write_text(line)
    (folder / "clamd.conf").write_text(
        f"Foreground yes\nTCPAddr {host}\nTCPSocket {port}\n"
        f"DatabaseDirectory {folder}/signatures\nTemporaryDirectory {folder}\n"
        f"MaxFileSize {MAX_FILE_BYTES}\nAlertExceedsMax yes\n"
        f"StreamMaxLength {MAX_STREAM_BYTES}\nMaxThreads 2\nFixStaleSocket yes\n"
    )
    with (folder / "log").open("w") as log:
        command = [binary, "--config-file", str(folder / "clamd.conf")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait_until_it_answers((host, port), process, folder / "log")
            yield f"{host}:{port}"
        finally:
            process.terminate()
            process.wait(20)


def _wait_until_it_answers(
    address: tuple[str, int], process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(address, 1) as connection:
                connection.sendall(b"zPING\0")
                if connection.recv(16) == b"PONG\0":
                    return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"clamd did not come up: {log.read_text()}")
