"""Steps that may fail: left out where they can't be done, planned apart for when the pass fails."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from media_builders import a_film

from videojob_api.steps import Step
from videojob_worker.budget import Budget
from videojob_worker.errors import NotDoable
from videojob_worker.media import MediaInfo
from videojob_worker.plan import Plan, build_plan
from videojob_worker.scratch import Scratch

MP4 = {"name": "web", "transcode": {"renditions": [{"height": 360}]}}
WORDS = {"name": "words", "transcribe": {}, "onError": "Continue"}
PICTURES = {"name": "poster", "thumbnails": {"count": 3}, "onError": "Continue"}


def plan(media: MediaInfo, *steps: dict[str, Any]) -> Plan:
    wanted = [Step.model_validate(step) for step in steps]
    budget = Budget(threads=2, memory_bytes=None, scratch_bytes=None)
    return build_plan(wanted, media, Scratch(Path("/scratch")), budget)


def test_nothing_is_set_apart_where_nothing_may_fail() -> None:
    (stage,) = plan(a_film(), MP4, {**WORDS, "onError": "Fail"}).passes
    assert (stage.instead, stage.may_fail) == ((), False)


def test_a_step_alone_is_not_tried_again() -> None:
    (stage,) = plan(a_film(), WORDS).passes
    assert (stage.instead, stage.may_fail) == ((), True)


def test_each_that_may_fail_is_apart_and_the_others_come_last() -> None:
    (stage,) = plan(a_film(), WORDS, MP4, PICTURES).passes
    assert stage.steps == ("words", "web", "poster")
    assert [part.steps for part in stage.instead] == [("words",), ("poster",), ("web",)]
    assert [part.may_fail for part in stage.instead] == [True, True, False]
    words, poster, web = (" ".join(part.argv) for part in stage.instead)
    assert "speech.wav" in words
    assert "libx264" not in words
    assert "png" in poster
    assert "libx264" in web
    assert "speech.wav" not in web


def test_what_others_do_to_the_film_is_done_for_a_step_apart_too() -> None:
    small = {"name": "small", "transcode": {"renditions": [{"height": 90}]}}
    (stage,) = plan(a_film(), small, {**PICTURES, "from": "small"}).passes
    (poster, _) = stage.instead
    assert poster.steps == ("poster",)
    assert "small" not in " ".join(poster.argv)
    assert "scale=160:90" in " ".join(poster.argv)


def test_who_has_no_sound_to_hear_is_left_out_with_a_warning() -> None:
    planned = plan(a_film(audio=()), MP4, WORDS)
    (stage,) = planned.passes
    assert stage.steps == ("web",)
    (warning,) = planned.warnings
    assert (warning.step, warning.reason) == ("words", "StepLeftOut")
    assert "its source has none" in warning.message
    assert plan(a_film(audio=()), WORDS).passes == ()


def test_who_must_not_fail_is_not_left_out() -> None:
    with pytest.raises(NotDoable, match="needs sound"):
        plan(a_film(audio=()), MP4, {**WORDS, "onError": "Fail"})


def test_estimates_count_every_part() -> None:
    (stage,) = plan(a_film(duration=Fraction(60)), MP4, WORDS).passes
    assert stage.finishing_weight == sum(part.finishing_weight for part in stage.instead) == 30.0
