"""The percentage and the remaining time."""

from __future__ import annotations

import pytest

from videojob_api.status import Stage
from videojob_worker.meter import Meter


def test_the_stages_share_a_hundred_percent_and_never_go_back():
    meter, seen = Meter(), []
    for stage in Stage:
        for fraction in (0.0, 0.6, 0.3, 1.0, 7.0, -1.0):
            meter.advance(stage, fraction, now=0.0)
            seen.append(meter.percent)
    assert seen == sorted(seen)
    assert seen[0] == 0.0
    assert seen[-1] == 100.0


def test_steady_work_has_a_steady_end():
    meter = Meter()
    for second in range(61):
        meter.advance(Stage.PROCESSING, second / 100, now=1000.0 + second)
    assert meter.eta_seconds == pytest.approx(40, rel=0.05)


def test_the_end_follows_a_change_of_speed():
    meter = Meter()
    for tick in range(1000):
        meter.advance(Stage.PROCESSING, tick / 2000, now=tick / 10)
    for tick in range(1, 300):
        meter.advance(Stage.PROCESSING, 0.5 + tick / 4000, now=100 + tick / 10)
    remaining = 1 - (0.5 + 299 / 4000)
    assert meter.eta_seconds == pytest.approx(remaining * 400, rel=0.1)


def test_there_is_no_end_in_sight_before_there_was_work():
    meter = Meter()
    meter.advance(Stage.FETCHING, 0.5, now=0.0)
    assert meter.eta_seconds is None
    meter.advance(Stage.PROCESSING, 0.0, now=1.0)
    meter.advance(Stage.PROCESSING, 0.0, now=9.0)
    assert meter.eta_seconds is None
