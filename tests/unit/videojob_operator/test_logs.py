"""What the operator logs: JSON, at the level asked for, with the VideoJob it is about, and no secret."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog
from builders import KEY
from fake_cluster import a_world_with_a_videojob

from videojob_operator.logs import configure_logging
from videojob_operator.observed import Key
from videojob_operator.reconcile import reconcile
from videojob_operator.workqueue import WorkQueue


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


async def worked(queue: WorkQueue, work: Any) -> None:
    running = asyncio.create_task(queue.run(work, 1))
    while queue.working_on or len(queue):  # noqa: ASYNC110 (a turn or two)
        await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_every_line_of_a_reconcile_says_what_it_is_about(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("info")
    world, _ = a_world_with_a_videojob()

    async def work(key: Key) -> None:
        await reconcile(key, world)
        await reconcile(key, world)

    world.queue.add(KEY)
    await worked(world.queue, work)
    written = lines(capsys)
    assert [line["event"] for line in written] == ["status written"]
    about = {name: written[0][name] for name in ("namespace", "job", "run", "attempt")}
    assert about == {"namespace": KEY.namespace, "job": KEY.name, "run": "0f8fad5b-1", "attempt": 1}
    assert written[0]["level"] == "info"


async def test_to_whom_asks_for_it_each_look_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug")
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    await reconcile(key, world)
    looks = [line for line in lines(capsys) if line["event"] == "looked at"]
    assert [(look["policy"], look["done"]) for look in looks] == [
        ("decide_admit", ["CreateJob"]),
        ("explain_wait", []),
    ]
    assert looks[1]["again"] > 0


async def test_a_failure_is_about_its_own_job_and_not_the_one_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("info")
    queue = WorkQueue()

    async def work(key: Key) -> None:
        if key.name == "good":
            structlog.contextvars.bind_contextvars(run="of the good one")
        else:
            raise ValueError("broken")

    for name in ("good", "bad"):
        queue.add(Key("films", name))
    await worked(queue, work)
    (line,) = lines(capsys)
    assert (line["namespace"], line["job"], line["error"]) == ("films", "bad", "broken")
    assert "run" not in line
    assert "ValueError" in line["exception"]


def test_libraries_speak_json_too_and_only_to_warn(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug")
    logging.getLogger("kopf.activities").info("chatter")
    logging.getLogger("kopf.activities").warning("a watch broke: %s", 410)
    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("a watch broke: 410", "warning")


@pytest.mark.parametrize(("level", "count"), [("debug", 3), ("info", 2), ("error", 0)])
def test_the_level_is_as_asked_for(
    level: str, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level)
    log = structlog.get_logger()
    log.debug("one")
    log.info("two")
    log.warning("three")
    assert len(lines(capsys)) == count
