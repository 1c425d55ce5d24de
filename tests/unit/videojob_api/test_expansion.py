"""Templates filled in: what comes out, and the sentence for each way in which it can go wrong."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_spec_from_template

from videojob_api.expansion import (
    MAX_STEPS_BYTES,
    ParamsError,
    TemplateError,
    expand,
    fill_in,
    take,
    use_snapshot,
)
from videojob_api.status import TemplateStatus
from videojob_api.steps import Step
from videojob_api.videojob import TemplateRef
from videojob_api.videotemplate import Scalar, VideoTemplateSpec

REF = TemplateRef(name="web")

HEIGHT = {"name": "height", "type": "Integer", "default": 720, "minimum": 64, "maximum": 9999}
SHEET = {"name": "sheet", "type": "Boolean", "default": False}
SIZE = {"name": "size", "enum": ["fast", "slow"]}

WEB = [
    {
        "name": "web",
        "transcode": {
            "renditions": [{"height": "$(params.height)"}],
            "preset": "very$(params.size)",
        },
    },
    {"name": "stills", "thumbnails": {"count": 3, "contactSheet": "$(params.sheet)"}},
]


def a_template(*params: dict[str, Any], steps: Any = WEB, **blocks: Any) -> dict[str, Any]:
    return {"metadata": {"generation": 7}, "spec": {"params": params, "steps": steps, **blocks}}


def filled(*params: dict[str, Any], steps: Any = WEB, **given: str) -> list[Step]:
    spec = VideoTemplateSpec.model_validate({"params": params, "steps": steps})
    return expand(REF, spec, given)


def test_a_value_that_is_nothing_but_a_parameter_has_its_type() -> None:
    web, stills = filled(HEIGHT, SHEET, SIZE, height="1080", sheet="true", size="fast")
    assert web.transcode is not None
    assert web.transcode.renditions[0].height == 1080
    assert stills.thumbnails is not None
    assert stills.thumbnails.contact_sheet is True


@pytest.mark.parametrize(
    ("node", "result"),
    [
        ("$(params.n)", 3),
        ("$(params.b)", True),
        ("$(params.f)", 0.5),
        ("$(params.s)", "$(params.n)"),
        ("n=$(params.n) b=$(params.b)", "n=3 b=true"),
        (["$(params.n)", {"$(params.n)": "$(params.b)"}], [3, {"$(params.n)": True}]),
        ("$$(params.n)", "$(params.n)"),
        ("$$(params.n)-$(params.n)", "$(params.n)-3"),
        ("a$b$", "a$b$"),
        (7, 7),
        (None, None),
    ],
)
def test_values_and_not_texts_are_filled_in(node: Any, result: Any) -> None:
    """The steps' models would read "3" as 3 too; not every field of a later step may."""
    values: dict[str, Scalar] = {"n": 3, "b": True, "f": 0.5, "s": "$(params.n)"}
    filled_in = fill_in(REF, node, values)
    assert (filled_in, type(filled_in)) == (result, type(result))


def test_inside_a_text_it_is_text() -> None:
    web, _ = filled(HEIGHT, SHEET, SIZE, size="fast")
    assert web.transcode is not None
    assert web.transcode.preset == "veryfast"


def test_defaults_stand_in_for_what_is_not_given() -> None:
    web, stills = filled(HEIGHT, SHEET, SIZE, size="fast")
    assert web.transcode is not None
    assert web.transcode.renditions[0].height == 720
    assert stills.thumbnails is not None
    assert stills.thumbnails.contact_sheet is False


def test_what_is_filled_in_is_never_read_again() -> None:
    """A value can't become structure, nor a reference to another parameter."""
    steps = [{"name": "a", "transcode": {"renditions": [{"height": 64}], "preset": "$(params.x)"}}]
    x, secret = {"name": "x"}, {"name": "secret", "default": "slow"}
    with pytest.raises(TemplateError, match=r"steps.*preset"):
        filled(x, secret, steps=steps, x="$(params.secret)")
    with pytest.raises(TemplateError):
        filled(x, secret, steps=steps, x='slow", "crf": 1')


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"size": "fast", "heigth": "3"},
            "VideoTemplate 'web' has no parameter 'heigth' (it has: ",
        ),
        (
            {},
            "VideoTemplate 'web' needs the parameter 'size'; set params.size to one of fast, slow.",
        ),
        ({"size": "fast", "height": "tall"}, "params.height is 'tall'; wanted is a whole number"),
        ({"size": "fast", "height": "63"}, "params.height is '63'; wanted is a whole number of at"),
        ({"size": "slower"}, "params.size is 'slower'; wanted is one of fast, slow"),
    ],
)
def test_params_that_do_not_fit(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(ParamsError) as caught:
        filled(HEIGHT, SHEET, SIZE, **given)
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ({"thumbnails": {"count": "$(params.nowhere)"}}, "uses $(params.nowhere) and declares no"),
        ({"thumbnails": {"count": "$(param.height)"}}, "has '$(param.height)' in its steps; write"),
        ({"thumbnails": {"count": "$(params.height"}}, "has '$(params.height' in its steps; write"),
        ({"sharpen": {}}, "sharpen: Extra inputs"),
        ({"thumbnails": {}}, "exactly one of count, intervalSeconds and times"),
        ({"from": "later", "extractAudio": {}}, "step 'a' is from 'later', which is no earlier"),
    ],
)
def test_a_template_that_is_wrong_says_where(step: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TemplateError) as caught:
        filled(HEIGHT, steps=[{"name": "a", **step}])
    assert "VideoTemplate 'web'" in str(caught.value)
    assert sentence in str(caught.value)


