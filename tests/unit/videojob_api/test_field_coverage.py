"""Every field of the CRDs is shown at work by an end-to-end test, or is on a list that only shrinks."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from reachable import examples_in, source_of

ROOT = Path(__file__).parents[3]
E2E = ROOT / "tests" / "e2e"
MAP: dict[str, Any] = yaml.safe_load((E2E / "fields.yaml").read_text())
MOST_NOT_SHOWN = 0
"""Lower it whenever the list gets shorter."""


def leaves(schema: dict[str, Any], path: str) -> Iterator[str]:
    if properties := schema.get("properties"):
        for name, inner in properties.items():
            yield from leaves(inner, f"{path}.{name}")
    elif "properties" in schema.get("items", {}):
        yield from leaves(schema["items"], f"{path}[]")
    else:
        yield path


@functools.cache
def fields_of(plural: str) -> set[str]:
    """The fields of a kind, as paths that begin with the kind."""
    text = (ROOT / "crds" / f"{plural}.yaml").read_text()
    crd = yaml.load(text, yaml.CSafeLoader)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    kind = crd["spec"]["names"]["kind"]
    parts = [part for part in ("spec", "status") if part in schema]
    return {leaf for part in parts for leaf in leaves(schema[part], f"{kind}.{part}")}


def below(fields: set[str], prefix: str) -> set[str]:
    return {field.removeprefix(prefix) for field in fields if field.startswith(prefix)}


@functools.cache
def all_fields() -> set[str]:
    """Of all kinds, each once: a template's steps, and the cluster's template, are as checked below."""
    own = fields_of("videotemplates")
    steps = {field for field in own if field.startswith("VideoTemplate.spec.steps[].")}
    return fields_of("videojobs") | fields_of("videostores") | (own - steps)


def shown() -> list[tuple[str, str]]:
    return [(test, field) for test, fields in MAP["shown"].items() for field in fields]


def covers(pattern: str, field: str) -> bool:
    is_prefix = pattern.endswith(".*")
    return field.startswith(pattern[:-1]) if is_prefix else field == pattern


def test_kinds_that_are_not_listed_have_the_fields_of_those_that_are() -> None:
    job, template = fields_of("videojobs"), fields_of("videotemplates")
    assert below(template, "VideoTemplate.spec.steps[]") == below(job, "VideoJob.spec.steps[]")
    cluster = below(fields_of("clustervideotemplates"), "ClusterVideoTemplate")
    assert cluster == below(template, "VideoTemplate")


def test_every_field_is_shown_at_work_or_on_the_list_of_those_that_are_not() -> None:
    known = [field for _, field in shown()]
    waiting = [field for group in MAP["not_shown_yet"] for field in group["fields"]]
    forgotten = {
        field for field in all_fields() if not any(covers(k, field) for k in (*known, *waiting))
    }
    assert not forgotten, "show them in tests/e2e, and say in tests/e2e/fields.yaml where"
    stale = {k for k in (*known, *waiting) if not any(covers(k, f) for f in all_fields())}
    assert not stale, "there are no such fields any more"
    assert not {w for w in waiting if any(covers(k, w) for k in known)}, "they are shown"
    assert len(set(waiting)) == len(waiting)
    assert all(group["why"] for group in MAP["not_shown_yet"])
    assert len(waiting) == MOST_NOT_SHOWN, "it may only shrink"


@pytest.mark.parametrize("test", MAP["shown"])
def test_the_test_speaks_of_the_field(test: str) -> None:
    """Every word of its path stands in the test, or in a helper, fixture or example that it uses.

    What the operator answers has to be looked at: there an example is not enough.
    """
    file, _, function = test.partition("::")
    source = source_of(E2E / file, function)
    manifests = examples_in(source)
    patterns = MAP["shown"][test]
    for field in (f for f in all_fields() if any(covers(p, f) for p in patterns)):
        _, part, *path = field.replace("[]", "").split(".")
        said = source if part == "status" else f"{source}\n{manifests}"
        silent = [word for word in path if not re.search(rf"\b{word}\b", said)]
        assert not silent, f"{test} says nothing of {silent} in {field}"


def test_what_make_test_leaves_out_shows_just_the_field_that_needs_torch() -> None:
    left_out = set()
    for test, field in shown():
        file, _, function = test.partition("::")
        for node in ast.parse((E2E / file).read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name == function:
                marks = {ast.unparse(mark) for mark in node.decorator_list}
                if marks & {"pytest.mark.large", "pytest.mark.long"}:
                    left_out.add(field)
    assert left_out == {"VideoJob.spec.steps[].cloak.report"}


def test_what_a_test_does_not_use_says_nothing_for_it() -> None:
    source = source_of(E2E / "test_first_job.py", "test_conditions_are_as_kstatus_reads_them")
    assert "observedGeneration" in source
    assert "minio-credentials" in source, "by a fixture, by a helper in another file"
    assert "outputBytes" not in source, "another test of the file"
    assert "tolerations" not in source + examples_in(source)
    absent = source_of(
        E2E / "test_first_job.py", "test_it_succeeds_and_every_object_is_as_its_status_states"
    )
    assert "outputBytes" in absent
    assert "outputsTruncated" not in absent, "it is only said to be absent"
    with pytest.raises(LookupError, match="has no test_nothing"):
        source_of(E2E / "test_first_job.py", "test_nothing")
