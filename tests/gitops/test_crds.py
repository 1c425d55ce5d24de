"""The CRDs as GitOps tools need them: applied from Git, by any of several field managers, without drift."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from videojob_api.schema import BUILDERS

Node = dict[str, Any]
MOST_ANNOTATION_BYTES = 262_144
"""`kubectl apply` keeps a copy of the object in an annotation, and this is the most there may be."""

each_crd = pytest.mark.parametrize("name", BUILDERS)


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), dict):
            yield from nodes(node[word], f"{path}[]")


def schema(name: str) -> Node:
    (version,) = BUILDERS[name]()["spec"]["versions"]
    found: Node = version["schema"]["openAPIV3Schema"]
    return found


@each_crd
def test_it_fits_into_the_annotation_of_an_apply(name: str) -> None:
    assert len(json.dumps(BUILDERS[name]())) < MOST_ANNOTATION_BYTES


@each_crd
def test_it_holds_nothing_that_the_api_server_writes(name: str) -> None:
    crd = BUILDERS[name]()
    assert set(crd) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(crd["metadata"]) == {"name"}
    assert "conversion" not in crd["spec"]


@each_crd
def test_every_default_stands_where_the_api_server_would_put_it(name: str) -> None:
    """A default that lacks the defaults of its own fields would come back changed: endless drift."""
    for path, node in nodes(schema(name)):
        if isinstance(default := node.get("default"), dict):
            filled = {k for k, v in node.get("properties", {}).items() if "default" in v}
            assert filled <= set(default), path


@each_crd
def test_lists_by_key_can_be_merged_by_every_manager(name: str) -> None:
    """Server-side apply needs the keys in every item, whoever writes it."""
    for path, node in nodes(schema(name)):
        for key in node.get("x-kubernetes-list-map-keys", []):
            item = node["items"]
            assert key in item["required"], path
            assert item["properties"][key]["type"] in ("string", "integer"), path
