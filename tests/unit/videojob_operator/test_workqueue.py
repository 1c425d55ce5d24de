"""The queue: each key once, once more if it is added meanwhile, ever more slowly after errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace

import pytest
import structlog.testing
from under_way import under_way
from virtual_time import in_virtual_time

from videojob_operator import workqueue
from videojob_operator.errors import Conflict
from videojob_operator.observed import Key
from videojob_operator.workqueue import WorkQueue

A, B = Key("films", "a"), Key("films", "b")
Work = Callable[[Key], Awaitable[float | None]]


def working(queue: WorkQueue, work: Work, workers: int = 1) -> AbstractAsyncContextManager[None]:
    return under_way(queue.run(work, workers))


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


class Notes:
    """Work that notes what it is given."""

    def __init__(self, answer: float | None = None) -> None:
        self.seen: list[Key] = []
        self.answer = answer

    async def __call__(self, key: Key) -> float | None:
        self.seen.append(key)
        return self.answer


async def test_a_long_queue_leaves_room_for_others() -> None:
    """Work that waits for nothing, as of thousands in the line: the lease is renewed in between."""
    queue, notes, ticks = WorkQueue(), Notes(), 0
    for number in range(1000):
        queue.add(Key("films", f"film-{number}"))
    async with working(queue, notes, workers=20):
        while len(notes.seen) < 1000:
            ticks += 1
            await asyncio.sleep(0)
    assert ticks > 20


@in_virtual_time
async def test_a_key_added_twice_is_worked_on_once() -> None:
    queue, notes = WorkQueue(), Notes()
    for key in (A, B, A, A):
        queue.add(key)
    async with working(queue, notes):
        await settle()
    assert notes.seen == [A, B]


@in_virtual_time
async def test_a_key_added_while_it_is_worked_on_is_worked_on_once_more_after() -> None:
    queue, seen, at_once = WorkQueue(), list[Key](), list[int]()
    running = 0

    async def work(key: Key) -> None:
        nonlocal running
        running += 1
        at_once.append(running)
        seen.append(key)
        if len(seen) == 1:
            queue.add(key)
            queue.add(key)
        await asyncio.sleep(0)
        running -= 1

    queue.add(A)
    async with working(queue, work, workers=5):
        await settle()
    assert seen == [A, A]
    assert max(at_once) == 1


@in_virtual_time
async def test_different_keys_are_worked_on_at_once() -> None:
    queue, running, most = WorkQueue(), 0, 0

    async def work(_: Key) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    for number in range(6):
        queue.add(Key("films", str(number)))
    async with working(queue, work, workers=3):
        await settle()
    assert most == 3


@in_virtual_time
async def test_what_is_not_urgent_lets_news_go_first_and_does_not_starve() -> None:
    queue, seen = WorkQueue(), list[str]()

    async def work(key: Key) -> None:
        seen.append(key.name)
        queue.add(Key("films", f"new-{len(seen)}"))  # there is always news

    for name in ("old-1", "old-2", "old-3"):
        queue.add(Key("films", name), urgent=False)
    queue.add(Key("films", "new-0"))
    queue.add(Key("films", "old-3"))
    queue.add(Key("films", "old-3"), urgent=False)
    async with working(queue, work):
        await settle()
    expected = ["new-0", "old-3", "new-1", "old-1", "new-2", "new-3", "new-4", "old-2", "new-5"]
    assert seen[:9] == expected


@in_virtual_time
async def test_what_is_not_urgent_is_worked_on_when_nothing_else_is_there() -> None:
    queue, notes = WorkQueue(), Notes()
    for key in (A, B):
        queue.add(key, urgent=False)
    async with working(queue, notes):
        await settle()
    assert (notes.seen, len(queue)) == ([A, B], 0)


@in_virtual_time
async def test_a_key_comes_back_when_its_work_says_so() -> None:
    queue, notes = WorkQueue(), Notes(answer=5)
    queue.add(A)
    async with working(queue, notes):
        await settle()
        assert notes.seen == [A]
        await asyncio.sleep(30)
    assert len(notes.seen) > 1


@in_virtual_time
async def test_of_two_appointments_the_earlier_stands() -> None:
    queue, notes = WorkQueue(), Notes()
    async with working(queue, notes):
        queue.add_after(A, 5)
        queue.add_after(A, 500)
        queue.add_after(B, 500)
        queue.add_after(B, 5)
        await asyncio.sleep(30)
    assert sorted(notes.seen) == [A, B]


@in_virtual_time
async def test_looking_at_a_key_now_replaces_its_appointment() -> None:
    queue, notes = WorkQueue(), Notes()
    async with working(queue, notes):
        queue.add_after(A, 5)
        queue.add(A)
        await asyncio.sleep(30)
    assert notes.seen == [A]


@in_virtual_time
async def test_an_appointment_is_kept_by_one_that_is_not_urgent() -> None:
    queue, seen = WorkQueue(), list[Key]()

    async def work(key: Key) -> None:
        seen.append(key)
        await asyncio.sleep(1)

    others = [Key("films", f"other-{number}") for number in range(100)]
    queue.add_after(A, 5)
    queue.add_after(B, 500)
    for key in (*others, A):
        queue.add(key, urgent=False)
    queue.add(B)
    async with working(queue, work):
        await asyncio.sleep(600)
    assert seen[0] == B
    assert 5 <= seen.index(A) <= 7
    assert sorted(seen) == sorted([A, B, *others])


@in_virtual_time
async def test_a_key_that_is_gone_has_no_appointment() -> None:
    queue, notes = WorkQueue(), Notes()
    async with working(queue, notes):
        queue.add_after(A, 5)
        queue.forget(A)
        queue.forget(B)
        await asyncio.sleep(30)
    assert notes.seen == []


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The delays that are asked for; time is not waited for."""
    asked: list[float] = []

    def at_once(self: WorkQueue, key: Key, seconds: float) -> None:
        asked.append(seconds)
        self.add(key)

    monkeypatch.setattr(WorkQueue, "add_after", at_once)
    return asked


