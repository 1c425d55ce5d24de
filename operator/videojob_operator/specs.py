"""Specs: what is understood of a VideoJob's manifest, as the API server gives it.

Pure. Used by ``observe`` and ``reports``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from videojob_api.base import read_known
from videojob_api.videojob import VideoJobSpec

Body = dict[str, Any]


_NEWER = frozenset({"extra_forbidden", "enum", "literal_error"})
"""What the API server lets through by its own schema alone."""


class Manifest(NamedTuple):
    """What was understood of a manifest."""

    spec: VideoJobSpec | None
    invalid: str = ""
    """Why it is not understood."""
    unknown: tuple[str, ...] = ()
    """What only a newer version knows; a spec is without that."""


def parse_spec(body: Body) -> Manifest:
    """The manifest's spec without what is not known here, or the sentence why it is not understood.

    New CustomResourceDefinitions come before their operator, and from then on the API server has their
    defaults in every VideoJob that it stores: those at work must not end by that.
    """
    try:
        spec, unknown = read_known(VideoJobSpec, body["spec"])
    except ValidationError as error:
        problems = error.errors()
        newer = tuple(_name(problem) for problem in problems if problem["type"] in _NEWER)
        return Manifest(None, f"{_name(problems[0])}: {problems[0]['msg']}", newer)
    return Manifest(spec, unknown=tuple(f"spec.{field}" for field in unknown))


def _name(problem: ErrorDetails) -> str:
    return ".".join(str(part) for part in ("spec", *problem["loc"]))
