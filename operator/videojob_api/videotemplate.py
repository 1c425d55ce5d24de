"""VideoTemplate and ClusterVideoTemplate: presets, that is steps with typed parameters.

Pure. A VideoJob names one of them and gives it params; ``expansion`` fills them in. A template holds
what a job's author could write himself and nothing else: no account, no volume, no privilege.
"""

from __future__ import annotations

import functools
import json
import math
import re
from enum import StrEnum
from typing import Annotated, Any

import re2
from pydantic import (
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    model_validator,
)

from .base import Model
from .resources import Resources
from .step_rules import FROM_RULES
from .videojob import LIST_BY_NAME, MAX_PARAM_LENGTH, Accelerator, Limits

Scalar = bool | int | float | str
"""What a parameter can be."""

AnyScalar = Annotated[
    bool | int | float | str, WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True})
]
"""As it stands in a manifest: a structural schema has no word for "a number or a text"."""

PARAM_NAME = r"[A-Za-z][A-Za-z0-9_-]*"
WHOLE_MARK = rf"^\$\(params\.{PARAM_NAME}\)$"
MAX_PARAMS = 32
MAX_PATTERNS = 8
"""Of a template: the worst of them takes tens of milliseconds to compile."""
MAX_TEMPLATE_STEPS = 32

_INTEGER = re.compile(r"-?\d{1,15}")


class ParamType(StrEnum):
    """What a parameter's value is read as."""

    STRING = "String"
    INTEGER = "Integer"
    NUMBER = "Number"
    BOOLEAN = "Boolean"


_READ_AS = {
    ParamType.STRING: "a text",
    ParamType.INTEGER: "a whole number",
    ParamType.NUMBER: "a number",
    ParamType.BOOLEAN: "true or false",
}


def _only_for(fields: tuple[str, str], types: str, what: str) -> dict[str, str]:
    has = " || ".join(f"has(self.{field})" for field in fields)
    return {
        "rule": f"!({has}) || self.type in [{types}]",
        "message": f"{fields[0]} and {fields[1]} are for {what}",
    }


_PARAM_RULES: list[JsonValue] = [
    dict(
        _only_for(
            ("minimum", "maximum"), "'Integer', 'Number'", "parameters of type Integer or Number"
        )
    ),
    dict(_only_for(("pattern", "maxLength"), "'String'", "parameters of type String")),
]


class Param(Model):
    """One parameter; without a default, every VideoJob has to give it."""

    name: Annotated[str, Field(pattern=f"^{PARAM_NAME}$", min_length=1, max_length=63)] = Field(
        description="Written as $(params.<name>) in the steps."
    )
    type: ParamType = Field(
        default=ParamType.STRING,
        description="A value that is nothing but $(params.<name>) becomes a value of this type.",
    )
    description: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="What it is for; said to whoever leaves it out."
    )
    default: AnyScalar | None = Field(
        default=None, description="The value for VideoJobs that give none."
    )
    minimum: float | None = Field(default=None, description="Least Integer or Number.")
    maximum: float | None = Field(default=None, description="Greatest Integer or Number.")
    enum: Annotated[list[AnyScalar], Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="The only values there are."
    )
    pattern: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="Regular expression (RE2) that a String must match."
    )
    max_length: Annotated[int, Field(ge=1, le=MAX_PARAM_LENGTH)] | None = Field(
        default=None, description="Most characters of a String."
    )

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": _PARAM_RULES})

    def parse(self, text: str) -> Scalar:
        """Read a value and hold it against the parameter's own rules.

        Raises:
            ValueError: saying what was wanted instead.
        """
        value = self._read(text)
        fits = value is not None and self._allows(value)
        if value is None or not fits:
            raise ValueError(f"is {_shown(text)}; wanted is {self.wanted}")
        return value

    @property
    def wanted(self) -> str:
        """What a value has to be, in words."""
        if self.enum is not None:
            return f"one of {', '.join(as_text(value) for value in self.enum)}"
        bounds = [
            text
            for text, bound in (
                (f"of at least {_plain(self.minimum)}", self.minimum),
                (f"of at most {_plain(self.maximum)}", self.maximum),
                (f"of at most {self.max_length} characters", self.max_length),
                (f"that matches {self.pattern}", self.pattern),
            )
            if bound is not None
        ]
        return f"{_READ_AS[self.type]} {' and '.join(bounds)}".strip()

    def _read(self, text: str) -> Scalar | None:
        if self.type is ParamType.STRING:
            return text
        if self.type is ParamType.BOOLEAN:
            return {"true": True, "false": False}.get(text)
        if self.type is ParamType.INTEGER:
            return int(text) if _INTEGER.fullmatch(text) else None
        try:
            number = float(text)
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def _allows(self, value: Scalar) -> bool:
        if self.enum is not None and value not in [self._read(as_text(v)) for v in self.enum]:
            return False
        if isinstance(value, str):
            longest = self.max_length or MAX_PARAM_LENGTH
            matches = self.pattern is None or _compile(self.pattern).search(value) is not None
            return len(value) <= longest and matches
        least = -math.inf if self.minimum is None else self.minimum
        greatest = math.inf if self.maximum is None else self.maximum
        return least <= value <= greatest

    @model_validator(mode="after")
    def _is_consistent(self) -> Param:
        numeric = self.type in (ParamType.INTEGER, ParamType.NUMBER)
        if not numeric and (self.minimum is not None or self.maximum is not None):
            raise ValueError("minimum and maximum are for parameters of type Integer or Number")
        if self.type is not ParamType.STRING and (self.pattern or self.max_length):
            raise ValueError("pattern and maxLength are for parameters of type String")
        if self.pattern is not None:
            try:
                _compile(self.pattern)
            except re2.error as error:
                raise ValueError(
                    f"pattern {self.pattern!r} is no regular expression of RE2's, or too large a one"
                ) from error
        for value in self.enum or []:
            if self._read(as_text(value)) is None:
                raise ValueError(f"enum has {as_text(value)!r}, which is not {_READ_AS[self.type]}")
        if self.default is not None:
            try:
                self.parse(as_text(self.default))
            except ValueError as error:
                raise ValueError(f"the default {error}") from error
        return self


