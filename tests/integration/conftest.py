"""What the integration tests of the worker share: scratch, tools, and a real S3 server."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from private_ca import PrivateCa
from token_issuer import SUBJECT, Issuer, an_issuer

from videojob_api.work_order import S3Target
from videojob_worker.ffmpeg import Tools
from videojob_worker.sandbox import Sandbox
from videojob_worker.scratch import Scratch, open_scratch
from videojob_worker.stop import Stop

REPOSITORY = Path(__file__).parents[2]
ACCESS_KEY, SECRET_KEY = "tester", "tester-secret-key"
_MINIO = {
    "MINIO_ROOT_USER": ACCESS_KEY,
    "MINIO_ROOT_PASSWORD": SECRET_KEY,
    "MINIO_UPDATE": "off",
    "MINIO_CALLHOME_ENABLE": "off",
}


@pytest.fixture
def stop() -> Stop:
    """A request to stop that nobody has made yet."""
    return Stop()


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    """An empty scratch folder."""
    with open_scratch(tmp_path) as made:
        yield made


@pytest.fixture
def tools(scratch: Scratch, stop: Stop) -> Tools:
    """Sandboxed ffmpeg and ffprobe over the scratch folder, two threads."""
    if shutil.which("ffmpeg") is None:
        pytest.fail("ffmpeg is not installed; see CONTRIBUTING.md")
    return Tools(scratch, Sandbox(scratch.root, threads=2), stop)


@dataclass(frozen=True)
class Minio:
    """A running S3 server."""

    endpoint: str
    trust: ssl.SSLContext | None = None
    """Whose certificates to take, where it has one."""

    def client(self) -> Any:
        """A client of its own, to prepare and to look."""
        import minio
        import urllib3

        scheme, _, host = self.endpoint.partition("://")
        return minio.Minio(
            host,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            secure=scheme == "https",
            region="us-east-1",
            http_client=urllib3.PoolManager(ssl_context=self.trust) if self.trust else None,
        )


@pytest.fixture(scope="session")
def minio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """A real MinIO process on loopback, built if it isn't there yet."""
    address, folder = _free_address(), str(tmp_path_factory.mktemp("minio"))
    console = ("--console-address", "127.0.0.1:0")
    arguments = ("server", "--quiet", "--address", address, *console, folder)
    with _serving("minio", arguments, _MINIO, f"http://{address}/minio/health/live"):
        yield Minio(f"http://{address}")


@pytest.fixture(scope="session")
def private_ca() -> PrivateCa:
    """Who vouches for ``private_minio``, and for nobody else."""
    return PrivateCa()


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """Whose tokens ``private_minio`` takes."""
    with an_issuer() as made:
        yield made


@pytest.fixture(scope="session")
def private_minio(
    tmp_path_factory: pytest.TempPathFactory, private_ca: PrivateCa, issuer: Issuer
) -> Iterator[Minio]:
    """A MinIO with a certificate of the private CA, which gives credentials for the issuer's tokens."""
    address, folder = _free_address(), tmp_path_factory.mktemp("private-minio")
    private_ca.issue("127.0.0.1").write(folder / "certs")
    console = ("--console-address", "127.0.0.1:0", "--certs-dir", str(folder / "certs"))
    arguments = ("server", "--quiet", "--address", address, *console, str(folder / "data"))
    environment = {
        **_MINIO,
        "MINIO_IDENTITY_OPENID_CONFIG_URL": issuer.configuration_url,
        "MINIO_IDENTITY_OPENID_CLIENT_ID": "sts.amazonaws.com",
        "MINIO_IDENTITY_OPENID_ROLE_POLICY": "videojob",
    }
    trust = ssl.create_default_context(cadata=private_ca.pem)
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    live = f"https://{address}/minio/health/live"
    with _serving("minio", arguments, environment, live, trust):
        _add_policy(address, private_ca, "videojob", folder)
        yield Minio(f"https://{address}", trust)


def _add_policy(address: str, ca: PrivateCa, name: str, folder: Path) -> None:
    """The policy of the guide: all of S3, for tokens of one ServiceAccount."""
    allow = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}
    condition = {"StringEquals": {"jwt:sub": SUBJECT}}
    statement = [{**allow, "Condition": condition}]
    (folder / "policy").write_text(json.dumps({"Version": "2012-10-17", "Statement": statement}))
    (folder / "ca").write_text(ca.pem)
    # In a process of its own: the worker does without this part of the client, for the time it takes.
    code = (
        "import sys, urllib3; from minio import MinioAdmin; "
        "from minio.credentials import StaticProvider; "
        "address, ca, name, file, *keys = sys.argv[1:]; "
        "admin = MinioAdmin(endpoint=address, credentials=StaticProvider(*keys), "
        "http_client=urllib3.PoolManager(ca_certs=ca)); admin.policy_add(name, file)"
    )
    files = (str(folder / "ca"), name, str(folder / "policy"))
    command = [sys.executable, "-c", code, address, *files, ACCESS_KEY, SECRET_KEY]
    subprocess.run(command, check=True)


@pytest.fixture(scope="session")
def versitygw_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """Another S3 server, of other people: a versitygw over a folder."""
    address, folder = _free_address(), str(tmp_path_factory.mktemp("versitygw"))
    arguments = ("--port", address, "--health", "/health", "--quiet", "posix", folder)
    environment = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    with _serving("versitygw", arguments, environment, f"http://{address}/health"):
        yield Minio(f"http://{address}")


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def _serving(
    tool: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    live: str,
    trust: ssl.SSLContext | None = None,
) -> Iterator[None]:
    command = [sys.executable, str(REPOSITORY / "tests/cluster/binaries.py"), tool]
    binary = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    server = subprocess.Popen(
        [binary, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_live(live, server, trust)
        yield
    finally:
        server.terminate()
        server.wait(20)


def _wait_until_live(
    url: str, server: subprocess.Popen[bytes], trust: ssl.SSLContext | None
) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1, context=trust).close()
            return
        except urllib.error.HTTPError as answer:
            answer.close()
        except OSError:
            pass
        time.sleep(0.05)
    pytest.fail(f"the store did not come up at {url}")


@pytest.fixture
def s3(minio_server: Minio, monkeypatch: pytest.MonkeyPatch) -> S3Target:
    """A bucket of the test's own, with the worker's credentials in the environment."""
    return _make_bucket(minio_server, monkeypatch)


@pytest.fixture
def second_s3(versitygw_server: Minio, monkeypatch: pytest.MonkeyPatch) -> S3Target:
    """The same in the other S3 server."""
    return _make_bucket(versitygw_server, monkeypatch)


def _make_bucket(server: Minio, monkeypatch: pytest.MonkeyPatch) -> S3Target:
    bucket = f"test-{secrets.token_hex(6)}"
    server.client().make_bucket(bucket)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return S3Target(endpoint=server.endpoint, bucket=bucket, prefix="store/")
