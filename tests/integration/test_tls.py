"""TLS that fails: for good, or because a connection broke on its way."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import urllib3
from receiver import make_certificate

from videojob_worker.errors import StorageRefused
from videojob_worker.outbound import is_tls_refused
from videojob_worker.s3_answers import Passing, Translation

HOST = "store.videojob.test"


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server for one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def ask(port: int, context: ssl.SSLContext, body: bytes = b"") -> None:
    pool = urllib3.HTTPSConnectionPool(
        "127.0.0.1",
        port,
        ssl_context=context,
        server_hostname=HOST,
        assert_hostname=HOST,
        timeout=10,
    )
    with Translation("the store"):
        pool.urlopen("PUT", "/", body=body, retries=False)


def hang_up(connection: socket.socket) -> None:
    connection.recv(100)


def speak_http(connection: socket.socket) -> None:
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.fixture
def known(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and a client's that trusts it."""
    server, authority = make_certificate(HOST, tmp_path)
    return server, ssl.create_default_context(cafile=authority)


def test_a_handshake_that_is_cut_may_pass(known: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with answering(hang_up) as port, pytest.raises(Passing):
        ask(port, known[1])


def test_a_connection_that_is_cut_while_much_is_sent_may_pass(
    known: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    def cut(connection: socket.socket) -> None:
        with known[0].wrap_socket(connection, server_side=True) as secure:
            secure.recv(1000)

    with answering(cut) as port, pytest.raises(Passing):
        ask(port, known[1], bytes(8 << 20))


def test_a_certificate_of_nobody_known_is_for_good(
    known: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    def greet(connection: socket.socket) -> None:
        known[0].wrap_socket(connection, server_side=True).close()

    with answering(greet) as port, pytest.raises(StorageRefused, match="caConfigMapRef"):
        ask(port, ssl.create_default_context())


def test_no_tls_at_all_is_for_good(known: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with answering(speak_http) as port, pytest.raises(StorageRefused, match=r"(?i)wrong.version"):
        ask(port, known[1])


def test_what_is_no_tls_is_none_of_it() -> None:
    assert not is_tls_refused(urllib3.exceptions.ReadTimeoutError(None, "/", "slow"))  # type: ignore[arg-type]
