"""The reports endpoint over real HTTP: who may say what, how much and how often."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from builders import (
    KEY,
    RUN_ID,
    UID,
    a_job_body,
    a_pod_body,
    a_report,
    a_result,
    a_videojob_body,
)
from fake_cluster import StillWorld, a_world, fake, queued
from prometheus_client import REGISTRY

from videojob_api.names import reports_audience
from videojob_api.report import MAX_REPORT_BYTES
from videojob_operator import reports
from videojob_operator.attempt import Ending
from videojob_operator.errors import ClusterError
from videojob_operator.facts import parse_attempt
from videojob_operator.reports import Reports

Client = TestClient[web.Request, web.Application]
URL = f"/v1/namespaces/{KEY.namespace}/videojobs/{KEY.name}/reports"


def a_review(pod: str = "pod-0", namespace: str = KEY.namespace) -> dict[str, Any]:
    return {
        "authenticated": True,
        "audiences": [reports_audience(UID)],
        "user": {
            "username": f"system:serviceaccount:{namespace}:default",
            "extra": {
                "authentication.kubernetes.io/pod-name": [pod],
                "authentication.kubernetes.io/pod-uid": [f"uid-of-{pod}"],
            },
        },
    }


@pytest.fixture
def world() -> StillWorld:
    """A VideoJob of six inputs; its Job works on 2 and 4, with a pod for each."""
    world = a_world()
    cluster = fake(world)
    world.leading.set()
    world.cache.put_videojob(a_videojob_body(6))
    world.cache.put_job(a_job_body(indexes=(2, 4)))
    for index in range(2):
        cluster.put("pods", a_pod_body(index=index, name=f"pod-{index}"))
        cluster.reviews[f"token-{index}"] = a_review(f"pod-{index}")
    return world


@pytest.fixture
async def client(world: StillWorld) -> AsyncIterator[Client]:
    async with TestClient(TestServer(Reports(world).build_app())) as client:
        yield client


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The endpoint's clock; its one item is the time."""
    now = [1000.0]
    monkeypatch.setattr(reports, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def a_body(index: int = 2, **changes: Any) -> dict[str, Any]:
    progress = a_report(40).wire()
    return {"runID": RUN_ID, "attempt": 1, "index": index, "progress": progress, **changes}


async def post(
    client: Client,
    body: Any = None,
    *,
    token: str = "token-0",  # noqa: S107
    url: str = URL,
) -> ClientResponse:
    headers = {"Authorization": f"Bearer {token}"}
    data = body if isinstance(body, bytes) else json.dumps(body or a_body()).encode()
    return await client.post(url, data=io.BytesIO(data), headers=headers)


async def refused(response: ClientResponse) -> tuple[int, str]:
    return response.status, (await response.json())["message"]


def newest(world: StillWorld) -> dict[int, float]:
    attempt = parse_attempt(world.cache.jobs_of(UID)[0])
    return {i: p.percent for i, p in world.book.progress(UID, attempt).items()}


async def test_a_good_report_is_taken_and_the_key_is_queued(
    client: Client, world: StillWorld
) -> None:
    response = await post(client)
    assert (response.status, await response.text()) == (204, "")
    assert newest(world) == {2: 40}
    assert set(world.queue._timers) == {KEY}, "percents have a second's time"
    assert fake(world).status_writes == 0


async def test_the_token_is_reviewed_once(client: Client, world: StillWorld) -> None:
    for _ in range(3):
        assert (await post(client)).status == 204
    assert len(fake(world).writes) == 1


async def test_the_token_is_reviewed_again_after_five_minutes(
    client: Client, world: StillWorld, time: list[float]
) -> None:
    assert (await post(client)).status == 204
    time[0] += 299
    assert (await post(client)).status == 204
    fake(world).reviews.clear()
    time[0] += 2
    assert (await post(client)).status == 401


@pytest.mark.parametrize("header", [None, "", "Basic dTpw", "Bearer", "Bearer ", "Bearer \udcff"])
async def test_without_a_token_nothing_is_taken(
    client: Client, world: StillWorld, header: str | None
) -> None:
    headers = {"Authorization": header} if header is not None else {}
    response = await client.post(URL, json=a_body(), headers=headers)
    assert response.status == 401
    assert newest(world) == {}
    assert fake(world).requests == []


async def test_a_foreign_token_is_refused(client: Client, world: StillWorld) -> None:
    status, message = await refused(await post(client, token="stolen"))
    assert status == 401
    assert "token refused" in message
    assert newest(world) == {}


async def test_a_refused_token_is_remembered_for_a_minute(
    client: Client, world: StillWorld, time: list[float]
) -> None:
    for _ in range(3):
        assert (await post(client, token="stolen")).status == 401
    assert len(fake(world).writes) == 1
    fake(world).reviews["stolen"] = a_review()
    time[0] += 59
    assert (await post(client, token="stolen")).status == 401
    time[0] += 1
    assert (await post(client, token="stolen")).status == 204
    assert len(fake(world).writes) == 2


async def test_memory_for_refused_tokens_is_bounded(
    client: Client, world: StillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_REMEMBERED_TOKENS", 1)
    for token in ("one", "two", "one"):
        assert (await post(client, token=token)).status == 401
    assert len(fake(world).writes) == 3


async def test_four_tokens_are_checked_at_once(client: Client, world: StillWorld) -> None:
    real, at_once, most = fake(world).request, 0, 0

    async def request(method: str, path: str, **more: Any) -> dict[str, Any]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return await real(method, path, **more)

    fake(world).request = request  # type: ignore[method-assign]
    statuses = await asyncio.gather(*(post(client, token=f"bad-{i}") for i in range(12)))
    assert [response.status for response in statuses] == [401] * 12
    assert most == 4


async def test_a_token_of_another_namespace_is_refused(client: Client, world: StillWorld) -> None:
    fake(world).reviews["token-0"] = a_review(namespace="intruder")
    status, message = await refused(await post(client))
    assert (status, message) == (403, "the token is from another namespace")


async def test_a_pod_that_is_gone_or_another_one_by_now_is_refused(
    client: Client, world: StillWorld
) -> None:
    pod = fake(world).drop("pods", "pod-0")
    assert await refused(await post(client)) == (403, "that pod is gone")
    pod["metadata"]["uid"] = "a later one"
    fake(world).put("pods", pod)
    assert await refused(await post(client)) == (403, "that pod is gone")


async def test_a_pod_of_another_job_is_refused(client: Client, world: StillWorld) -> None:
    fake(world).put("pods", a_pod_body(name="pod-0", job_uid="another"))
    status, message = await refused(await post(client))
    assert (status, message) == (403, "that pod does not work for this VideoJob")


async def test_a_job_that_only_carries_our_label_vouches_for_nobody(
    client: Client, world: StillWorld
) -> None:
    job = world.cache.jobs_of(UID)[0]
    job["metadata"]["ownerReferences"][0]["uid"] = "another"
    assert (await post(client)).status == 403


async def test_which_videojobs_there_are_is_told_to_nobody(
    client: Client, world: StillWorld
) -> None:
    url = URL.replace(KEY.name, "unknown")
    status, message = await refused(await post(client, url=url))
    assert (status, message) == (401, "token refused: it is for no VideoJob of that name")
    assert fake(world).requests == []


@pytest.mark.parametrize(
    "change", [{"index": 4}, {"index": 0}, {"attempt": 2}, {"runID": "another"}]
)
async def test_a_pod_speaks_for_its_own_input_and_attempt_only(
    client: Client, world: StillWorld, change: dict[str, int]
) -> None:
    status, message = await refused(await post(client, a_body(**change)))
    assert (status, message) == (403, "this pod works on input 2 only")
    assert newest(world) == {}


async def test_each_pod_has_its_own_input(client: Client, world: StillWorld) -> None:
    assert (await post(client, a_body(4), token="token-1")).status == 204
    assert newest(world) == {4: 40}


@pytest.mark.parametrize(("extra", "expected"), [(0, 204), (1, 413), (10_000_000, 413)])
async def test_a_report_has_64_kilobytes(client: Client, extra: int, expected: int) -> None:
    text = json.dumps(a_body(padding="")).encode()
    padding = b"x" * (MAX_REPORT_BYTES - len(text) + extra)
    body = text.replace(b'"padding": ""', b'"padding": "%s"' % padding)
    assert len(body) == MAX_REPORT_BYTES + extra
    assert (await post(client, body)).status == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"runID": "r", "attempt": 1, "index": 2, "progress": {"percent": NaN, "stage": "Probing"}}',
        b'{"runID": "r", "attempt": 1, "index": 2, "progress": {"percent": 1e9, "stage": "Probing"}}',
        b'{"runID": "r", "attempt": 1, "index": 2, "progress": {"percent": 1e308, "stage": "Probing"}}',
        b'{"runID": "r", "attempt": 1, "index": 2, "progress": {"percent": -1, "stage": "Probing"}}',
        json.dumps(a_body(runID="r" * 65)).encode(),
        json.dumps(a_body(result={"index": 2, "input": "in-2", "state": "Perfect"})).encode(),
    ],
)
async def test_what_is_no_report_is_refused(client: Client, world: StillWorld, body: bytes) -> None:
    status, message = await refused(await post(client, body or b" "))
    assert status == 400
    assert message.startswith("not a report: ")
    assert newest(world) == {}


