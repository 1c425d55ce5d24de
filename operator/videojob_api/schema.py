"""Models → the structural CRDs in ``crds/``. Run as ``python -m videojob_api.schema [--check] FOLDER``.

Called by ``make crds`` and the drift check. It knows Kubernetes' rules for schemas (no ``$ref``, no
``anyOf`` with null, bounds on everything) and nothing of video.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from .base import Model
from .names import GROUP, VERSION
from .status import VideoJobStatus
from .steps import Step
from .template_schema import open_to_params
from .videojob import VideoJob, VideoJobSpec
from .videostore import VideoStore, VideoStoreSpec
from .videotemplate import VideoTemplate, VideoTemplateSpec

Schema = dict[str, Any]

_DROPPED = ("title", "discriminator", "$defs", "const", "propertyNames")


def build_structural(model: type[Model]) -> Schema:
    """One model as a structural OpenAPI v3 schema: references inlined, nulls collapsed."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(raw, raw.get("$defs", {}))


def _structural(node: Schema, definitions: dict[str, Schema]) -> Schema:
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        node = {**target, **{k: v for k, v in node.items() if k != "$ref"}}
    if "anyOf" in node and not node.get("x-kubernetes-int-or-string"):
        (only,) = [branch for branch in node["anyOf"] if branch.get("type") != "null"]
        node = {**only, **{k: v for k, v in node.items() if k != "anyOf"}}
        return _structural(node, definitions)
    result = {k: v for k, v in node.items() if k not in _DROPPED}
    if result.get("default", 0) in (None, [], {}):
        del result["default"]
    if isinstance(result.get("default"), dict):
        result["default"] = _without_nulls(result["default"])
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if "properties" in result:
        result["properties"] = {
            name: _structural(child, definitions) for name, child in node["properties"].items()
        }
        result.pop("additionalProperties", None)
    if isinstance(result.get("items"), dict):
        result["items"] = _structural(result["items"], definitions)
    return result


def _without_nulls(node: Schema) -> Schema:
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in node.items()
        if value is not None
    }


def _without_empty_defaults(node: Schema) -> Schema:
    """Status is written whole by the operator; only ``observedGeneration`` is filled by the server."""
    result = {k: v for k, v in node.items() if k != "default"}
    if "properties" in result:
        result["properties"] = {
            name: _without_empty_defaults(child) for name, child in result["properties"].items()
        }
    if isinstance(result.get("items"), dict):
        result["items"] = _without_empty_defaults(result["items"])
    return result


def _crd(kind: str, plural: str, short: str, version: Schema, scope: str = "Namespaced") -> Schema:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["video"],
            },
            "scope": scope,
            "versions": [{"name": VERSION, "served": True, "storage": True, **version}],
        },
    }


def _column(name: str, path: str, *, type_: str = "string", wide: bool = False) -> Schema:
    column: Schema = {"name": name, "type": type_, "jsonPath": path}
    return {**column, "priority": 1} if wide else column


def build_videojob_crd() -> Schema:
    """The CustomResourceDefinition of VideoJob."""
    spec = build_structural(VideoJobSpec)
    # A rule gives a better sentence than the bare "Required value" of the schema.
    spec["required"] = [name for name in spec["required"] if name != "storeRef"]
    spec["x-kubernetes-validations"].insert(
        0,
        {
            "rule": "has(self.storeRef)",
            "message": "storeRef is missing: name the VideoStore that holds the inputs and gets the "
            "results, for example storeRef: {name: media}",
        },
    )
    status = _without_empty_defaults(build_structural(VideoJobStatus))
    status["properties"]["observedGeneration"]["default"] = -1
    return _crd(
        "VideoJob",
        "videojobs",
        "vj",
        {
            "subresources": {"status": {}},
            "selectableFields": [{"jsonPath": ".status.phase"}],
            "additionalPrinterColumns": [
                _column("Phase", ".status.phase"),
                _column("Progress", ".status.progress.percent", type_="integer"),
                _column("Step", ".status.progress.step"),
                _column("Inputs", ".status.inputCounts.total", type_="integer"),
                _column("Accelerator", ".status.accelerator.used"),
                _column("Age", ".metadata.creationTimestamp", type_="date"),
                _column("Message", ".status.message", wide=True),
                _column("Prefix", ".spec.output.prefix", wide=True),
            ],
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "description": VideoJob.__doc__,
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": spec,
                        # Tools never take a new object for a finished one: the generation seen is -1.
                        "status": {**status, "default": {"observedGeneration": -1}},
                    },
                }
            },
        },
    )


def build_videostore_crd() -> Schema:
    """The CustomResourceDefinition of VideoStore."""
    return _crd(
        "VideoStore",
        "videostores",
        "vst",
        {
            "additionalPrinterColumns": [
                _column("Endpoint", ".spec.s3.endpoint"),
                _column("Bucket", ".spec.s3.bucket"),
                _column("Volume", ".spec.volume.claimName"),
                _column("Age", ".metadata.creationTimestamp", type_="date"),
            ],
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "description": VideoStore.__doc__,
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": build_structural(VideoStoreSpec),
                    },
                }
            },
        },
    )


def build_template_crd(kind: str, plural: str, short: str, scope: str) -> Schema:
    """The CustomResourceDefinition of VideoTemplate, or of its sister for the whole cluster."""
    spec = build_structural(VideoTemplateSpec)
    spec["properties"]["steps"] |= {"items": open_to_params(build_structural(Step))}
    return _crd(
        kind,
        plural,
        short,
        {
            "additionalPrinterColumns": [
                _column("Description", ".spec.description"),
                _column("Age", ".metadata.creationTimestamp", type_="date"),
            ],
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "description": VideoTemplate.__doc__
                    if scope == "Namespaced"
                    else "A preset: steps with typed parameters, for VideoJobs of all namespaces.",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": spec,
                    },
                }
            },
        },
        scope,
    )


BUILDERS: dict[str, Callable[[], Schema]] = {
    "videojobs.yaml": build_videojob_crd,
    "videostores.yaml": build_videostore_crd,
    "videotemplates.yaml": functools.partial(
        build_template_crd, "VideoTemplate", "videotemplates", "vt", "Namespaced"
    ),
    "clustervideotemplates.yaml": functools.partial(
        build_template_crd, "ClusterVideoTemplate", "clustervideotemplates", "cvt", "Cluster"
    ),
}


class _PlainDumper(yaml.SafeDumper):
    """No anchors: every schema node stands where it is read."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def render(schema: Schema) -> str:
    """YAML with a line that says where it comes from."""
    body = yaml.dump(schema, Dumper=_PlainDumper, sort_keys=False, width=100, allow_unicode=True)
    return f"# Generated by `make crds` from operator/videojob_api; do not edit.\n{body}"


def keep_files(program: str, texts: Mapping[str, str], argv: list[str] | None) -> int:
    """Write generated files into a folder, or with --check say which of them are out of date.

    Args:
        program: how it is called, for the help.
        texts: what is to be in each file, by its name.
        argv: the command line without the program; None for the process's own.

    Returns:
        The exit status: 1 if a file that is checked is out of date.
    """
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    args = parser.parse_args(argv)
    stale = []
    for name, text in texts.items():
        path = args.folder / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(str(path))
        if not args.check:
            path.write_text(text)
    if stale and args.check:
        print(f"out of date: {', '.join(stale)}; run `make crds` and commit", file=sys.stderr)
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    """The CRDs."""
    texts = {name: render(build()) for name, build in BUILDERS.items()}
    return keep_files("python -m videojob_api.schema", texts, argv)


if __name__ == "__main__":
    sys.exit(main())