_RE2 = re2.Options()
_RE2.max_mem = 1 << 20
_RE2.log_errors = False


@functools.lru_cache(maxsize=256)
def _compile(pattern: str) -> Any:
    """By RE2, which is linear in time and bounded in memory: the pattern may be a stranger's.

    Raises:
        re2.error: for what is no regular expression, or one that takes too much to compile.
    """
    return re2.compile(pattern, _RE2)


def as_text(value: Scalar) -> str:
    """A value as it is written in YAML: ``true``, not ``True``."""
    return value if isinstance(value, str) else json.dumps(value)


def _plain(bound: float | None) -> str:
    return "" if bound is None else f"{bound:g}" if bound != int(bound) else str(int(bound))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}…")


_PATTERNS_MESSAGE = f"more than {MAX_PATTERNS} params have a pattern; use enum or maxLength"


class VideoTemplateSpec(Model):
    """Steps with parameters, and what they need to run well."""

    description: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="What it is for, in a sentence."
    )
    params: Annotated[list[Param], Field(max_length=MAX_PARAMS)] = Field(
        default_factory=list,
        description="What a VideoJob may set.",
        json_schema_extra=LIST_BY_NAME,
    )
    steps: Annotated[
        list[dict[str, JsonValue]], Field(min_length=1, max_length=MAX_TEMPLATE_STEPS)
    ] = Field(
        description="As in a VideoJob; any value but a step's name and from may be, or hold, "
        "$(params.<name>). $$( stands for $( itself.",
        json_schema_extra=LIST_BY_NAME,
    )
    limits: Limits | None = Field(
        default=None, description="For VideoJobs without limits of their own."
    )
    resources: Resources | None = Field(
        default=None, description="For VideoJobs without resources of their own."
    )
    accelerator: Accelerator | None = Field(
        default=None, description="For VideoJobs without an accelerator of their own."
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                *FROM_RULES,
                {
                    "rule": "!has(self.params) || self.params.filter(p, has(p.pattern)).size() <= "
                    f"{MAX_PATTERNS}",
                    "message": _PATTERNS_MESSAGE,
                    "fieldPath": ".params",
                },
            ]
        }
    )

    @model_validator(mode="after")
    def _params_are_a_few_different_ones(self) -> VideoTemplateSpec:
        names = [param.name for param in self.params]
        if len(set(names)) != len(names):
            raise ValueError("two params have the same name; give each its own")
        if sum(1 for param in self.params if param.pattern) > MAX_PATTERNS:
            raise ValueError(_PATTERNS_MESSAGE)
        return self


class VideoTemplate(Model):
    """A preset: steps with typed parameters, for VideoJobs of its namespace."""

    model_config = ConfigDict(extra="ignore")

    api_version: str
    kind: str
    metadata: dict[str, Any]
    spec: VideoTemplateSpec
