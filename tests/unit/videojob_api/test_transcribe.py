"""Transcribe: where its model is, what is refused, what a pod needs for it; and steps that may fail."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from videojob_api.flavours import Flavour, largest
from videojob_api.steps import Step, Transcribe, check_steps
from videojob_api.steps.base import ClaimMount, SecretVariable

ENDPOINT = {"url": "https://api.openai.com/v1", "model": "whisper-1"}


def a_transcribe(**fields: Any) -> Transcribe:
    return Transcribe.model_validate(fields)


def steps(*manifests: dict[str, Any]) -> list[Step]:
    return check_steps(TypeAdapter(list[Step]).validate_python(list(manifests)))


def test_without_anything_the_model_of_the_image_finds_out_the_language() -> None:
    spec = a_transcribe()
    assert (spec.language, spec.model, spec.endpoint) == ("auto", None, None)
    assert [str(each) for each in spec.formats] == ["VTT", "JSON"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"model": {"path": "/m"}, "endpoint": ENDPOINT}, "name one of them"),
        ({"model": {"path": "small"}}, "without it absolute"),
        ({"model": {"path": "/small", "claimName": "models"}}, "the path is relative"),
        ({"model": {"path": "a/../b", "claimName": "models"}}, "../ is in neither"),
        ({"language": "english"}, "pattern"),
        ({"formats": ["VTT", "VTT"]}, "named twice"),
        ({"formats": []}, "at least 1"),
        ({"endpoint": {**ENDPOINT, "url": "ftp://host/v1"}}, "base of the API"),
        ({"endpoint": {**ENDPOINT, "url": "https:///v1"}}, "base of the API"),
        ({"endpoint": {**ENDPOINT, "url": "https://u:p@host/v1"}}, "base of the API"),
        ({"endpoint": {**ENDPOINT, "url": "https://host/v1?key=1"}}, "base of the API"),
        ({"endpoint": {**ENDPOINT, "url": "https://host:99999/v1"}}, "base of the API"),
    ],
)
def test_what_is_wrong_is_refused_with_a_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        a_transcribe(**fields)


@pytest.mark.parametrize(
    ("fields", "flavour", "secrets", "claims"),
    [
        ({}, Flavour.SPEECH, (), ()),
        ({"model": {"path": "/m"}}, Flavour.SPEECH, (), ()),
        (
            {"model": {"path": "tiny", "claimName": "whisper.models"}},
            *(Flavour.SPEECH, (), (ClaimMount("whisper.models", "/volumes/whisper.models"),)),
        ),
        ({"endpoint": ENDPOINT}, Flavour.BASE, (), ()),
        (
            {"endpoint": {**ENDPOINT, "secretRef": {"name": "openai"}}},
            *(Flavour.BASE, (SecretVariable("VIDEOJOB_API_KEY_MY_WORDS", "openai", "apiKey"),), ()),
        ),
    ],
    ids=["image", "path", "volume", "endpoint", "endpoint with a key"],
)
def test_what_a_pod_needs_for_it(
    fields: dict[str, Any], flavour: Flavour, secrets: Any, claims: Any
) -> None:
    spec = a_transcribe(**fields)
    assert (spec.flavour, spec.secrets("my-words"), spec.claims) == (flavour, secrets, claims)


def test_the_largest_flavour_is_enough_for_all() -> None:
    assert largest([]) is Flavour.BASE
    assert largest([Flavour.SPEECH, Flavour.BASE]) is Flavour.SPEECH
    assert largest([Flavour.SPEECH, Flavour.GPU, Flavour.BASE]) is Flavour.GPU


WORDS = {"name": "words", "transcribe": {}}
MP4 = {"name": "web", "transcode": {"renditions": [{"height": 360}], "subtitlesFrom": "words"}}

HEARD = {"name": "heard", "transcribe": {"comparedWith": "words"}}


def test_a_transcode_takes_the_subtitles_of_an_earlier_transcribe() -> None:
    assert steps(WORDS, MP4)[1].spec.subtitles_of == "words"
    assert steps(WORDS, HEARD)[1].spec.subtitles_of == "words"


@pytest.mark.parametrize(
    "manifests",
    [
        (MP4, WORDS),
        (MP4,),
        ({"name": "words", "transcribe": {"formats": ["SRT"]}}, MP4),
        ({"name": "words", "extractAudio": {}}, MP4),
        (HEARD,),
        ({"name": "words", "transcribe": {"formats": ["TXT"]}}, HEARD),
    ],
    ids=["later", "missing", "without VTT", "another kind", "itself", "compared without VTT"],
)
def test_subtitles_come_from_nowhere_else(manifests: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(ValueError, match="no earlier transcribe with VTT"):
        steps(*manifests)


def test_who_depends_on_a_step_that_may_fail_may_fail_too() -> None:
    small = {"name": "small", "transcode": {"renditions": [{"height": 90}]}, "onError": "Continue"}
    words = {**WORDS, "from": "small"}
    with pytest.raises(ValueError, match="give it onError: Continue as well"):
        steps(small, words)
    assert [step.may_fail for step in steps(small, {**words, "onError": "Continue"})] == [True] * 2
