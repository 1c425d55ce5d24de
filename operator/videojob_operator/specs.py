"""Specs: what is understood of a VideoJob's manifest, as the API server gives it.

Pure. Used by ``observe`` and ``reports``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import ValidationError

from videojob_api.base import read_known
from videojob_api.videojob import VideoJobSpec

Body = dict[str, Any]


class Manifest(NamedTuple):
    """What was understood of a manifest."""

    spec: VideoJobSpec | None
    invalid: str = ""
    """Why it is not understood."""
    unknown: tuple[str, ...] = ()
    """Fields that are not known here; the spec is without them."""


def parse_spec(body: Body) -> Manifest:
    """The manifest's spec without what is not known here, or the sentence why it is not understood.

    New CustomResourceDefinitions come before their operator, and from then on the API server has their
    defaults in every VideoJob that it stores: those at work must not end by that.
    """
    try:
        spec, unknown = read_known(VideoJobSpec, body["spec"])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Manifest(None, invalid=f"spec.{where}: {first['msg']}")
    return Manifest(spec, unknown=tuple(f"spec.{field}" for field in unknown))
