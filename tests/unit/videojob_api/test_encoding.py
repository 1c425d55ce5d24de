"""Codecs and what each of them knows; what a rendition takes of its step."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from videojob_api.steps import Transcode
from videojob_api.steps.encoding import TRAITS, Settled, VideoCodec, VideoSettings, settle


def settled(step: dict[str, Any] | None = None, **own: Any) -> Settled:
    return settle(VideoSettings.model_validate(step or {}), VideoSettings.model_validate(own))


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("H264", (23, "veryfast", "high", 8)),
        ("HEVC", (26, "veryfast", "main", 8)),
        ("AV1", (33, "8", "main", 8)),
    ],
)
def test_every_codec_has_its_own_defaults(codec: str, expected: tuple[Any, ...]) -> None:
    found = settled(codec=codec)
    assert (found.crf, found.preset, found.profile, found.bit_depth) == expected


@pytest.mark.parametrize("codec", VideoCodec)
def test_defaults_are_what_the_codec_understands(codec: VideoCodec) -> None:
    traits = TRAITS[codec]
    assert traits.default_preset in traits.presets
    assert 0 < traits.default_crf < traits.max_crf
    assert set(traits.profiles) == {8, 10}


def test_a_rendition_says_more_than_its_step() -> None:
    found = settled({"preset": "slow", "crf": 20, "tune": "film"}, preset="fast")
    assert (found.preset, found.crf, found.tune) == ("fast", 20, "film")


def test_of_another_codec_it_takes_nothing_of_the_step() -> None:
    step = {"preset": "slow", "crf": 20, "tune": "film", "maxBitrateKbps": 900}
    found = settled(step, codec="AV1")
    assert (found.preset, found.crf, found.tune, found.max_bitrate_kbps) == ("8", 33, None, None)


def test_a_bitrate_of_its_own_stands_for_the_steps_rate_factor() -> None:
    assert settled({"crf": 20}, bitrate_kbps=800).crf is None
    assert settled({"bitrateKbps": 800}, crf=20).bitrate_kbps is None


@pytest.mark.parametrize(
    ("said", "depth", "profile"),
    [
        ({"profile": "main10", "codec": "HEVC"}, 10, "main10"),
        ({"bitDepth": 10, "codec": "HEVC"}, 10, "main10"),
        ({"bitDepth": 10, "codec": "AV1"}, 10, "main"),
        ({"bitDepth": 10}, 10, "high10"),
    ],
)
def test_profile_and_bit_depth_follow_each_other(
    said: dict[str, Any], depth: int, profile: str
) -> None:
    found = settled(**said)
    assert (found.bit_depth, found.profile) == (depth, profile)


@pytest.mark.parametrize(
    ("said", "keeps"),
    [
        ({"codec": "HEVC", "bitDepth": 10}, True),
        ({"codec": "AV1", "bitDepth": 10}, True),
        ({"codec": "AV1", "bitDepth": 10, "hdr": "ToneMap"}, False),
        ({"codec": "HEVC"}, False),
        ({"codec": "H264", "bitDepth": 10}, False),
    ],
    ids=str,
)
def test_high_dynamic_range_is_kept_where_it_can_be(said: dict[str, Any], keeps: bool) -> None:
    assert settled(**said).keeps_hdr is keeps


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"codec": "AV1", "preset": "fast"}, "AV1 has no preset fast; choose '2', '3'"),
        ({"preset": "8"}, "H264 has no preset 8; choose ultrafast"),
        ({"codec": "HEVC", "tune": "film"}, "HEVC has no tune film; choose animation"),
        ({"codec": "AV1", "tune": "grain"}, "AV1 has no tune grain; choose vq or psnr"),
        ({"codec": "HEVC", "profile": "high"}, "HEVC has no profile high of 8 bit; it has main"),
        ({"profile": "high", "bitDepth": 10}, "no profile high of 10 bit; it has high10"),
        ({"codec": "HEVC", "profile": "main10", "bitDepth": 8}, "no profile main10 of 8 bit"),
        ({"crf": 55}, "H264 has crf 0 to 51, not 55"),
        ({"crf": 20, "bitrateKbps": 900}, "exclude each other"),
        ({"bitrateKbps": 900, "maxBitrateKbps": 800}, "less than bitrateKbps"),
        ({"hdr": "Keep"}, "needs bitDepth: 10 and codec HEVC or AV1, not H264 of 8 bit"),
    ],
    ids=str,
)
def test_what_a_codec_does_not_know_is_refused_with_what_it_knows(
    said: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        settled(**said)
    with pytest.raises(ValidationError, match=words):
        Transcode.model_validate({"renditions": [{"height": 360, **said}]})


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"gopSeconds": 3}, r"segmentSeconds \(4\) must be a multiple of gopSeconds \(3\)"),
        ({"trim": {"startSeconds": 4, "endSeconds": 4}}, "it must end later"),
        ({"watermark": {"key": "a/../../b.png"}}, "leaves the store's prefix"),
        ({"watermark": {"key": "a.png", "opacity": 0}}, "greater than or equal to 0.01"),
        ({"audio": {"channels": 9}}, "less than or equal to 8"),
        ({"audio": {"channels": 4}}, r"is 1, 2, 6 \(5\.1\) or 8 \(7\.1\), and not 4"),
    ],
    ids=str,
)
def test_what_can_not_be_made_is_refused(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Transcode.model_validate({"renditions": [{"height": 360}], **spec})


def test_one_height_in_two_codecs() -> None:
    both = [{"height": 360}, {"height": 360, "codec": "AV1"}]
    assert len(Transcode.model_validate({"renditions": both}).renditions) == 2
    with pytest.raises(ValidationError, match="same height and codec"):
        Transcode.model_validate({"renditions": [*both, {"height": 360, "codec": "H264"}]})


def test_a_watermark_is_needed_besides_the_input() -> None:
    spec = {"renditions": [{"height": 360}], "watermark": {"key": "logo.png"}}
    assert Transcode.model_validate(spec).assets == ("logo.png",)
    assert Transcode.model_validate({"renditions": [{"height": 360}]}).assets == ()
