"""The endpoint's certificate: good for a strict client, renewed in time, shared by replicas."""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from fake_cluster import FakeCluster

from videojob_operator.certificates import (
    Pair,
    build_secret_data,
    ensure_certificate,
    read_pair,
)
from videojob_operator.errors import Gone
from videojob_operator.web import build_tls

HOST = "videojob.videojob-system.svc"
LONG_HOST = "a-release-with-quite-a-long-name.a-namespace-with-quite-a-long-name.svc"
TODAY = datetime.now(UTC)


@cache
def some_data(host: str = HOST, age_days: int = 0) -> dict[str, str]:
    return build_secret_data(host, TODAY - timedelta(days=age_days))


def a_secret(data: dict[str, str] | None) -> dict[str, Any]:
    return {"metadata": {"name": "videojob-reports", "namespace": "system"}, "data": data}


def a_pair(host: str = HOST) -> Pair:
    pair = read_pair(a_secret(some_data(host)), host, TODAY)
    assert pair is not None
    return pair


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> str | None:
    """A TLS handshake in memory; the protocol agreed on."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(sides)
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    return sides[0].version()


def a_strict_client(ca_pem: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca_pem)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.parametrize("host", [HOST, LONG_HOST, "localhost"])
def test_a_strict_client_that_trusts_our_ca_shakes_hands(host: str) -> None:
    pair = a_pair(host)
    assert shake_hands(build_tls(pair), a_strict_client(pair.ca_pem), host) == "TLSv1.3"


def test_another_host_name_is_refused() -> None:
    pair = a_pair()
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(build_tls(pair), a_strict_client(pair.ca_pem), "evil.example")


def test_a_client_that_trusts_another_ca_refuses() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(build_tls(a_pair()), a_strict_client(a_pair("localhost").ca_pem), HOST)


def test_the_key_of_the_ca_stays_in_the_secret() -> None:
    texts = {name: base64.b64decode(part).decode() for name, part in some_data(HOST).items()}
    assert {name for name, text in texts.items() if "PRIVATE KEY" in text} == {"ca.key", "tls.key"}
    pair = a_pair()
    assert texts["ca.key"] not in (pair.ca_pem, pair.certificate_pem, pair.key_pem)


@pytest.mark.parametrize(
    ("age_days", "fresh"), [(0, True), (304, True), (305, False), (400, False)]
)
def test_a_certificate_is_renewed_two_months_before_its_end(age_days: int, fresh: bool) -> None:
    now = TODAY + timedelta(days=age_days)
    assert (read_pair(a_secret(some_data(HOST)), HOST, now) is not None) is fresh


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"ca.crt": some_data(HOST)["ca.crt"]},
        {**some_data(HOST), "tls.crt": "not base64!"},
        {**some_data(HOST), "tls.crt": base64.b64encode(b"not PEM").decode()},
        {**some_data(HOST), "tls.crt": base64.b64encode(b"\xff\xfe").decode()},
        {**some_data(HOST), "tls.crt": ""},
        some_data("localhost"),
    ],
    ids=["none", "empty", "half", "no base64", "no PEM", "no text", "blank", "another host"],
)
def test_what_is_no_pair_for_this_host_is_replaced(data: dict[str, str] | None) -> None:
    assert read_pair(a_secret(data), HOST, TODAY) is None


async def test_the_empty_secret_of_the_chart_is_filled_once() -> None:
    cluster = FakeCluster()
    cluster.put("secrets", {**a_secret(None), "type": "kubernetes.io/tls"})
    first = await ensure_certificate(cluster, "system", "videojob-reports", HOST)
    second = await ensure_certificate(cluster, "system", "videojob-reports", HOST)
    assert first == second
    assert len(cluster.writes) == 1
    (secret,) = cluster.all("secrets")
    assert secret["type"] == "kubernetes.io/tls"
    assert set(secret["data"]) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
    build_tls(first)


async def test_workers_at_work_do_not_notice_that_the_certificate_was_renewed() -> None:
    """Theirs is the CA of before; for a day one replica shows the old certificate, one the new."""
    cluster = FakeCluster()
    cluster.put("secrets", a_secret(some_data(HOST, 310)))
    before = read_pair(a_secret(some_data(HOST, 310)), HOST, TODAY - timedelta(days=310))
    assert before is not None
    renewed = await ensure_certificate(cluster, "system", "videojob-reports", HOST)
    assert renewed.certificate_pem != before.certificate_pem
    assert renewed.key_pem != before.key_pem
    worker = a_strict_client(before.ca_pem)
    assert [shake_hands(build_tls(each), worker, HOST) for each in (before, renewed)]
    assert await ensure_certificate(cluster, "system", "videojob-reports", HOST) == renewed


WITHOUT_KEY = {name: part for name, part in some_data(HOST, 310).items() if name != "ca.key"}


@pytest.mark.parametrize(
    "before",
    [
        WITHOUT_KEY,
        {**some_data(HOST, 310), "ca.key": some_data(HOST)["ca.key"]},
        {**some_data(HOST, 310), "ca.key": base64.b64encode(b"not PEM").decode()},
        some_data(HOST, 9 * 365),
    ],
    ids=["earlier version", "earlier version since", "no key", "a year left"],
)
async def test_a_ca_that_can_not_go_on_is_renewed_too(before: dict[str, str]) -> None:
    cluster = FakeCluster()
    cluster.put("secrets", a_secret(before))
    pair = await ensure_certificate(cluster, "system", "videojob-reports", HOST)
    assert pair.ca_pem != base64.b64decode(before["ca.crt"]).decode()
    assert shake_hands(build_tls(pair), a_strict_client(pair.ca_pem), HOST)


def test_a_secret_of_an_earlier_version_is_good_until_its_renewal() -> None:
    assert read_pair(a_secret(WITHOUT_KEY), HOST, TODAY - timedelta(days=10)) is not None


def test_in_twenty_years_the_ca_changes_twice_and_no_leaf_outlives_it() -> None:
    data, authorities = {}, set()
    for days in range(0, 20 * 365, 305):
        data = build_secret_data(HOST, TODAY + timedelta(days=days), data)
        ca, leaf = (
            x509.load_pem_x509_certificate(base64.b64decode(data[f"{name}.crt"]))
            for name in ("ca", "tls")
        )
        leaf.verify_directly_issued_by(ca)
        assert leaf.not_valid_after_utc < ca.not_valid_after_utc
        authorities.add(data["ca.crt"])
    assert len(authorities) == 3


async def test_of_two_replicas_the_slower_takes_the_fasters_pair() -> None:
    class Raced(FakeCluster):
        async def request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
            if method == "PUT" and not self.writes:
                self.put("secrets", a_secret(some_data(HOST)))  # the other one, in between
            return await super().request(method, path, **more)

    cluster = Raced()
    cluster.put("secrets", a_secret({}))
    assert await ensure_certificate(cluster, "system", "videojob-reports", HOST) == a_pair()


async def test_a_missing_secret_is_an_error_for_who_installed_the_chart() -> None:
    with pytest.raises(Gone):
        await ensure_certificate(FakeCluster(), "system", "videojob-reports", HOST)