async def test_ten_at_once_and_then_two_a_second(
    client: Client, world: StillWorld, time: list[float]
) -> None:
    statuses = [(await post(client)).status for _ in range(12)]
    assert statuses == [204] * 10 + [429] * 2
    assert (await post(client, a_body(4), token="token-1")).status == 204, "others are not held up"
    time[0] += 1
    assert [(await post(client)).status for _ in range(3)] == [204, 204, 429]
    time[0] += 3600
    assert [(await post(client)).status for _ in range(11)] == [204] * 10 + [429]


async def test_a_review_anew_gives_no_new_allowance(
    client: Client, world: StillWorld, time: list[float]
) -> None:
    reports_now = [(await post(client)).status for _ in range(10)]
    time[0] += 301
    reports_later = [(await post(client)).status for _ in range(11)]
    assert reports_now + reports_later == [204] * 20 + [429]


async def test_bad_reports_count_too(client: Client, time: list[float]) -> None:
    statuses = [(await post(client, b"nonsense")).status for _ in range(11)]
    assert statuses == [400] * 10 + [429]


async def test_an_api_server_that_does_not_answer_is_no_refusal(
    client: Client, world: StillWorld
) -> None:
    fake(world).failures = [ClusterError("down", 500)]
    status, message = await refused(await post(client))
    assert status == 503
    assert "can't check the token now: down" in message
    assert (await post(client)).status == 204


