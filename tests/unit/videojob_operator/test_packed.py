"""A VideoJob that has ended takes little memory, and comes back whole."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_videojob_body

from videojob_operator.packed import keep


def a_body(phase: str, **meta: Any) -> dict[str, Any]:
    outputs = [{"key": f"results/{n}.m4s", "sha256": f"{n:064x}"} for n in range(50)]
    body = a_videojob_body() | {"status": {"phase": phase, "outputs": outputs}}
    body["metadata"] |= meta
    return body


@pytest.mark.parametrize("phase", ["Running", "Succeeded", "Failed"])
def test_it_comes_back_as_it_was_without_what_only_the_server_needs(phase: str) -> None:
    body = a_body(phase)
    known = keep({**body, "metadata": {**body["metadata"], "managedFields": [{"x": 1}]}})
    assert known.body == body
    assert (known.phase, known.uid) == (phase, body["metadata"]["uid"])


def test_one_that_has_ended_is_small() -> None:
    known = keep(a_body("Succeeded"))
    assert known.is_over
    assert known._whole is None
    assert len(known._packed) < 2000


def test_one_that_is_at_work_or_being_deleted_is_at_hand() -> None:
    assert not keep(a_body("Running")).is_over
    assert not keep(a_body("Succeeded", deletionTimestamp="2026-03-01T12:00:00Z")).is_over
