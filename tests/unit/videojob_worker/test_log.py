"""What the worker writes in a pod: JSON, and on every line what it works on."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from videojob_worker import log


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    logger = logging.getLogger("videojob_worker")
    handlers, propagate = logger.handlers[:], logger.propagate
    yield
    logger.handlers[:], logger.propagate = handlers, propagate
    log._about.clear()


def test_every_line_says_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    log.log_as_json()
    log.say_about(namespace="films", job="keynote", run="1", attempt=2)
    log.say("stage ends", stage="fetch")
    log.say_error("it broke", reason="Damaged")
    one, two = map(json.loads, capsys.readouterr().err.splitlines())
    about = {"namespace": "films", "job": "keynote", "run": "1", "attempt": 2}
    assert about.items() <= one.items()
    assert about.items() <= two.items()
    assert (one["stage"], one["level"], two["level"]) == ("fetch", "info", "error")