async def test_a_replica_that_does_not_lead_takes_nothing(
    client: Client, world: StillWorld
) -> None:
    world.leading.clear()
    assert (await post(client)).status == 503
    assert fake(world).requests == []
    assert newest(world) == {}


async def test_a_token_seen_for_one_videojob_is_worth_nothing_for_another(
    client: Client, world: StillWorld
) -> None:
    assert (await post(client)).status == 204
    other = a_videojob_body(uid="another-uid")
    other["metadata"]["name"] = "other"
    world.cache.put_videojob(other)
    assert (await post(client, url=URL.replace(KEY.name, "other"))).status == 401


async def test_memory_for_tokens_is_bounded(
    client: Client, world: StillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_REMEMBERED_TOKENS", 1)
    for _ in range(2):
        for index, input_ in ((0, 2), (1, 4)):
            assert (await post(client, a_body(input_), token=f"token-{index}")).status == 204
    assert len([path for _, path in fake(world).writes if "tokenreviews" in path]) == 4


async def test_only_posts_are_answered(client: Client) -> None:
    assert (await client.get(URL)).status == 405
    assert (await client.post("/v1/elsewhere")).status == 404


# ---- a worker that was taken over by the file it read


def counted(result: str) -> float:
    name = "videojob_operator_reports_total"
    return REGISTRY.get_sample_value(name, {"result": result}) or 0


async def test_a_thousand_reports_at_once_hold_nobody_up_and_are_counted(
    client: Client, world: StillWorld, time: list[float]
) -> None:
    refused_before = counted("429")
    flood = await asyncio.gather(*(post(client) for _ in range(1000)))
    assert sum(response.status == 204 for response in flood) == 10
    assert counted("429") - refused_before == 990
    assert (await post(client, a_body(4), token="token-1")).status == 204
    assert set(world.queue._timers) == {KEY}, "however often it is told, the key waits once"


async def test_one_address_can_not_show_unknown_tokens_without_end(
    client: Client, world: StillWorld, time: list[float]
) -> None:
    assert (await post(client)).status == 204
    statuses = [(await post(client, token=f"guess-{i}")).status for i in range(40)]
    assert statuses == [401] * 29 + [429] * 11
    assert len(fake(world).writes) == 30, "the API server is not asked any more"
    assert (await post(client)).status == 204, "a known token is let in as before"
    time[0] += 60
    assert (await post(client, a_body(4), token="token-1")).status == 204


async def test_control_characters_get_no_further(client: Client, world: StillWorld) -> None:
    result = a_result(2, message="\x1b[31mred\x00\u202e", logTail="one\n\ttwo\r\x9b").wire()
    result["message"] = "\x1b[31mred\x00\u202e"
    assert (await post(client, a_body(result=result))).status == 204
    assert queued(world) == {KEY}, "an end does not wait"
    results, _ = world.book.results(UID, a_body()["runID"])
    assert (results[2].message, results[2].log_tail) == ("[31mred", "one\n\ttwo")


async def test_claims_do_not_outdo_what_the_worker_says_last(
    client: Client, world: StillWorld
) -> None:
    result = a_result(2, outputs=1).wire()
    told = [{**result["outputs"][0], "key": f"results/another/{n}.mp4"} for n in range(3)]
    assert (await post(client, a_body(result={**result, "outputs": told}))).status == 204
    attempt = parse_attempt(world.cache.jobs_of(UID)[0])
    last = a_result(2, outputs=1)
    world.book.record_ending(UID, attempt, 2, Ending(0), last)
    results, _ = world.book.results(UID, RUN_ID)
    assert results[2].outputs == last.outputs
