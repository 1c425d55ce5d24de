"""The courier: so many at once, no namespace at another's cost, nothing remembered for good."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from builders import KEY, NOW, RUN_ID, UID, Situation, a_time, a_videojob
from fake_cluster import FakeCluster

from videojob_api.status import NotificationStatus, Phase, VideoJobStatus
from videojob_operator import courier as module
from videojob_operator.courier import (
    AT_ONCE_PER_NAMESPACE,
    WAITING_PER_NAMESPACE,
    Courier,
    parse_key,
)
from videojob_operator.observed import Deliver, Key, Letter
from videojob_operator.settings import Settings


class Receivers:
    """Hosts that hang until told otherwise."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.release = asyncio.Event()

    async def post(self, url: str, *_: object) -> None:
        self.asked.append(url)
        await self.release.wait()


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> Receivers:
    made = Receivers()
    monkeypatch.setattr(module, "post", made.post)
    return made


class Desk:
    """A courier, and the keys that it asked to be looked at."""

    def __init__(self) -> None:
        self.seen: list[Key] = []
        self.courier = Courier(FakeCluster(), Settings(), self.seen.append, lambda: NOW)

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def land(self) -> None:
        await asyncio.gather(*self.courier._flying.values())


def an_ended_one(namespace: str = KEY.namespace) -> Situation:
    situation = a_videojob().at_phase(Phase.SUCCEEDED, finished_at=a_time())
    return replace(situation, key=Key(namespace, KEY.name))


def a_letter(number: int, attempt: int = 1) -> Deliver:
    return Deliver(Letter(f"vj_{number:02x}", "Succeeded", f"https://h{number}/", RUN_ID), attempt)


async def test_a_namespace_can_not_take_all_the_room(receivers: Receivers) -> None:
    desk = Desk()
    for number in range(50):
        desk.courier.start(an_ended_one("greedy"), a_letter(number))
    desk.courier.start(an_ended_one("modest"), a_letter(99))
    await desk.settle()
    assert len(receivers.asked) == AT_ONCE_PER_NAMESPACE + 1
    assert "https://h99/" in receivers.asked
    receivers.release.set()
    await desk.land()
    assert len(receivers.asked) == 51
    assert len(desk.seen) == 51


async def test_too_many_are_left_for_later(receivers: Receivers) -> None:
    desk = Desk()
    for number in range(WAITING_PER_NAMESPACE + 20):
        desk.courier.start(an_ended_one(), a_letter(number))
    receivers.release.set()
    await desk.land()
    assert len(receivers.asked) == WAITING_PER_NAMESPACE
    desk.courier.start(an_ended_one(), a_letter(WAITING_PER_NAMESPACE))
    await desk.land()
    assert len(receivers.asked) == WAITING_PER_NAMESPACE + 1


async def test_a_letter_is_not_tried_twice_at_once_nor_before_its_end_is_written(
    receivers: Receivers,
) -> None:
    desk = Desk()
    for _ in range(3):
        desk.courier.start(an_ended_one(), a_letter(1))
    receivers.release.set()
    await desk.land()
    desk.courier.start(an_ended_one(), a_letter(1))
    assert desk.courier._flying == {}
    assert len(receivers.asked) == 1
    desk.courier.start(an_ended_one(), a_letter(1, attempt=2))
    await desk.land()
    assert len(receivers.asked) == 2


async def test_what_is_written_is_forgotten(receivers: Receivers) -> None:
    desk = Desk()
    receivers.release.set()
    desk.courier.start(an_ended_one(), a_letter(1))
    await desk.land()
    (delivery,) = desk.courier.deliveries(UID, VideoJobStatus()).values()
    assert (delivery.attempts, delivery.problem, delivery.at) == (1, "", NOW)
    told = NotificationStatus(id="vj_01", event="Succeeded", receiver="h1", attempts=1)
    assert desk.courier.deliveries(UID, VideoJobStatus(notifications=[told])) == {}
    assert desk.courier._told == {UID: {}}
    assert (desk.courier._waiting, desk.courier._slots_of) == ({}, {})


async def test_what_nobody_foresaw_is_a_failure_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def burst(*_: object) -> None:
        raise RuntimeError("https://example.com/?token=secret")

    monkeypatch.setattr(module, "post", burst)
    desk = Desk()
    desk.courier.start(an_ended_one(), a_letter(1))
    await desk.land()
    (delivery,) = desk.courier.deliveries(UID, VideoJobStatus()).values()
    assert delivery.problem == "It could not be sent: RuntimeError.", "the status is no secret"
    assert desk.seen == [KEY]
    desk.courier.forget(UID)
    assert desk.courier.deliveries(UID, VideoJobStatus()) == {}


async def test_what_lands_after_its_videojob_has_gone_is_not_remembered(
    receivers: Receivers,
) -> None:
    """As where a receiver deletes it before it answers."""
    desk = Desk()
    desk.courier.start(an_ended_one(), a_letter(1))
    await desk.settle()
    desk.courier.forget(UID)
    receivers.release.set()
    await desk.land()
    assert (desk.courier._told, desk.seen) == ({}, [])


@pytest.mark.parametrize("text", ["whsec_MDEyMzQ1Njc4OWFiY2RlZg", "MDEyMzQ1Njc4OWFiY2RlZg==\n"])
def test_a_key_is_read_with_or_without_its_prefix(text: str) -> None:
    assert parse_key(text) == b"0123456789abcdef"


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "my secret words", "ü"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|short|ASCII"):
        parse_key(text)
