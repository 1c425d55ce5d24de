"""Which finished steps count, and what a step's results depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from videojob_api.status import Warn
from videojob_api.steps import Step
from videojob_worker.resume import choose_done, digest_steps, find_failed

WEB = {"name": "web", "transcode": {"renditions": [{"height": 144}]}}
STILLS = {"name": "stills", "thumbnails": {"count": 2}}
SOUND = {"name": "sound", "from": "web", "extractAudio": {}}
WORKER = {"version": "1", "ffmpeg": "7.1", "landlock": "4"}


def steps(*documents: Mapping[str, Any]) -> list[Step]:
    return [Step.model_validate(document) for document in documents]


ALL = steps(WEB, STILLS, SOUND)


@pytest.mark.parametrize(
    ("found", "done"),
    [
        ({}, []),
        ({"web": "now", "stills": "now", "sound": "now"}, ["web", "stills", "sound"]),
        ({"web": "then", "stills": "now", "sound": "then"}, ["web", "stills", "sound"]),
        ({"web": "now", "stills": "now"}, []),
        ({"web": "then", "sound": "then"}, ["web", "sound"]),
        ({"web": "then", "stills": "then"}, ["stills"]),
        ({"stills": "then", "sound": "now"}, ["stills"]),
    ],
    ids=[
        "nothing",
        "all of this plan",
        "all, of two plans",
        "this plan, interrupted",
        "an older plan, one step new",
        "what a step that is left is from is made again",
        "of both",
    ],
)
def test_what_need_not_be_done_again(found: dict[str, str], done: list[str]):
    assert choose_done(ALL, found, "now") == done


def test_steps_above_count_all_the_way_up():
    chain = steps(WEB, {**WEB, "name": "small", "from": "web"}, {**SOUND, "from": "small"})
    assert choose_done(chain, {"web": "then", "small": "then"}, "now") == []
    assert choose_done(chain, {"small": "then", "sound": "then"}, "now") == []


def test_it_matters_whether_a_step_is_taken_on():
    """Some publish only what no other step is from."""
    alone, taken = digest_steps(steps(WEB), "a", WORKER, {}), digest_steps(ALL, "a", WORKER, {})
    assert alone["web"] != taken["web"]


@pytest.mark.parametrize(
    ("documents", "source", "worker", "changed"),
    [
        ((WEB, STILLS, SOUND), "a", {**WORKER, "landlock": "none"}, set()),
        ((WEB, STILLS, SOUND), "b", WORKER, {"web", "stills", "sound"}),
        ((WEB, STILLS, SOUND), "a", {**WORKER, "version": "2"}, {"web", "stills", "sound"}),
        ((WEB, STILLS, SOUND), "a", {**WORKER, "ffmpeg": "8"}, {"web", "stills", "sound"}),
        (
            (
                {**WEB, "transcode": {"renditions": [{"height": 120}]}},
                STILLS,
                SOUND,
            ),
            "a",
            WORKER,
            {"web", "sound"},
        ),
    ],
    ids=["kernel", "input", "worker", "ffmpeg", "a step above"],
)
def test_results_depend_on(
    documents: tuple[dict[str, Any], ...], source: str, worker: dict[str, str], changed: set[str]
):
    before = digest_steps(ALL, "a", WORKER, {})
    after = digest_steps(steps(*documents), source, worker, {})
    assert {name for name in before if before[name] != after[name]} == changed


def test_subtitles_count_among_what_is_above():
    words = {"name": "words", "transcribe": {"formats": ["VTT"]}}
    film = {**WEB, "transcode": {**WEB["transcode"], "packaging": "HLS", "subtitlesFrom": "words"}}
    both = steps(words, film)
    assert choose_done(both, {"words": "then"}, "now") == []
    other = steps({**words, "transcribe": {"formats": ["VTT", "JSON"]}}, film)
    before, after = (digest_steps(each, "a", WORKER, {})["web"] for each in (both, other))
    assert before != after


def test_a_step_that_failed_and_what_takes_from_it_are_not_done():
    warning = Warn(step="web", reason="StepFailed", message="no")
    assert find_failed(ALL, [warning]) == {"web", "sound"}
    assert find_failed(ALL, [warning.model_copy(update={"reason": "Other"})]) == set()


def test_an_image_with_other_bytes_is_another_one():
    marked = {**WEB["transcode"], "watermark": {"key": "logo.png"}}
    (film,) = steps({"name": "web", "transcode": marked})
    before, after = (digest_steps([film], "a", WORKER, {"logo.png": sha}) for sha in "xy")
    assert before != after
