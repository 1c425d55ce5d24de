"""Kinds of step: one each, within bounds, from an earlier one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from videojob_api.steps import KINDS as KIND_MODELS
from videojob_api.steps import (
    STEP_KINDS,
    YIELDING_KINDS,
    Packaging,
    Step,
    check_steps,
)

TRANSCODE = {"renditions": [{"height": 360}]}
THUMBNAILS = {"count": 3}
KINDS: dict[str, dict[str, Any]] = {
    "transcode": TRANSCODE,
    "thumbnails": THUMBNAILS,
    "extractAudio": {},
    "scenes": {},
    "quality": {},
    "audioMask": {},
    "clean": {},
    "transcribe": {},
    "cloak": {},
}


def a_step(name: str = "s", **kind: Any) -> Step:
    return Step.model_validate({"name": name, **(kind or {"transcode": TRANSCODE})})


def steps(*manifests: dict[str, Any]) -> list[Step]:
    return check_steps(TypeAdapter(list[Step]).validate_python(list(manifests)))


@pytest.mark.parametrize("kind", STEP_KINDS)
def test_every_kind_is_understood_alone(kind: str) -> None:
    step = Step.model_validate({"name": "s", kind: KINDS[kind]})
    assert step.yields is (kind in YIELDING_KINDS)
    assert type(step.spec) is KIND_MODELS[kind]


def test_defaults_are_filled() -> None:
    transcode = a_step(transcode=TRANSCODE).transcode
    assert transcode is not None
    settled = transcode.settled(transcode.renditions[0])
    assert (transcode.packaging, transcode.codec, settled.preset) == (
        *(Packaging.MP4, "H264", "veryfast"),
    )
    assert (transcode.segment_seconds, settled.crf) == (4, 23)


@pytest.mark.parametrize(
    ("kind", "count"),
    [({}, 0), ({"transcode": TRANSCODE, "thumbnails": THUMBNAILS}, 2)],
    ids=["none", "two"],
)
def test_a_step_has_exactly_one_kind(kind: dict[str, Any], count: int) -> None:
    with pytest.raises(ValidationError, match=f"step 's' has {count} kinds; it needs exactly one"):
        Step.model_validate({"name": "s", **kind})


@pytest.mark.parametrize(
    "thumbnails", [{}, {"count": 3, "intervalSeconds": 5}, {"count": 3, "times": [1]}]
)
def test_pictures_are_counted_in_exactly_one_way(thumbnails: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one of count, intervalSeconds and times"):
        a_step(thumbnails=thumbnails)


@pytest.mark.parametrize(
    "kind",
    [
        {"cloak": {"epsilon": 0.03}},
        {"cloak": {"epsilon": 0.21}},
        {"cloak": {"strength": 0.9}},
        {"cloak": {"strength": 2.1}},
        {"cloak": {"everyNFrames": 0}},
        {"cloak": {"everyNFrames": 31}},
        {"cloak": {"method": "Fog"}},
        {"transcode": {"renditions": []}},
        {"transcode": {"renditions": [{"height": 0}]}},
        {"transcode": {"renditions": [{"height": 63}]}},
        {"transcode": {"renditions": [{"height": 4321}]}},
        {"transcode": {"renditions": [{"height": 64 + i} for i in range(9)]}},
        {"transcode": {"renditions": [{"height": 360, "crf": 52}]}},
        {"transcode": {**TRANSCODE, "packaging": "MPEGTS"}},
        {"transcode": {**TRANSCODE, "preset": "placebo"}},
        {"transcode": {**TRANSCODE, "segmentSeconds": 0}},
        {"transcode": {**TRANSCODE, "audio": {"bitrateKbps": 8}}},
        {"thumbnails": {"count": 0}},
        {"thumbnails": {"count": 501}},
        {"thumbnails": {"intervalSeconds": 0}},
        {"thumbnails": {"count": 3, "width": 31}},
        {"thumbnails": {"times": []}},
        {"thumbnails": {"times": [-1]}},
        {"thumbnails": {"count": 3, "quality": 0}},
        {"thumbnails": {"count": 3, "format": "GIF"}},
        {"thumbnails": {"count": 3, "separate": False}},
        {"thumbnails": {"count": 3, "sprites": {"columns": 21}}},
        {"scenes": {"threshold": 0.5}},
        {"scenes": {"minSceneSeconds": -1}},
        {"quality": {"metrics": []}},
        {"quality": {"metrics": ["PSNR", "PSNR"]}},
        {"quality": {"metrics": ["MSE"]}},
        {"extractAudio": {"format": "OGG"}},
        {"audioMask": {"level": "Loud"}},
        {"clean": {"removeSei": 2}},
        {"extractAudio": {"track": 64}},
        {"extractAudio": {"language": "German!"}},
        {"extractAudio": {"bitrateKbps": 1000}},
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_refused(kind: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_step(**kind)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"format": "FLAC", "bitrateKbps": 128}, "FLAC, WAV and Copy have none: leave it out"),
        ({"format": "Copy", "bitrateKbps": 128}, "FLAC, WAV and Copy have none: leave it out"),
        ({"format": "MP3", "bitrateKbps": 321}, "32 to 320 for MP3"),
        ({"format": "AAC", "bitrateKbps": 31}, "32 to 512 for AAC"),
        ({"format": "OPUS", "sampleRateHz": 44100}, "not for OPUS 11025, 22050, 32000, 44100"),
        ({"format": "MP3", "sampleRateHz": 96000}, "sampleRateHz is 8000, 12000"),
        ({"format": "AAC", "sampleRateHz": 192000}, "for FLAC, WAV 192000"),
        ({"format": "Copy", "sampleRateHz": 48000}, "Copy keeps the track's own"),
        ({"format": "MP3", "channels": 6}, "at most 2 for MP3"),
        ({"format": "FLAC", "channels": 5}, "channels is 1, 2, 6"),
        ({"format": "Copy", "channels": 2}, "Copy keeps the track's own"),
        ({"track": 0, "language": "de"}, "not by both"),
    ],
    ids=str,
)
def test_a_format_has_its_own_bounds(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        a_step(extractAudio=spec)


@pytest.mark.parametrize(
    "spec",
    [
        {"format": "OPUS", "bitrateKbps": 6, "sampleRateHz": 48000, "channels": 8},
        {"format": "WAV", "sampleRateHz": 192000, "channels": 6, "track": 1},
        {"format": "MP3", "bitrateKbps": 320, "sampleRateHz": 44100, "language": "de-CH"},
        {"format": "Copy", "language": "deu"},
    ],
    ids=str,
)
def test_what_a_format_can_is_understood(spec: dict[str, Any]) -> None:
    assert a_step(extractAudio=spec).extract_audio is not None


def test_each_height_is_made_once() -> None:
    with pytest.raises(ValidationError, match="same height and codec; name each once"):
        a_step(transcode={"renditions": [{"height": 360}, {"height": 360, "crf": 30}]})


@pytest.mark.parametrize("name", ["", "Upper", "a_b", "-a", "a-", "x" * 33, "a/b", "é"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        a_step(name)


@pytest.mark.parametrize("kind", YIELDING_KINDS)
def test_a_step_can_be_from_one_that_yields_above_it(kind: str) -> None:
    found = steps(
        {"name": "a", kind: KINDS[kind]}, {"name": "b", "from": "a", "thumbnails": THUMBNAILS}
    )
    assert found[1].from_ == "a"


@pytest.mark.parametrize(
    "manifests",
    [
        [{"name": "b", "from": "a", "thumbnails": {"count": 1}}],
        [
            {"name": "b", "from": "a", "thumbnails": {"count": 1}},
            {"name": "a", "transcode": TRANSCODE},
        ],
        [
            {"name": "a", "extractAudio": {}},
            {"name": "b", "from": "a", "thumbnails": {"count": 1}},
        ],
        [{"name": "a", "from": "a", "transcode": TRANSCODE}],
    ],
    ids=["missing", "later", "no video", "itself"],
)
def test_from_must_name_an_earlier_step_that_yields(manifests: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match=r"name a step above it .*, or leave `from` out"):
        steps(*manifests)


@pytest.mark.parametrize(
    "manifests",
    [
        [{"name": "q", "quality": {}}],
        [{"name": "a", "transcode": TRANSCODE}, {"name": "q", "quality": {}}],
    ],
    ids=["alone", "from nothing"],
)
def test_quality_is_from_a_transcode(manifests: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="write the transcode that makes them into its `from`"):
        steps(*manifests)


def test_two_steps_can_not_share_a_name() -> None:
    with pytest.raises(ValueError, match="two steps are called 'a'; give each its own name"):
        steps({"name": "a", "transcode": TRANSCODE}, {"name": "a", "extractAudio": {}})
