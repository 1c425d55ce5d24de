"""What kopf asks the API server with: who it logs in as, and how long lists reach it."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from builders import KEY, UID, a_job_body, a_videojob_body
from fake_cluster import StillWorld, a_world, queued

from videojob_operator.cluster import Cluster
from videojob_operator.handlers import build_kopf_settings, login
from videojob_operator.session import Session
from videojob_operator.settings import Settings

PATH = "/apis/videojob.dev/v1alpha1/videojobs"
AT_REST: dict[str, Any] = {"phase": "Succeeded", "observedGeneration": 1}


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with a token, for an API server that has a name."""
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    give_token(path, "t")
    return path


def give_token(kubeconfig: Path, token: str, **cluster: str) -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": "https://by-name:443", **cluster}}],
        "users": [{"name": "me", "user": {"token": token}}],
    }
    kubeconfig.write_text(json.dumps(config))


async def log_in(world: Any) -> Session:
    settings = build_kopf_settings(Settings())
    found = await login(memo=world, settings=settings, logger=logging.getLogger())
    assert isinstance(found, Session)
    return found


# ---- who


async def test_the_watches_go_to_the_same_address_as_all_else(kubeconfig: Path) -> None:
    found = await log_in(SimpleNamespace(cluster=SimpleNamespace(server="https://10.0.0.1:6443")))
    assert found.server == "https://10.0.0.1:6443"
    assert found.aiohttp_session.headers["Authorization"] == "Bearer t"
    await found.aiohttp_session.close()


async def test_credentials_that_were_refused_are_known_again(kubeconfig: Path) -> None:
    world = SimpleNamespace(cluster=SimpleNamespace(server="https://10.0.0.1:6443"))
    first, again = await log_in(world), await log_in(world)
    give_token(kubeconfig, "another")
    other = await log_in(world)
    assert first == again != other
    for session in (first, again, other):
        await session.aiohttp_session.close()


async def test_the_proxy_of_a_kubeconfig_is_asked(kubeconfig: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"to": request.host, "for": request.path})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as proxy:
        give_token(kubeconfig, "t", **{"proxy-url": str(proxy.make_url(""))})
        world = SimpleNamespace(cluster=SimpleNamespace(server="http://by-name"))
        async with (
            (await log_in(world)).aiohttp_session as session,
            session.get("http://by-name/version") as response,
        ):
            assert await response.json() == {"to": "by-name", "for": "/version"}


# ---- lists


def listed(name: str = KEY.name, **status: Any) -> dict[str, Any]:
    body = a_videojob_body()
    body["metadata"] |= {"name": name, "uid": UID if name == KEY.name else f"uid-{name}"}
    body["status"] |= status
    return body


class Pages:
    """An API server with a list of VideoJobs, one on each page; and kopf's session to it."""

    def __init__(self, bodies: list[dict[str, Any]]) -> None:
        self.bodies = bodies
        self.asked: list[str] = []
        self.refused: set[str] = set()
        self.cut: set[str] = set()
        self.session: Any
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        place = request.query.get("continue", "0")
        self.asked.append(place)
        if place in self.cut:
            self.cut.remove(place)
            half = web.StreamResponse(headers={"Content-Length": "1000"})
            await half.prepare(request)
            await half.write(b"{")
            assert request.transport is not None
            request.transport.close()
            return half
        if place in self.refused:
            self.refused.remove(place)
            return web.Response(status=503, text="<html>", content_type="text/html")
        more = int(place) + 1 < len(self.bodies)
        metadata = {"resourceVersion": "9", **({"continue": f"{int(place) + 1}"} if more else {})}
        page = {"kind": "VideoJobList", "items": [self.bodies[int(place)]], "metadata": metadata}
        return web.json_response(page)

    async def read(self, place: str = "") -> tuple[list[str], str]:
        """As kopf does it: the names on one page, and where it goes on."""
        query = {"limit": "1", **({"continue": place} if place else {})}
        async with self.session.get(self.url, params=query) as response:
            page = await response.json()
        names = [body["metadata"]["name"] for body in page["items"]]
        return names, page["metadata"].get("continue", "")

    async def until_asked(self, *places: str) -> None:
        for _ in range(500):
            if self.asked == list(places):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(self.asked)


@pytest.fixture
def world() -> StillWorld:
    return a_world()


