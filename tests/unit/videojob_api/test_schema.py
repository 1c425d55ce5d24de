"""The CRDs: structural, bounded everywhere, and equal to what stands in crds/."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from videojob_api.schema import (
    BUILDERS,
    build_structural,
    build_videojob_crd,
    build_videostore_crd,
    main,
    render,
)
from videojob_api.steps import STEP_KINDS, Step
from videojob_api.videojob import VideoJobSpec

ROOT = Path(__file__).parents[3]
Node = dict[str, Any]

NODES_OF_THE_API_SERVER = {".apiVersion", ".kind", ".metadata"}
"""The API server has its own bounds for these."""


OPAQUE = {
    f"videojob.status.template.{part}" for part in ("steps[]", "limits", "resources", "accelerator")
}
"""Copies of what a spec held, which no one but the operator writes."""


def schema_of(crd: Node) -> Node:
    (version,) = crd["spec"]["versions"]
    schema: Node = version["schema"]["openAPIV3Schema"]
    return schema


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), dict):
            yield from walk(node[word], f"{path}[]")


def every_node() -> list[tuple[str, Node]]:
    crds = {"videojob": build_videojob_crd(), "videostore": build_videostore_crd()}
    return [
        (f"{kind}{path}", node)
        for kind, crd in crds.items()
        for path, node in walk(schema_of(crd))
        if path not in NODES_OF_THE_API_SERVER
    ]


def is_int_or_string(node: Node) -> bool:
    return bool(node.get("x-kubernetes-int-or-string"))


def test_there_is_something_to_check() -> None:
    paths = dict(every_node())
    assert len(paths) > 100
    assert "videojob.spec.steps[].transcode.renditions[].height" in paths
    assert "videojob.status.conditions[].lastTransitionTime" in paths


def test_no_word_that_a_structural_schema_has_not() -> None:
    for path, node in every_node():
        words = {"$ref", "$defs", "title", "const", "discriminator", "allOf", "oneOf", "not"}
        words |= {"propertyNames", "patternProperties"}
        words |= {"exclusiveMinimum", "exclusiveMaximum"}  # numbers here, true or false there
        assert not words & set(node), path
        assert is_int_or_string(node) or "anyOf" not in node, path


def test_no_set_holds_numbers() -> None:
    """The API server compares 2 and 0.5 in sets wrongly: no status of such a VideoJob gets in."""
    for path, node in every_node():
        if node.get("x-kubernetes-list-type") == "set":
            assert node["items"].get("type") != "number", path


def test_every_node_has_a_type() -> None:
    types = {"object", "array", "string", "integer", "number", "boolean"}
    for path, node in every_node():
        assert is_int_or_string(node) or node.get("type") in types, path


def test_every_string_is_bounded() -> None:
    for path, node in every_node():
        if node.get("type") == "string" or is_int_or_string(node):
            assert "maxLength" in node or "enum" in node, path


def test_every_list_is_bounded() -> None:
    for path, node in every_node():
        if node.get("type") == "array":
            assert "maxItems" in node, path
            assert "items" in node, path


def test_every_object_says_what_it_holds() -> None:
    for path, node in every_node():
        if node.get("type") == "object":
            if node.get("x-kubernetes-preserve-unknown-fields"):
                assert path in OPAQUE, path
                continue
            open_map = isinstance(node.get("additionalProperties"), dict)
            assert node.get("properties") or (open_map and "maxProperties" in node), path
            assert not (node.get("properties") and "additionalProperties" in node), path


def test_defaults_are_inside_their_own_bounds() -> None:
    for path, node in every_node():
        if isinstance(default := node.get("default"), int) and not isinstance(default, bool):
            assert node.get("minimum", default) <= default <= node.get("maximum", default), path
        if "enum" in node and "default" in node:
            assert node["default"] in node["enum"], path


def test_no_default_is_null() -> None:
    for path, node in every_node():
        assert node.get("default", 0) is not None, path
        assert "null" not in yaml.safe_dump(node.get("default", 0)), path


def test_every_integer_is_exact_in_json() -> None:
    """And none is so large that the sum of a few does not fit."""
    status = schema_of(build_videojob_crd())["properties"]["status"]["properties"]
    assert status["outputBytes"]["maximum"] == 2**53
    exit_code = status["failure"]["properties"]["exitCode"]
    assert (exit_code["minimum"], exit_code["maximum"]) == (0, 255)


def test_lists_by_name_have_their_key_required() -> None:
    for path, node in every_node():
        for key in node.get("x-kubernetes-list-map-keys", []):
            assert key in node["items"]["required"], path


def test_every_rule_says_what_to_write() -> None:
    rules = [r for _, node in every_node() for r in node.get("x-kubernetes-validations", [])]
    assert len(rules) >= 8
    for rule in rules:
        assert rule["rule"]
        assert 20 < len(rule["message"]) < 200
        assert "\n" not in rule["message"]


def test_every_field_of_a_spec_is_explained_or_explains_itself() -> None:
    spec = build_structural(VideoJobSpec)
    for name in ("inputs", "steps", "parallelism", "maxFailedInputs", "activeDeadlineSeconds"):
        assert len(spec["properties"][name]["description"]) > 20


def test_a_new_object_is_never_taken_for_a_finished_one() -> None:
    status = schema_of(build_videojob_crd())["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}
    assert status["properties"]["observedGeneration"]["default"] == -1


def test_the_server_fills_no_other_field_of_the_status() -> None:
    status = schema_of(build_videojob_crd())["properties"]["status"]
    filled = [path for path, node in walk(status) if "default" in node]
    assert filled == ["", ".observedGeneration"]


def test_the_server_fills_the_defaults_of_the_spec() -> None:
    spec = schema_of(build_videojob_crd())["properties"]["spec"]["properties"]
    assert spec["parallelism"]["default"] == 4
    assert spec["accelerator"]["properties"]["mode"]["default"] == "Auto"
    assert spec["resources"]["properties"]["limits"]["default"] == {"cpu": "2", "memory": "2Gi"}


@pytest.mark.parametrize("block", ["limits", "resources", "accelerator"])
def test_the_server_fills_no_block_that_a_template_may_bring(block: str) -> None:
    """Filled in, it could not be told from one that the job's author wrote."""
    spec = schema_of(build_videojob_crd())["properties"]["spec"]
    assert "default" not in spec["properties"][block]
    assert block not in spec["required"]


