"""What the operator says of itself while it is measured, and what is shown on the terminal meanwhile."""

from __future__ import annotations

import asyncio

import aiohttp
from control_plane import ScaleError
from places import LOCAL_PORTS
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


async def until_ready() -> None:
    """Until the operator's watches are up."""
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            try:
                async with session.get(operator_url("/readyz")) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    raise ScaleError("the operator is not ready after a minute; see its log")


async def until_in_sync(jobs: int) -> None:
    """Until it has seen them all and nothing waits to be looked at."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(600):
        while True:
            async with session.get(operator_url("/metrics")) as answer:
                text = await answer.text()
            values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
            known = sum(
                float(v) for k, v in values.items() if k.startswith("videojob_operator_videojobs{")
            )
            idle = float(values["videojob_operator_workqueue_depth"]) == 0
            if known >= jobs and idle:
                return
            await asyncio.sleep(0.5)


def operator_url(path: str) -> str:
    return f"http://127.0.0.1:{LOCAL_PORTS['operator']}{path}"


def show_progress() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns)
