"""JSON schemas for kubeconform, made here instead of fetched from the net.

Called by `test_chart.py`. Those of Kubernetes come from the OpenAPI document in the module that the
local cluster is built from; those of VideoJobs and VideoStores from their CustomResourceDefinitions.
All of them are closed: a field that does not exist is an error.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

_TOOL = Path(__file__).parents[1] / "cluster" / "tools" / "kubernetes"
_PREFIX = "#/definitions/"
# What the document calls a string may be written as a number too.
_NUMERIC = ("IntOrString", "resource.Quantity")

LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"
"""How kubeconform finds the schema of a kind, in the folder that `write` fills."""


def write(folder: Path, kinds: Iterable[tuple[str, str]], crds: Iterable[Path]) -> None:
    """Fill a folder with the schemas of these (apiVersion, kind) and of our own resources."""
    definitions = _kubernetes_definitions()
    for api_version, kind in kinds:
        name = _find(definitions, api_version, kind)
        schema = {"$ref": _PREFIX + name, "definitions": _needed(name, definitions)}
        _path(folder, api_version, kind).write_text(json.dumps(schema))
    for path in crds:
        crd = yaml.safe_load(path.read_text())["spec"]
        for version in crd["versions"]:
            api_version = f"{crd['group']}/{version['name']}"
            schema = _closed(version["schema"]["openAPIV3Schema"])
            _path(folder, api_version, crd["names"]["kind"]).write_text(json.dumps(schema))


def _kubernetes_definitions() -> dict[str, Schema]:
    """The definitions of the Kubernetes version that the local cluster runs."""
    command = ["go", "mod", "download", "-json", "k8s.io/kubernetes"]
    env = {**os.environ, "GOWORK": "off"}
    answer = subprocess.run(
        command, cwd=_TOOL, env=env, check=True, stdout=subprocess.PIPE, text=True
    )
    document = Path(json.loads(answer.stdout)["Dir"], "api/openapi-spec/swagger.json")
    definitions: dict[str, Schema] = json.loads(document.read_text())["definitions"]
    return definitions


def _path(folder: Path, api_version: str, kind: str) -> Path:
    group, _, version = api_version.rpartition("/")
    suffix = "-".join(part for part in (group.split(".")[0], version) if part)
    return folder / f"{kind.lower()}-{suffix}.json"


def _find(definitions: dict[str, Schema], api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    wanted = {"group": group, "version": version, "kind": kind}
    for name, definition in definitions.items():
        if wanted in definition.get("x-kubernetes-group-version-kind", []):
            return name
    raise LookupError(f"Kubernetes has no {kind} of {api_version}")


def _needed(name: str, definitions: dict[str, Schema]) -> dict[str, Schema]:
    """A definition and all that it refers to, closed."""
    needed: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in needed:
            numeric = each.endswith(_NUMERIC)
            needed[each] = {"type": ["string", "number"]} if numeric else _closed(definitions[each])
            waiting += _references(definitions[each])
    return needed


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"].removeprefix(_PREFIX)] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    return (
        [found for value in node for found in _references(value)] if isinstance(node, list) else []
    )


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _closed(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "additionalProperties" not in node:
        closed["additionalProperties"] = False
    return closed
