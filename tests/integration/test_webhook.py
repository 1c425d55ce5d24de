"""One POST on a tenant's behalf: which addresses it may reach, and whose word it takes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import ResolveResult
from receiver import make_certificate, receiving

from videojob_operator import webhook
from videojob_operator.webhook import DeliveryError, post

LOOPBACK = ("127.0.0.0/8",)
HOST = "hooks.videojob.test"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server: host → the addresses of its answers, one answer each, the last for good."""
    known: dict[str, list[str]] = {}
    real = aiohttp.AsyncResolver.resolve

    async def resolve(
        resolver: aiohttp.AsyncResolver,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        if host not in known:
            return await real(resolver, host, port, family)
        answers = known[host]
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
        ]

    monkeypatch.setattr(aiohttp.AsyncResolver, "resolve", resolve)
    return known


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:PORT/",
        "http://localhost:PORT/",
        "http://[::ffff:127.0.0.1]:PORT/",
        f"http://{HOST}:PORT/",
    ],
)
async def test_a_private_address_is_refused(names: dict[str, list[str]], url: str) -> None:
    names[HOST] = ["127.0.0.1"]
    async with receiving() as receiver:
        with pytest.raises(DeliveryError, match=r"is not public, so it is refused.*allowCidrs"):
            await post(url.replace("PORT", str(receiver.port)), b"", {}, ())
        assert receiver.got == []


@pytest.mark.parametrize("number", ["2130706433", "0x7f000001", "127.1"])
async def test_another_way_to_write_an_address_gains_nothing(number: str) -> None:
    async with receiving() as receiver:
        with pytest.raises(DeliveryError):
            await post(f"http://{number}:{receiver.port}/", b"", {}, ())
        assert receiver.got == []


async def test_a_name_that_changes_its_mind_is_held_to_its_last_answer(
    names: dict[str, list[str]],
) -> None:
    """Whatever it answered before: the address that is connected to is the one that is judged."""
    async with receiving() as receiver:
        for answers in (["93.184.215.14", "127.0.0.1"], ["127.0.0.1", "93.184.215.14"]):
            names[HOST] = answers
            if answers[0] != "127.0.0.1":
                await aiohttp.AsyncResolver().resolve(HOST, 80)  # somebody's check before
            with pytest.raises(DeliveryError, match=r"address 127\.0\.0\.1 is not public"):
                await post(f"http://{HOST}:{receiver.port}/", b"", {}, ())
            assert receiver.got == []


async def test_names_whose_servers_say_nothing_hold_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        ask = {"nameservers": ["127.0.0.1"], "udp_port": port, "tcp_port": port}
        made: list[aiohttp.AsyncResolver] = []
        real = aiohttp.AsyncResolver

        def resolver() -> aiohttp.AsyncResolver:
            made.append(real(**ask))
            return made[-1]

        monkeypatch.setattr(aiohttp, "AsyncResolver", resolver)
        waiting = [
            asyncio.create_task(post(f"http://silent-{n}.videojob.test/", b"", {}, ()))
            for n in range(64)
        ]
        await asyncio.sleep(0.2)
        async with receiving() as receiver:
            await asyncio.wait_for(
                post(f"http://localhost:{receiver.port}/", b"", {}, (*LOOPBACK, "::1/128")), 10
            )
        assert len(receiver.got) == 1
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for one in made:  # or their answers would come to a loop that is closed
            await one.close()
        await asyncio.sleep(0)


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as inside, receiving(None, 302, 307) as receiver:
        receiver.location = f"http://127.0.0.1:{inside.port}/secret"
        for _ in range(2):
            with pytest.raises(DeliveryError, match="redirects are not followed"):
                await post(f"http://127.0.0.1:{receiver.port}/", b"", {}, LOOPBACK)
    assert (len(receiver.got), inside.got) == (2, [])


async def test_what_is_no_receiver_at_all_and_the_urls_token_are_told_to_nobody() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DeliveryError) as caught:
            await post(f"http://127.0.0.1:{port}/hook?token=secret", b"{}", {}, LOOPBACK)
    assert str(caught.value) == "It answered with something that is not HTTP."


# ---- HTTPS


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A server's context for HOST, whose authority the operator trusts."""
    context, authority = make_certificate(HOST, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    webhook._tls.cache_clear()
    yield context
    webhook._tls.cache_clear()


async def test_https_verifies_the_host_by_its_name(names: dict[str, list[str]], tls: Any) -> None:
    names[HOST] = names["other.videojob.test"] = ["127.0.0.1"]
    async with receiving(tls) as receiver:
        await post(f"https://{HOST}:{receiver.port}/", b"{}", {}, LOOPBACK)
        assert len(receiver.got) == 1
        with pytest.raises(DeliveryError, match=r"could not be reached.*certificate"):
            await post(f"https://other.videojob.test:{receiver.port}/", b"{}", {}, LOOPBACK)
        webhook._tls.cache_clear()
    assert len(receiver.got) == 1


async def test_an_authority_that_is_not_known_is_not_trusted(
    names: dict[str, list[str]], tmp_path: Path
) -> None:
    names[HOST] = ["127.0.0.1"]
    context, _ = make_certificate(HOST, tmp_path)
    async with receiving(context) as receiver:
        with pytest.raises(DeliveryError, match="certificate"):
            await post(f"https://{HOST}:{receiver.port}/", b"{}", {}, LOOPBACK)
    assert receiver.got == []
