"""Where scenes begin, from numbers made here."""

from __future__ import annotations

from fractions import Fraction

import pytest

from videojob_worker.cuts import (
    STEADINESS,
    Boundary,
    Reading,
    Transition,
    find_boundaries,
    parse_readings,
)

RATE = 25


def readings(values: list[float]) -> list[Reading]:
    return [Reading(Fraction(n, RATE), value) for n, value in enumerate(values)]


def boundaries(
    frames: int,
    cuts: dict[int, float] | None = None,
    black: tuple[range, ...] = (),
    *,
    threshold: float = 10,
    min_seconds: Fraction = Fraction(1),
) -> tuple[Boundary, ...]:
    """Of a film that changes by so much at these frames; changes come out earlier than they are."""
    changes = [0.0] * frames
    for frame, score in (cuts or {}).items():
        changes[frame - STEADINESS] = score
    brightness = [0.0 if any(n in span for span in black) else 120.0 for n in range(frames)]
    return find_boundaries(
        readings(brightness), readings(changes), threshold=threshold, min_seconds=min_seconds
    )


def at(*found: Boundary) -> list[tuple[int, str]]:
    return [(b.frame, b.transition.value) for b in found]


@pytest.mark.parametrize(
    ("cuts", "black", "expected"),
    [
        ({}, (), []),
        ({50: 30.0}, (), [(50, "Cut")]),
        ({50: 9.9}, (), []),
        ({50: 10.0}, (), [(50, "Cut")]),
        ({50: 30.0, 100: 12.0}, (), [(50, "Cut"), (100, "Cut")]),
        ({50: 12.0, 60: 30.0}, (), [(60, "Cut")]),
        ({10: 30.0}, (), []),
        ({190: 30.0}, (), []),
        ({}, (range(80, 100),), [(90, "Fade")]),
        ({80: 40.0, 100: 40.0}, (range(80, 100),), [(90, "Fade")]),
        ({60: 40.0}, (range(80, 100),), [(60, "Cut"), (90, "Fade")]),
        ({70: 40.0}, (range(80, 100),), [(90, "Fade")]),
        ({}, (range(20),), []),
        ({}, (range(180, 200),), []),
        ({}, (range(80, 83),), []),
    ],
    ids=[
        *("nothing", "a cut", "below the threshold", "just at it", "two", "close: the stronger"),
        *("too near the beginning", "too near the end", "a fade", "its edges are no cuts"),
        *("a cut before a fade", "close to a fade", "black leader", "black end", "a black flash"),
    ],
)
def test_scenes_begin(
    cuts: dict[int, float], black: tuple[range, ...], expected: list[tuple[int, str]]
) -> None:
    assert at(*boundaries(200, cuts, black)) == expected


def test_a_lower_threshold_finds_more_and_no_minimum_keeps_all() -> None:
    cuts = {50: 9.0, 52: 30.0, 60: 12.0}
    assert at(*boundaries(200, cuts, threshold=8, min_seconds=Fraction(0))) == [
        *((50, "Cut"), (52, "Cut"), (60, "Cut"))
    ]


def test_the_score_is_told_of_cuts_only() -> None:
    found = boundaries(300, {50: 30.0}, (range(150, 170),))
    assert [(b.transition, b.score) for b in found] == [
        (Transition.CUT, 30.0),
        (Transition.FADE, None),
    ]


def test_nothing_comes_of_nothing() -> None:
    assert find_boundaries([], [], threshold=10, min_seconds=Fraction(1)) == ()


def test_readings_are_a_time_and_a_number() -> None:
    lines = [
        *("frame:0    pts:0       pts_time:0", "lavfi.signalstats.YAVG=128.375"),
        *("frame:1    pts:512     pts_time:0.04", "lavfi.signalstats.YAVG=16"),
        *("frame:2    pts:NOPTS   pts_time:NOPTS", "lavfi.signalstats.YAVG=16"),
    ]
    assert list(parse_readings(lines)) == [
        Reading(Fraction(0), 128.375),
        Reading(Fraction(1, 25), 16.0),
    ]
