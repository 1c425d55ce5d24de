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


def test_the_end_does_not_jump_with_each_scene_of_a_long_film():
    """Twenty minutes in which scenes of ten seconds take their turns, one thrice as hard as the other."""
    meter, done = Meter(), 0.0
    for second in range(1080):
        meter.advance(Stage.PROCESSING, done / 2400, now=float(second))
        done += 3 if second // 10 % 2 else 1
        if second >= 600:
            assert meter.eta_seconds == pytest.approx(1200 - second, rel=0.2), second


def test_steady_work_by_scenes_is_told_within_a_fifth_of_what_is_left():
    """Two minutes in which five seconds go by with ease, and five less so."""
    meter, done = Meter(), 0.0
    for tick in range(1080):
        meter.advance(Stage.PROCESSING, done / 1200, now=tick / 10)
        done += 1.4 if tick // 50 % 2 else 0.6
        if tick >= 600:
            assert meter.eta_seconds == pytest.approx(120 - tick / 10, rel=0.2), tick


def test_a_slow_start_is_not_taken_for_a_slow_pace():
    """Ten seconds until ffmpeg has its first frame out, then a hundred of steady work."""
    meter = Meter()
    for second in range(10):
        meter.advance(Stage.PROCESSING, 0.0, now=float(second))
    for second in range(1, 10):
        meter.advance(Stage.PROCESSING, second / 100, now=10.0 + second)
        if second >= 2:
            assert meter.eta_seconds == pytest.approx(100 - second, rel=0.05), second


def test_work_that_stands_still_for_a_day_keeps_its_end():
    meter = Meter()
    for tick in range(172_800):
        meter.advance(Stage.PROCESSING, min(tick, 100) / 400, now=tick / 2)
    assert meter.eta_seconds is not None
    assert meter.eta_seconds > 3600


def test_what_was_done_before_says_little_of_the_end():
    """A worker that goes on where another stopped is half way there at once."""
    meter = Meter()
    meter.advance(Stage.PROCESSING, 0.0, now=0.0)
    for second in range(1, 100):
        meter.advance(Stage.PROCESSING, 0.5 + second / 400, now=float(second))
        if second >= 60:
            assert meter.eta_seconds == pytest.approx(200 - second, rel=0.14), second


def test_there_is_no_end_in_sight_before_there_was_work():
    meter = Meter()
    meter.advance(Stage.FETCHING, 0.5, now=0.0)
    assert meter.eta_seconds is None
    meter.advance(Stage.PROCESSING, 0.0, now=1.0)
    meter.advance(Stage.PROCESSING, 0.0, now=9.0)
    assert meter.eta_seconds is None