@in_virtual_time
async def test_errors_are_tried_again_ever_more_slowly_and_success_forgets_them(
    delays: list[float],
) -> None:
    queue, seen = WorkQueue(), list[Key]()

    async def work(key: Key) -> None:
        seen.append(key)
        if len(seen) not in (12, 14):
            raise Conflict("changed", 409)
        if len(seen) == 12:
            queue.add(key)

    queue.add(A)
    async with working(queue, work):
        for _ in range(10):
            await settle()
    assert delays[:4] == [0.2, 0.4, 0.8, 1.6]
    assert delays == [*sorted(delays[:11]), 0.2]
    assert max(delays) == 60


@in_virtual_time
async def test_an_error_that_never_ends_does_not_end_the_queue(
    delays: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 to the power of the number of errors is soon more than a float can hold."""
    queue = WorkQueue()
    done = asyncio.Event()

    async def work(_: Key) -> None:
        if len(delays) > 1100:
            done.set()
            return
        raise ValueError("a bug")

    monkeypatch.setattr(workqueue, "log", structlog.testing.CapturingLogger())
    queue.add(A)
    async with working(queue, work):
        await asyncio.wait_for(done.wait(), 5)
    assert delays[-1] == 60


@in_virtual_time
async def test_one_keys_error_is_not_anothers() -> None:
    queue, notes = WorkQueue(), Notes()

    async def work(key: Key) -> float | None:
        if key == A:
            raise ValueError("a bug")
        return await notes(key)

    queue.add(A)
    queue.add(B)
    async with working(queue, work):
        await settle()
    assert notes.seen == [B]


@in_virtual_time
async def test_a_queue_that_stands_still_is_told_from_a_long_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = 100.0
    clock = SimpleNamespace(monotonic=lambda: time, perf_counter=lambda: time)
    monkeypatch.setattr(workqueue, "time", clock)
    queue, may_go_on = WorkQueue(), asyncio.Event()

    async def work(_: Key) -> None:
        await may_go_on.wait()

    time = 200.0
    assert queue.standstill_seconds() == 0
    queue.add(A, urgent=False)
    time = 207.0
    queue.add(B)
    assert queue.standstill_seconds() == 7
    async with working(queue, work):
        await settle()
        assert len(queue) == 1, "one has waited for 7 s, and it goes on"
        assert queue.standstill_seconds() == 0
        time = 217.0
        assert queue.standstill_seconds() == 10
