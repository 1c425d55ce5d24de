"""Has a malware scanner look at the fetched file, before anything of ours opens it.

Called by ``run`` right after fetching. It speaks the part of clamd's protocol that takes a file
over the network (INSTREAM); what is malware is the scanner's to say.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

from videojob_api.reasons import RejectReason
from videojob_api.status import Warn
from videojob_api.videojob import MalwareScan, OnUnavailable

from .errors import NotDoable, Rejected, ScannerUnavailable
from .log import say
from .stop import Stop

ATTEMPTS = 4
REPLY_SECONDS = 600.0
"""A large archive takes a scanner minutes."""
_CONNECT_SECONDS = 5.0
_MAX_REPLY_BYTES = 4096
_CHUNK_BYTES = 256 << 10
_LIMIT_EXCEEDED = "Heuristics.Limits.Exceeded"
"""Found by a clamd with AlertExceedsMax in what it did not look through: not malware."""


def scan(film: Path, asked: MalwareScan | None, stop: Stop) -> list[Warn]:
    """Send the file to the scanner.

    Args:
        film: the fetched file.
        asked: which scanner, and what to do without it; None scans nothing.
        stop: ends the waiting.

    Returns:
        A warning if it was not scanned and need not be.

    Raises:
        Rejected: Infected, with the signature's name.
        ScannerUnavailable: if there is no answer.
        NotDoable: if the scanner takes no files so large.
    """
    if asked is None:
        return []
    try:
        found = _ask_patiently(film, asked.address, stop)
    except (ScannerUnavailable, NotDoable) as error:
        if asked.on_unavailable is OnUnavailable.FAIL:
            raise
        return [Warn(reason="NotScanned", message=f"The film was not scanned. {error}")]
    if found is None:
        say("no malware was found", scanner=asked.address)
        return []
    raise Rejected(
        RejectReason.INFECTED,
        f"The malware scanner found {found} in the file; it was not opened. Upload a clean one.",
    )


def _ask_patiently(film: Path, address: str, stop: Stop) -> str | None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _judge(_send(film, address, stop), film, address)
        except OSError as error:
            if attempt == ATTEMPTS:
                raise ScannerUnavailable(
                    f"The malware scanner at {address} did not answer, tried {ATTEMPTS} times "
                    f"({error}); is it running, and can this pod reach it?"
                ) from error
        stop.sleep(0.5 * 2**attempt)
    raise AssertionError("unreachable")


def _send(film: Path, address: str, stop: Stop) -> str:
    """The scanner's reply to the file's bytes."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS) as connection:
        try:
            connection.sendall(b"zINSTREAM\0")
            with film.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    stop.check()
                    connection.sendall(struct.pack(">I", len(chunk)) + chunk)
            connection.sendall(struct.pack(">I", 0))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has said why before it hung up
        return _read_reply(connection, stop)


def _read_reply(connection: socket.socket, stop: Stop) -> str:
    connection.settimeout(1.0)
    reply, latest = b"", time.monotonic() + REPLY_SECONDS
    while not reply.endswith(b"\0"):
        stop.check()
        if time.monotonic() > latest or len(reply) > _MAX_REPLY_BYTES:
            raise ConnectionError("it does not come to the end of its answer")
        with suppress(TimeoutError):
            received = connection.recv(_MAX_REPLY_BYTES)
            if not received:
                raise ConnectionError("it hung up without an answer")
            reply += received
    return reply.rstrip(b"\0").decode(errors="replace").strip()


def _judge(reply: str, film: Path, address: str) -> str | None:
    """The name of what was found, or None."""
    said = reply.removeprefix("stream: ")
    if said == "OK":
        return None
    name = said.removesuffix(" FOUND")
    too_large = "size limit exceeded" in said or name.startswith(_LIMIT_EXCEEDED)
    if too_large:
        raise NotDoable(
            f"The malware scanner at {address} does not take all of the file's "
            f"{film.stat().st_size} bytes ({said}); raise its StreamMaxLength, MaxFileSize and "
            "MaxScanSize, or lower limits.maxBytes."
        )
    if name != said:
        return name
    raise ConnectionError(f"it answered {said!r}")