def test_bounds_that_are_wider_than_the_steps_own_are_found_when_used() -> None:
    steps = [{"name": "a", "transcode": {"renditions": [{"height": "$(params.height)"}]}}]
    with pytest.raises(TemplateError) as caught:
        filled(HEIGHT, steps=steps, height="9000")
    assert "(height: 9000)" in str(caught.value)
    assert "transcode.renditions.0.height" in str(caught.value)
    assert "less than or equal to 4320" in str(caught.value)


def test_a_dollar_sign_that_is_meant_is_doubled() -> None:
    steps = [{"name": "a", "transcode": {"renditions": [{"height": 64}], "preset": "$$(x)"}}]
    with pytest.raises(TemplateError) as caught:
        filled(steps=steps)
    assert "steps.0" not in str(caught.value)
    assert "are not understood: transcode.preset" in str(caught.value), "taken as a text"


def test_a_snapshot_that_would_not_fit_the_status_is_refused() -> None:
    long = [{"name": "a", "transcode": {"renditions": [], "preset": "x" * MAX_STEPS_BYTES}}]
    with pytest.raises(TemplateError, match="at most 32768 fit"):
        filled(steps=long)
    grown = [{"name": "a", "extractAudio": {"format": "$(params.x)" * 50}}]
    with pytest.raises(TemplateError, match="at most 32768 fit"):
        filled({"name": "x"}, steps=grown, x="y" * 1000)


# ---- the snapshot


def test_a_snapshot_has_everything_that_is_to_be_done() -> None:
    body = a_template(
        HEIGHT, SHEET, SIZE, resources={"limits": {"cpu": "8"}}, limits={"maxBytes": "8Gi"}
    )
    taken = take(REF, {"size": "fast"}, body)
    assert (taken.kind, taken.name, taken.generation) == ("VideoTemplate", "web", 7)
    assert taken.steps[0]["transcode"]["renditions"] == [{"height": 720}]  # type: ignore[index,call-overload]
    assert taken.resources == {"requests": {}, "limits": {"cpu": "8", "memory": "2Gi"}}
    assert (taken.limits or {})["maxBytes"] == "8Gi"
    assert taken.accelerator is None


def test_a_template_that_is_not_understood_says_so() -> None:
    with pytest.raises(TemplateError, match=r"is not understood: params\.0\.type: .*; mend it"):
        take(REF, {}, a_template({"name": "x", "type": "List"}))
    with pytest.raises(TemplateError, match="serviceAccountName: Extra inputs"):
        take(REF, {}, a_template(serviceAccountName="admin"))


def a_snapshot(**blocks: Any) -> TemplateStatus:
    return take(REF, {"size": "fast"}, a_template(HEIGHT, SHEET, SIZE, **blocks))


def test_blocks_of_the_job_stand_before_those_of_the_template() -> None:
    taken = a_snapshot(
        resources={"limits": {"cpu": "8"}},
        limits={"maxBytes": "8Gi"},
        accelerator={"mode": "Off"},
    )
    spec = a_spec_from_template(resources={"limits": {"cpu": "1"}})
    used = use_snapshot(spec, taken)
    assert [step.name for step in used.steps] == ["web", "stills"]
    assert used.resources.limits.cpu == "1"
    assert used.limits.max_bytes == "8Gi"
    assert used.accelerator.mode == "Off"


def test_without_blocks_anywhere_the_usual_defaults_hold() -> None:
    used = use_snapshot(a_spec_from_template(), a_snapshot())
    assert used.resources.limits.cpu == "2"
    assert used.limits.max_bytes == "2Gi"
    assert used.accelerator.mode == "Auto"
