"""Expansion: a template and a VideoJob's params → the steps that are done, as a snapshot.

Pure. Used by the operator at acceptance and by the worker's local runs. The notation is Tekton's,
``$(params.height)``: a value that is nothing else becomes the parameter's own type, inside a longer text
it becomes text. There are no conditions, loops or expressions, and what is filled in is never read again,
so that a value can't turn into structure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue, ValidationError

from .base import Model
from .resources import Resources
from .status import TemplateStatus
from .steps import Step, check_steps
from .videojob import Accelerator, Limits, TemplateRef, VideoJobSpec
from .videotemplate import PARAM_NAME, Param, Scalar, VideoTemplateSpec, as_text

MAX_STEPS_BYTES = 32 * 1024
"""Of the steps of a template before and after expansion: they are kept in the VideoJob's status."""

_MARK = re.compile(rf"(?P<escape>\$\$\()|\$\(params\.(?P<name>{PARAM_NAME})\)|(?P<stray>\$\()")
_BLOCKS: dict[str, type[Model]] = {
    "limits": Limits,
    "resources": Resources,
    "accelerator": Accelerator,
}
"""What a template may bring besides steps."""


class TemplateError(ValueError):
    """The template can't be used by anyone until it is mended; the text is a sentence."""


class ParamsError(ValueError):
    """The VideoJob's params do not fit the template; the text is a sentence."""


def take(ref: TemplateRef, params: Mapping[str, str], body: Mapping[str, Any]) -> TemplateStatus:
    """What a VideoJob takes from a template, given as the API server has it.

    Raises:
        TemplateError: if the template is not understood, or its steps are none once filled in.
        ParamsError: if the params are not those that it asks for.
    """
    try:
        spec = VideoTemplateSpec.model_validate(body.get("spec", {}))
    except ValidationError as error:
        raise TemplateError(f"{ref} is not understood: {first_problem(error)}; mend it.") from error
    steps = expand(ref, spec, params)
    blocks: dict[str, Model | None] = {name: getattr(spec, name) for name in _BLOCKS}
    return TemplateStatus(
        kind=ref.kind,
        name=ref.name,
        generation=body.get("metadata", {}).get("generation", 1),
        steps=[step.wire() for step in steps],
        **{name: block.wire() for name, block in blocks.items() if block is not None},
    )


def expand(ref: TemplateRef, spec: VideoTemplateSpec, params: Mapping[str, str]) -> list[Step]:
    """The template's steps with every parameter filled in, understood as a VideoJob's are.

    Raises:
        TemplateError: if the template uses what it does not declare, or what comes out are no steps.
        ParamsError: for a parameter that is unknown, missing or out of bounds.
    """
    _check_size(ref, spec.steps)
    values = _values(ref, spec, params)
    filled = [fill_in(ref, step, values) for step in spec.steps]
    _check_size(ref, filled)
    try:
        return check_steps([Step.model_validate(step) for step in filled])
    except ValidationError as error:
        raise TemplateError(
            f"The steps of {ref} with these params ({_told(values)}) are not understood: "
            f"{first_problem(error)}; mend the template or its parameters' bounds."
        ) from error
    except ValueError as error:
        raise TemplateError(f"The steps of {ref} do not fit together: {error}") from error


def use_snapshot(spec: VideoJobSpec, taken: TemplateStatus) -> VideoJobSpec:
    """The VideoJob's spec as it is done: its own blocks, else those that were taken.

    Raises:
        pydantic.ValidationError: if a snapshot of another version is not understood.
    """
    blocks = {
        name: model.model_validate(block)
        for name, model in _BLOCKS.items()
        if (block := getattr(taken, name)) is not None and name not in spec.model_fields_set
    }
    steps = check_steps([Step.model_validate(step) for step in taken.steps])
    return spec.model_copy(update={"steps": steps, **blocks})


def first_problem(error: ValidationError) -> str:
    """Where the first problem is and what it is."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    what = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def _values(
    ref: TemplateRef, spec: VideoTemplateSpec, params: Mapping[str, str]
) -> dict[str, Scalar]:
    known = {param.name: param for param in spec.params}
    for name in sorted(set(params) - set(known)):
        has = ", ".join(known) or "none"
        raise ParamsError(
            f"{ref} has no parameter {name!r} (it has: {has}); correct or remove params.{name}."
        )
    return {name: _value(ref, param, params.get(name)) for name, param in known.items()}


def _value(ref: TemplateRef, param: Param, text: str | None) -> Scalar:
    if text is None and param.default is None:
        what = f" ({param.description})" if param.description else ""
        raise ParamsError(
            f"{ref} needs the parameter {param.name!r}{what}; set params.{param.name} to "
            f"{param.wanted}."
        )
    try:
        return param.parse(as_text(param.default) if text is None else text)  # type: ignore[arg-type]
    except ValueError as error:
        raise ParamsError(f"params.{param.name} {error} (by {ref}).") from error


def fill_in(ref: TemplateRef, node: JsonValue, values: Mapping[str, Scalar]) -> JsonValue:
    """A part of the steps with the values in their places.

    Raises:
        TemplateError: for a parameter that the template does not declare, or a stray ``$(``.
    """
    if isinstance(node, dict):
        return {key: fill_in(ref, value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [fill_in(ref, value, values) for value in node]
    if not isinstance(node, str):
        return node

    def value_of(mark: re.Match[str]) -> Scalar:
        if mark["escape"]:
            return "$("
        if mark["stray"]:
            raise TemplateError(
                f"{ref} has {node[:80]!r} in its steps; write $(params.<name>), or $$( for $( itself."
            )
        if mark["name"] not in values:
            raise TemplateError(
                f"{ref} uses $(params.{mark['name']}) and declares no such parameter; add it to "
                "the template's params."
            )
        return values[mark["name"]]

    whole = _MARK.fullmatch(node)
    if whole is not None:
        return value_of(whole)
    return _MARK.sub(lambda mark: as_text(value_of(mark)), node)


def _check_size(ref: TemplateRef, steps: JsonValue | list[Any]) -> None:
    size = len(json.dumps(steps).encode())
    if size > MAX_STEPS_BYTES:
        raise TemplateError(
            f"The steps of {ref} take {size} bytes; at most {MAX_STEPS_BYTES} fit into a VideoJob's "
            "status. Split the template."
        )


def _told(values: Mapping[str, Scalar]) -> str:
    return ", ".join(f"{name}: {as_text(value)[:80]}" for name, value in values.items()) or "none"
