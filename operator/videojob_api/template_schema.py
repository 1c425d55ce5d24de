"""The schema of a template's steps: a step's own, with room for ``$(params.…)`` in every value.

Pure. Called by ``schema`` alone, so that a new field of a step is in the templates' CRDs by itself.
"""

from __future__ import annotations

import re
from typing import Any

from .videotemplate import WHOLE_MARK

Schema = dict[str, Any]

_LITERAL = ("name", "from")
"""Folder names and references between steps can be read off a template as it stands."""
_SHORTEST_TEXT = 128
"""Room for a parameter's name even where the value itself is a short word."""


def open_to_params(step: Schema) -> Schema:
    """A step's schema in which every value below its kind may be, or hold, a parameter."""
    properties = {
        name: child if name in _LITERAL else _open(child)
        for name, child in step["properties"].items()
    }
    return {**step, "properties": properties}


def _open(node: Schema) -> Schema:
    """Field names, bounds and sizes stay; defaults and rules wait for what is filled in."""
    type_ = node.get("type")
    if "properties" in node:
        properties = {name: _open(child) for name, child in node["properties"].items()}
        return {**_kept(node, "type", "required"), "properties": properties}
    if type_ == "array":
        return {**_kept(node, "type", "minItems", "maxItems"), "items": _open(node["items"])}
    if type_ == "object" and isinstance(node.get("additionalProperties"), dict):
        values = _open(node["additionalProperties"])
        return {**_kept(node, "type", "maxProperties"), "additionalProperties": values}
    if type_ == "object":
        return _kept(node, "type", "x-kubernetes-preserve-unknown-fields")
    return _open_value(node)


def _open_value(node: Schema) -> Schema:
    """A number stays within its bounds, a word is one of its own; or it is a parameter."""
    bounds = _kept(node, "minimum", "maximum")
    if node.get("type") == "integer":
        return {**bounds, "x-kubernetes-int-or-string": True, "pattern": WHOLE_MARK}
    if node.get("type") in ("number", "boolean"):
        return {**bounds, "x-kubernetes-preserve-unknown-fields": True}
    longest = max(node.get("maxLength", _SHORTEST_TEXT), _SHORTEST_TEXT)
    if node.get("x-kubernetes-int-or-string"):
        return {**bounds, "x-kubernetes-int-or-string": True, "maxLength": longest}
    text = {**_kept(node), "type": "string", "maxLength": longest}
    if "enum" in node:
        words = "|".join(re.escape(str(word)) for word in node["enum"])
        return {**text, "pattern": f"^({words})$|{WHOLE_MARK}"}
    return text


def _kept(node: Schema, *words: str) -> Schema:
    return {word: node[word] for word in ("description", *words) if word in node}
