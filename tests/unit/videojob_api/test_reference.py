"""The reference pages have every field of the CRDs, and every field says what it is."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "reference"
WRITER = runpy.run_path(str(PAGES / "write.py"))
CRDS = [yaml.load(path.read_text(), yaml.CSafeLoader) for path in ROOT.glob("crds/*.yaml")]
SAID_BY_KUBERNETES = ".affinity."


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below, with its path."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
        if isinstance(field.get("items"), dict):
            yield from fields(field["items"], f"{path}.{name}[]")


def all_fields(crd: dict[str, Any]) -> dict[str, dict[str, Any]]:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return {p: f for part in ("spec", "status") for p, f in fields(schema.get(part, {}), part)}


def listed(page: str) -> set[str]:
    """Every field of a page, by its heading and its row."""
    found, heading = set(), ""
    for line in page.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif row := re.match(r"\| `([^`]+)` \|", line):
            found.add(f"{heading}.{row[1]}")
    return found


def kind_of(crd: dict[str, Any]) -> str:
    kind: str = crd["spec"]["names"]["kind"]
    return kind


@pytest.mark.parametrize("crd", CRDS, ids=kind_of)
def test_a_page_has_every_field_and_no_other(crd: dict[str, Any]) -> None:
    text = (PAGES / f"{crd['spec']['names']['singular']}.md").read_text()
    known = set(all_fields(crd))
    if kind_of(crd) == "ClusterVideoTemplate":
        assert "those of [VideoTemplate](videotemplate.md)" in text
        (other,) = (c for c in CRDS if kind_of(c) == "VideoTemplate")
        assert known == set(all_fields(other))
        return
    if kind_of(crd) == "VideoTemplate":
        assert "[spec.steps[]](videojob.md#specsteps)" in text
        known = {field for field in known if not field.startswith("spec.steps[]")}
    assert listed(text) == known


def test_a_page_is_as_the_models_say(tmp_path: Path) -> None:
    assert WRITER["main"](["--check", str(PAGES)]) == 0
    assert WRITER["main"](["--check", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("crd", CRDS, ids=kind_of)
def test_every_field_says_what_it_is(crd: dict[str, Any]) -> None:
    silent = {
        path
        for path, field in all_fields(crd).items()
        if not (field.get("description") or field.get("items", {}).get("description"))
        and SAID_BY_KUBERNETES not in path
    }
    assert silent == set(), "describe them in the model: the text is the user's documentation"


def test_what_a_row_says() -> None:
    text = (PAGES / "videojob.md").read_text()
    rows = text.splitlines()
    assert any(r.startswith("| `storeRef` | object | **required** |") for r in rows)
    assert any(r.startswith("| `parallelism` | integer | `4` | 1 to 500 |") for r in rows)
    assert any(r.startswith("| `maxBytes` | quantity | `2Gi` |") for r in rows)
    assert any(r.startswith("| `mode` | `Auto` or `Required` or `Off` | `Auto` |") for r in rows)
    assert str(2**53) not in text
