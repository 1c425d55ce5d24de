"""Notifications over real HTTP and HTTPS: from the end of a VideoJob to a receiver that verifies them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import KEY, UID, seconds
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from fake_cluster import FakeCluster, StillWorld, a_world_with_a_videojob, fake, status_of
from receiver import Receiver, receiving
from standardwebhooks import Webhook, WebhookVerificationError

from videojob_operator.cluster import Body
from videojob_operator.errors import Forbidden
from videojob_operator.reconcile import reconcile
from videojob_operator.settings import Settings

LOOPBACK = ("127.0.0.0/8",)
SIGNING_KEY = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


def an_ended_world(url: str, allow: tuple[str, ...] = LOOPBACK, **notify: Any) -> StillWorld:
    """A VideoJob that has just succeeded and wants somebody to be told."""
    world, _ = a_world_with_a_videojob(
        notify=[{"url": url, **notify}],
        subjectRefs=[{"kind": "vacancy", "id": "42"}],
        userMetadata={"title": "Ünïcode"},
    )
    now = datetime.now(UTC)
    told = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    (body,) = fake(world).all("videojobs")
    key = "results/keynote/in-0/small/0.mp4"
    output = {"name": "0.mp4", "input": "in-0", "step": "small", "bytes": 9, "sha256": "ab"}
    body["status"] |= {
        "observedGeneration": 1,
        "runID": "run-1",
        "phase": "Succeeded",
        "message": "Done: all outputs are published.",
        "finishedAt": told,
        "attempt": 1,
        "outputs": [{**output, "key": key}],
        "outputCount": 1,
    }
    fake(world).put("videojobs", body)
    return restarted(world, now, allow)


def restarted(world: StillWorld, now: datetime, allow: tuple[str, ...]) -> StillWorld:
    """Another process: it knows what the API server knows."""
    settings = Settings(
        worker_image="worker:1", notify_allow_cidrs=allow, namespace="videojob-system"
    )
    other = StillWorld(world.cluster, settings, moment=now)
    (body,) = fake(world).all("videojobs")
    other.cache.put_videojob(body)
    return other


def a_signing_secret(world: StillWorld, key: str = SIGNING_KEY) -> None:
    data = {"secret": base64.b64encode(key.encode()).decode()}
    meta = {"name": "hook", "namespace": KEY.namespace}
    fake(world).put("secrets", {"metadata": meta, "data": data})


async def until_told(world: StillWorld) -> None:
    """One attempt: start it, wait until it has ended, write what came of it."""
    await reconcile(KEY, world)
    flying = list(world.courier._flying.values())
    assert flying, "no attempt was started"
    await asyncio.gather(*flying)
    await reconcile(KEY, world)


def said(world: StillWorld) -> tuple[str, int, str]:
    (one,) = status_of(world).notifications
    return one.state, one.attempts, one.message or ""


def event_of(receiver: Receiver, number: int = 0) -> CloudEvent:
    event = JSONFormat().read(None, receiver.got[number][1])
    assert isinstance(event, CloudEvent)
    return event


# ---- what a receiver gets


async def test_a_signed_cloud_event_says_all_that_a_receiver_needs() -> None:
    async with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/videos?team=7"
        world = an_ended_world(url, secretRef={"name": "hook"})
        a_signing_secret(world)
        await until_told(world)
        assert said(world) == ("Delivered", 1, "")
    ((headers, body),) = receiver.got
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    Webhook(SIGNING_KEY).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SIGNING_KEY).verify(body.replace(b"42", b"43"), headers)
    event = event_of(receiver)
    assert event.get_id() == headers["webhook-id"] == status_of(world).notifications[0].id
    assert event.get_type() == "videojob.dev.videojob.succeeded"
    assert event.get_source() == ("/apis/videojob.dev/v1alpha1/namespaces/films/videojobs/keynote")
    data: Any = event.get_data()
    assert (data["namespace"], data["name"], data["uid"]) == (KEY.namespace, KEY.name, UID)
    assert (data["runID"], data["phase"]) == ("run-1", "Succeeded")
    assert data["message"] == "Done: all outputs are published."
    assert [o["key"] for o in data["outputs"]] == ["results/keynote/in-0/small/0.mp4"]
    assert data["subjectRefs"] == [{"kind": "vacancy", "id": "42"}]
    assert data["userMetadata"] == {"title": "Ünïcode"}
    assert "X-Amz" not in json.dumps(data)


async def test_without_a_secret_it_is_not_signed() -> None:
    async with receiving() as receiver:
        world = an_ended_world(f"http://127.0.0.1:{receiver.port}/")
        await until_told(world)
    ((headers, _),) = receiver.got
    assert "webhook-signature" not in {name.lower() for name in headers}


async def test_a_failing_receiver_is_tried_again_across_a_restart_with_the_same_id() -> None:
    async with receiving(None, 500, 503) as receiver:
        world = an_ended_world(f"http://127.0.0.1:{receiver.port}/", secretRef={"name": "hook"})
        a_signing_secret(world)
        await until_told(world)
        assert said(world) == ("Pending", 1, "It answered 500.")
        assert 4 < (await reconcile(KEY, world) or 0) < 7
        await reconcile(KEY, world)
        assert len(receiver.got) == 1, "it is not time yet"
        world = restarted(world, world.moment + seconds(7), LOOPBACK)
        await until_told(world)
        assert said(world) == ("Pending", 2, "It answered 503.")
        world = restarted(world, world.moment + seconds(13), LOOPBACK)
        await until_told(world)
        assert said(world) == ("Delivered", 3, "")
        world = restarted(world, world.moment + seconds(9999), LOOPBACK)
        await reconcile(KEY, world)
    assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len({body for _, body in receiver.got}) == 1
    for headers, body in receiver.got:
        Webhook(SIGNING_KEY).verify(body, headers)


async def test_one_that_was_delivered_and_not_written_is_delivered_again() -> None:
    async with receiving() as receiver:
        world = an_ended_world(f"http://127.0.0.1:{receiver.port}/")
        await reconcile(KEY, world)
        await asyncio.gather(*world.courier._flying.values())
        world = restarted(world, world.moment, LOOPBACK)  # before anything was written
        await until_told(world)
    first, second = (event_of(receiver, i).get_id() for i in range(2))
    assert first == second


async def test_410_means_never_again() -> None:
    async with receiving(None, 410) as receiver:
        world = an_ended_world(f"http://127.0.0.1:{receiver.port}/")
        await until_told(world)
    assert said(world)[:2] == ("Failed", 1)
    assert [e["reason"] for e in fake(world).all("events")] == ["NotificationGivenUp"]


async def test_a_slow_receiver_delays_no_reconcile() -> None:
    release = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    world = an_ended_world(f"http://127.0.0.1:{port}/")
    for _ in range(3):
        await reconcile(KEY, world)
    (flying,) = world.courier._flying.values()
    assert not flying.done()
    release.set()
    await flying
    server.close()
    await reconcile(KEY, world)
    assert said(world)[:2] == ("Pending", 1)


# ---- what it must not reach


async def test_a_private_address_is_refused_and_the_status_says_so() -> None:
    async with receiving() as receiver:
        world = an_ended_world(f"http://127.0.0.1:{receiver.port}/", allow=())
        await until_told(world)
        assert receiver.got == []
    state, _, message = said(world)
    assert state == "Pending"
    assert "is not public, so it is refused" in message
    assert "notifications.allowCidrs" in message


# ---- the signing Secret


async def test_a_secret_that_may_not_be_read_is_told_with_the_command() -> None:
    class Strict(FakeCluster):
        async def get_secret(self, namespace: str, name: str) -> Body:
            raise Forbidden("secrets is forbidden", 403)

    async with receiving() as receiver:
        world = an_ended_world(f"http://127.0.0.1:{receiver.port}/", secretRef={"name": "hook"})
        strict = Strict()
        strict.objects = fake(world).objects
        world = restarted(StillWorld(strict, world.settings), world.moment, LOOPBACK)
        await until_told(world)
    assert receiver.got == []
    state, _, message = said(world)
    assert state == "Pending"
    assert (
        "kubectl create role videojob-notify-hook --namespace films --verb=get --resource=secrets "
        "--resource-name=hook && kubectl create rolebinding videojob-notify-hook --namespace films "
        "--role=videojob-notify-hook --serviceaccount=videojob-system:videojob"
    ) in message
    (event,) = fake(world).all("events")
    assert "kubectl create role" in event["message"]


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (None, "There is no Secret 'hook'"),
        ("not base64!", "has no key 'secret' with whsec_"),
        ("whsec_c2hvcnQ=", "has no key 'secret' with whsec_"),
    ],
)
async def test_a_secret_that_is_no_key_is_told(key: str | None, sentence: str) -> None:
    async with receiving() as receiver:
        world = an_ended_world(f"http://127.0.0.1:{receiver.port}/", secretRef={"name": "hook"})
        if key is not None:
            a_signing_secret(world, key)
        await until_told(world)
        assert sentence in said(world)[2]
        assert receiver.got == []
        a_signing_secret(world)
        world.moment += seconds(7)
        await until_told(world)
    assert said(world) == ("Delivered", 2, "")


# ---- the example


@pytest.fixture
def example_receiver() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The receiver of the example, as its page says to run it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).parents[2] / "examples" / "27-notifications" / "receiver.py"
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "HOOK_SECRET": SIGNING_KEY, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            break
        time.sleep(0.02)
    yield process, port
    process.terminate()
    process.communicate(timeout=10)


async def test_the_receiver_of_the_example_takes_what_is_signed_and_nothing_else(
    example_receiver: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = example_receiver
    world = an_ended_world(f"http://127.0.0.1:{port}/videos", secretRef={"name": "hook"})
    a_signing_secret(world, "whsec_" + base64.b64encode(b"somebody else's key, 24+").decode())
    await until_told(world)
    assert said(world)[2] == "It answered 400."
    a_signing_secret(world)
    world.moment += seconds(7)
    await until_told(world)
    assert said(world)[0] == "Delivered"
    assert process.stdout is not None
    event = json.loads(process.stdout.readline())
    assert event["data"]["name"] == KEY.name
