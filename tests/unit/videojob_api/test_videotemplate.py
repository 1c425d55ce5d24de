"""Parameters of a template: what each type takes, its bounds, and the sentence for what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from videojob_api.videotemplate import Param, VideoTemplateSpec


def a_param(**fields: Any) -> Param:
    return Param.model_validate({"name": "p", **fields})


@pytest.mark.parametrize(
    ("fields", "text", "value"),
    [
        ({}, "1080", "1080"),
        ({}, "", ""),
        ({"type": "Integer"}, "1080", 1080),
        ({"type": "Integer"}, "-3", -3),
        ({"type": "Number"}, "0.08", 0.08),
        ({"type": "Number"}, "1e-2", 0.01),
        ({"type": "Boolean"}, "true", True),
        ({"type": "Boolean"}, "false", False),
        ({"type": "Integer", "minimum": 64, "maximum": 64}, "64", 64),
        ({"enum": ["MP4", "HLS"]}, "HLS", "HLS"),
        ({"type": "Integer", "enum": [720, "1080"]}, "1080", 1080),
        ({"pattern": "^[a-z]+$", "maxLength": 3}, "abc", "abc"),
        ({"pattern": "^.{1,500}$"}, "é" * 500, "é" * 500),
    ],
)
def test_what_fits_is_read_as_its_type(fields: dict[str, Any], text: str, value: object) -> None:
    read = a_param(**fields).parse(text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("fields", "text", "wanted"),
    [
        ({"type": "Integer"}, "tall", "a whole number"),
        ({"type": "Integer"}, "10.5", "a whole number"),
        ({"type": "Integer"}, "1_000", "a whole number"),
        ({"type": "Integer"}, "9" * 16, "a whole number"),
        ({"type": "Integer", "minimum": 64}, "63", "a whole number of at least 64"),
        (
            {"type": "Number", "minimum": 0.04, "maximum": 0.2},
            "0.21",
            "a number of at least 0.04 and of at most 0.2",
        ),
        ({"type": "Number"}, "NaN", "a number"),
        ({"type": "Number"}, "1e999", "a number"),
        ({"type": "Boolean"}, "True", "true or false"),
        ({"type": "Boolean"}, "yes", "true or false"),
        ({"enum": ["MP4", "HLS"]}, "hls", "one of MP4, HLS"),
        ({"type": "Boolean", "enum": [True]}, "false", "one of true"),
        ({"maxLength": 3}, "abcd", "a text of at most 3 characters"),
        ({"pattern": "^a$"}, "b", "a text that matches ^a$"),
        ({}, "x" * 1025, "a text"),
    ],
)
def test_what_does_not_fit_is_told_what_was_wanted(
    fields: dict[str, Any], text: str, wanted: str
) -> None:
    with pytest.raises(ValueError, match="wanted is") as caught:
        a_param(**fields).parse(text)
    assert str(caught.value).endswith(f"; wanted is {wanted}")
    assert repr(text[:70])[:-1] in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"type": "Integer", "default": "tall"}, "the default is 'tall'; wanted is a whole number"),
        ({"type": "Integer", "default": 5, "minimum": 6}, "the default is '5'"),
        ({"type": "Boolean", "default": 1}, "the default is '1'; wanted is true or false"),
        ({"minimum": 3}, "minimum and maximum are for parameters of type Integer or Number"),
        ({"type": "Boolean", "pattern": "x"}, "pattern and maxLength are for parameters of type"),
        ({"pattern": "(["}, "is no regular expression"),
        ({"pattern": r"(\pL{30}){30}"}, "or too large a one"),
        ({"pattern": "(a{100}){100}"}, "or too large a one"),
        ({"type": "Integer", "enum": ["tall"]}, "enum has 'tall', which is not a whole number"),
        ({"name": "a b"}, "should match pattern"),
        ({"type": "List"}, "'String', 'Integer', 'Number' or 'Boolean'"),
        ({"default": [1]}, "valid"),
        ({"command": "sh"}, "Extra inputs"),
    ],
)
def test_a_parameter_that_contradicts_itself_is_refused(
    fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        a_param(**fields)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("default", [1080, "1080"])
def test_a_default_may_be_written_either_way(default: object) -> None:
    assert a_param(type="Integer", default=default).default == default


def test_a_strangers_pattern_can_not_hold_up_the_operator() -> None:
    """In a backtracking engine this takes longer than the universe has been there."""
    param = a_param(pattern="^(a+)+$")
    with pytest.raises(ValueError, match="wanted"):
        param.parse("a" * 1000 + "b")


@pytest.mark.parametrize(
    "block",
    [
        {"serviceAccountName": "admin"},
        {"scheduling": {}},
        {"storeRef": {"name": "other"}},
        {"resources": {"hostPath": "/"}},
        {"resources": {"limits": {"cpu": "1"}, "claims": []}},
    ],
)
def test_a_template_brings_nothing_but_steps_and_what_they_need(block: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        VideoTemplateSpec.model_validate({"steps": [{"name": "a"}], **block})


def test_only_so_many_patterns_are_compiled() -> None:
    params = [{"name": f"p{i}", "pattern": "a"} for i in range(9)]
    with pytest.raises(ValidationError, match="more than 8 params have a pattern"):
        VideoTemplateSpec.model_validate({"params": params, "steps": [{"name": "a"}]})


def test_two_parameters_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two params have the same name"):
        VideoTemplateSpec.model_validate(
            {"params": [{"name": "a"}, {"name": "a"}], "steps": [{"name": "a"}]}
        )
