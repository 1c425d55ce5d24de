"""A start beside an API server that does not answer waits for it; one that refuses ends the process."""

from __future__ import annotations

import pytest
from virtual_time import in_virtual_time, now

from videojob_operator.__main__ import patiently
from videojob_operator.errors import ClusterError, Forbidden


@in_virtual_time
async def test_it_asks_until_it_is_answered() -> None:
    answers: list[Exception] = [ClusterError("no answer"), ClusterError("slow down", 429)]
    answers += [ClusterError("broken", 500)] * 60
    began = now()

    async def ask(word: str, *, more: int) -> str:
        if answers:
            raise answers.pop()
        return word * more

    assert await patiently(ask, "yes", more=2) == "yesyes"
    assert now() - began == pytest.approx(62)


@in_virtual_time
async def test_what_will_not_pass_is_an_error_at_once() -> None:
    async def ask() -> None:
        raise Forbidden("no rights", 403)

    with pytest.raises(Forbidden, match="no rights"):
        await patiently(ask)