def test_the_server_fills_no_requests_and_the_limits_one_by_one() -> None:
    resources = schema_of(build_videojob_crd())["properties"]["spec"]["properties"]["resources"]
    requests, limits = resources["properties"]["requests"], resources["properties"]["limits"]
    assert requests["default"] == {}
    assert not [name for name, node in requests["properties"].items() if "default" in node]
    assert limits["properties"]["cpu"]["default"] == "2"
    assert limits["properties"]["memory"]["default"] == "2Gi"


@pytest.mark.parametrize("what", ["cpu", "memory"])
def test_the_server_refuses_requests_above_the_limits(what: str) -> None:
    resources = schema_of(build_videojob_crd())["properties"]["spec"]["properties"]["resources"]
    rule = next(r for r in resources["x-kubernetes-validations"] if what in r["rule"])
    assert rule["rule"] == (
        f"!has(self.requests.{what}) || quantity(string(self.requests.{what}))"
        f".compareTo(quantity(string(self.limits.{what}))) <= 0"
    )


@pytest.mark.parametrize("kind", ["s3", "volume"])
def test_the_server_refuses_a_prefix_that_leaves_the_store(kind: str) -> None:
    spec = schema_of(build_videostore_crd())["properties"]["spec"]
    (rule,) = spec["properties"][kind]["properties"]["prefix"]["x-kubernetes-validations"]
    assert rule["rule"] == "!self.contains('../')"


def test_a_missing_store_gets_a_sentence_and_not_a_bare_required() -> None:
    spec = schema_of(build_videojob_crd())["properties"]["spec"]
    assert "storeRef" not in spec["required"]
    rule = spec["x-kubernetes-validations"][0]
    assert rule["rule"] == "has(self.storeRef)"
    assert "storeRef: {name: media}" in rule["message"]


@pytest.mark.parametrize(
    "field", ["storeRef", "inputs", "steps", "templateRef", "params", "limits", "output.prefix"]
)
def test_what_the_work_is_made_of_can_not_be_changed_during_a_run(field: str) -> None:
    spec = schema_of(build_videojob_crd())["properties"]["spec"]
    rules = [r["rule"] for r in spec["x-kubernetes-validations"]]
    (rule,) = [rule for rule in rules if f"self.{field} == oldSelf.{field}" in rule]
    assert rule.startswith("self.runToken != oldSelf.runToken || ")
    if field in ("steps", "templateRef", "params", "limits"):
        rule = rule.removeprefix("self.runToken != oldSelf.runToken || (")
        assert rule.startswith(f"has(self.{field}) == has(oldSelf.{field}) && (!has")


def test_the_union_of_kinds_names_each_of_them() -> None:
    step = build_structural(Step)
    (rule,) = step["x-kubernetes-validations"]
    assert {"name", "from", "onError", *STEP_KINDS} == set(step["properties"])
    for kind in STEP_KINDS:
        assert f"has(self.{kind})" in rule["rule"]


def test_columns_show_what_a_person_asks_for() -> None:
    (version,) = build_videojob_crd()["spec"]["versions"]
    columns = {c["name"]: c.get("priority", 0) for c in version["additionalPrinterColumns"]}
    narrow = [name for name, priority in columns.items() if not priority]
    assert narrow == ["Phase", "Progress", "Step", "Inputs", "Accelerator", "Age"]
    assert [name for name, priority in columns.items() if priority] == ["Message", "Prefix"]
    paths = {path for path, _ in walk(schema_of(build_videojob_crd()))}
    for column in version["additionalPrinterColumns"]:
        assert column["jsonPath"] in paths | {".metadata.creationTimestamp"}


def test_status_is_a_subresource_and_the_names_are_short() -> None:
    crd = build_videojob_crd()
    assert crd["spec"]["versions"][0]["subresources"] == {"status": {}}
    assert crd["spec"]["names"]["shortNames"] == ["vj"]
    assert crd["spec"]["names"]["categories"] == ["video"]
    assert build_videostore_crd()["spec"]["names"]["shortNames"] == ["vst"]


def test_the_crds_of_the_repository_are_the_generated_ones() -> None:
    assert main(["--check", str(ROOT / "crds")]) == 0


def test_a_changed_file_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "crds"
    shutil.copytree(ROOT / "crds", folder)
    changed = folder / "videojobs.yaml"
    changed.write_text(changed.read_text().replace("maxItems: 500", "maxItems: 501"))
    assert main(["--check", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "videojobs.yaml" in said
    assert "videostores.yaml" not in said
    assert "make crds" in said


def test_a_missing_file_is_found_and_check_writes_nothing(tmp_path: Path) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []


def test_generating_writes_all_files_and_then_they_are_current(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(BUILDERS)
    assert main(["--check", str(tmp_path)]) == 0


def test_what_is_rendered_reads_back_the_same() -> None:
    crd = build_videojob_crd()
    text = render(crd)
    assert yaml.safe_load(text) == crd
    assert "&id" not in text