@pytest.fixture
async def pages(
    kubeconfig: Path, world: StillWorld, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pages]:
    found = Pages([listed(f"film-{number}") for number in range(3)])
    app = web.Application()
    app.router.add_get(PATH, found.answer)
    async with TestServer(app) as server:
        monkeypatch.setattr(type(world.cluster), "server", str(server.make_url("")))
        async with (await log_in(world)).aiohttp_session as session:
            found.session, found.url = session, str(server.make_url(PATH))
            yield found


async def test_the_next_page_is_asked_for_before_kopf_does(pages: Pages) -> None:
    assert await pages.read() == (["film-0"], "1")
    await pages.until_asked("0", "1")
    assert await pages.read("1") == (["film-1"], "2")
    assert await pages.read("2") == (["film-2"], "")
    assert pages.asked == ["0", "1", "2"]


async def test_what_asks_for_nothing_is_remembered_and_not_told(
    pages: Pages, world: StillWorld
) -> None:
    pages.bodies[1] = listed("film-1", **AT_REST)
    assert [await pages.read(place) for place in ("", "1", "2")] == [
        (["film-0"], "1"),
        ([], "2"),
        (["film-2"], ""),
    ]
    (known,) = world.cache.videojobs()
    assert known[0].name == "film-1"
    assert queued(world) == set()
    assert not world.gap.is_set()


async def test_what_is_known_as_it_is_was_looked_at_and_is_not_told(
    pages: Pages, world: StillWorld
) -> None:
    pages.bodies = [listed("film-0"), listed("film-1")]
    for body in pages.bodies:
        world.cache.put_videojob(dict(body))
    pages.bodies[1]["metadata"]["resourceVersion"] = "9"
    assert [await pages.read(place) for place in ("", "1")] == [([], "1"), (["film-1"], "")]
    assert queued(world) == set()
    assert not world.gap.is_set(), "it is told of for the first time"
    assert [await pages.read(place) for place in ("", "1")] == [([], "1"), (["film-1"], "")]
    assert world.gap.is_set()


async def test_one_with_a_job_left_is_looked_at(pages: Pages, world: StillWorld) -> None:
    pages.bodies = [listed(**AT_REST)]
    world.cache.put_job(a_job_body())
    await pages.read()
    assert queued(world) == {KEY}


async def test_what_is_listed_again_is_a_sign_of_a_gap(pages: Pages, world: StillWorld) -> None:
    pages.bodies = [listed(**AT_REST)]
    await pages.read()
    assert not world.gap.is_set()
    await pages.read()
    assert world.gap.is_set()


async def test_who_begins_anew_reads_nothing_old(pages: Pages) -> None:
    await pages.read()
    await pages.until_asked("0", "1")
    pages.bodies = [listed("first"), listed("second")]
    assert await pages.read() == (["first"], "1")
    assert await pages.read("1") == (["second"], "")
    assert pages.asked == ["0", "1", "0", "1"]


async def test_a_page_that_was_refused_is_told_as_it_is_and_asked_for_again(pages: Pages) -> None:
    pages.refused.add("1")
    await pages.read()
    async with pages.session.get(pages.url, params={"limit": "1", "continue": "1"}) as response:
        assert response.status == 503
        with pytest.raises(json.JSONDecodeError):  # as kopf expects of pages that are none
            await response.json()
    assert await pages.read("1") == (["film-1"], "2")
    assert await pages.read("2") == (["film-2"], "")


async def test_a_page_that_did_not_come_is_asked_for_again(pages: Pages) -> None:
    pages.cut.add("1")
    await pages.read()
    await pages.until_asked("0", "1")
    assert await pages.read("1") == (["film-1"], "2")
    assert await pages.read("2") == (["film-2"], "")
    assert pages.asked == ["0", "1", "1", "2"]


async def test_an_old_clusters_authority_is_trusted(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.13 asks more of one by default than many have, whose clusters began long ago."""
    real = ssl.create_default_context

    def strict(*args: Any, **options: Any) -> ssl.SSLContext:
        context = real(*args, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    where = "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(where, str(kubeconfig))
    cluster = await Cluster.connect()
    found = await log_in(SimpleNamespace(cluster=cluster))
    try:
        for context in (
            cluster._api.rest_client.ssl_context,
            found.aiohttp_session.connector._ssl,  # type: ignore[union-attr]
        ):
            assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    finally:
        await found.aiohttp_session.close()
        await cluster.close()
