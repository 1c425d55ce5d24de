"""A port of this machine that leads to a Service of the cluster, for as long as it is needed.

Used by the demo and the end-to-end tests. Works with kind and with the cluster of plain processes, since
it goes through the API server.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import deploy

_PATIENCE_SECONDS = 30.0


@contextmanager
def forwarded(namespace: str, service: str, port: int) -> Iterator[str]:
    """The address, as "127.0.0.1:40000", that leads there while inside.

    Raises:
        DeployError: if nothing answers there; with what kubectl said.
    """
    host, own = "127.0.0.1", _free_port()
    forward = ["kubectl", "--namespace", namespace, "port-forward", f"service/{service}"]
    forward += [f"{own}:{port}", "--address", host]
    # kubectl gives up at the first broken stream, which a machine that stood still is enough for.
    script = f"while kill -0 {os.getpid()}; do {shlex.join(forward)}; sleep 0.2; done"
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            ["sh", "-c", script],
            env=deploy.environment(),
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        ) as loop,
    ):
        try:
            if not _listens(host, own):
                said.seek(0)
                raise deploy.DeployError(
                    f"no port-forward to {service} in {namespace}: {said.read().strip()}"
                )
            yield f"{host}:{own}"
        finally:
            os.killpg(loop.pid, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(host: str, port: int) -> bool:
    limit = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < limit:
        try:
            socket.create_connection((host, port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False
