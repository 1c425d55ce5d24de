"""The pages that list reasons and metrics have all that the code can say, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from fake_cluster import a_world
from prometheus_client import REGISTRY

from videojob_api.reasons import FailReason, RejectReason
from videojob_operator.census import Census
from videojob_operator.metrics import PREFIX

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SUFFIXES = {"counter": "_total", "info": "_info"}


def listed(page: str, heading: str = "", column: int = 0) -> set[str]:
    """The words in one column of a page's tables, below a heading or on all of it."""
    text = (DOCS / page).read_text()
    _, _, below = text.partition(f"\n## {heading}\n") if heading else ("", "", text)
    rows = re.findall(r"^\| (.*) \|$", below.partition("\n## ")[0] if heading else below, re.M)
    return {word for row in rows for word in re.findall(r"`(\w+)`", row.split(" | ")[column])}


def test_every_reason_of_an_input_is_explained() -> None:
    assert listed("reference/reasons.md", "Rejected") == set(RejectReason)
    assert listed("reference/reasons.md", "Failed") == set(FailReason)


def test_every_reason_why_it_waits_is_one_that_the_operator_gives() -> None:
    explained = listed("guide/scheduling.md", "Why it waits", column=2)
    trees = [ast.parse(path.read_text()) for path in (ROOT / "operator").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    said = {node.value for node in nodes if isinstance(node, ast.Constant)}
    assert "WaitingInLine" in explained
    assert explained <= said


def test_every_warning_is_explained() -> None:
    trees = [ast.parse(path.read_text()) for path in (ROOT / "worker").rglob("*.py")]
    constants = dict(pair for tree in trees for pair in named_texts(tree))
    said = {reason for tree in trees for reason in warned(tree, constants)}
    assert {"StepFailed", "DecoderErrors", "ToneMapped"} <= said
    assert listed("reference/reasons.md", "Warnings") == said


def named_texts(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Constants of a module that are texts."""
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name(name)], ast.Constant(str(text))):
                yield name, text


def warned(tree: ast.Module, constants: dict[str, str]) -> Iterator[str]:
    """The reasons of a module's warnings: Warn(reason=…), a step's warn(…, …); not what hands them on."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Name("Warn"), _, keywords):
                reason = next(each.value for each in keywords if each.arg == "reason")
            case ast.Call(ast.Attribute(_, "warn"), [reason, _]):
                pass
            case _:
                continue
        match reason:
            case ast.Constant(str(word)):
                yield word
            case ast.Name(name) if name in constants:
                yield constants[name]


def test_every_metric_is_explained() -> None:
    families = [*REGISTRY.collect(), *Census(a_world()).collect()]
    ours = {f.name + SUFFIXES.get(f.type, "") for f in families if f.name.startswith(PREFIX)}
    assert listed("reference/metrics.md") == {name.removeprefix(f"{PREFIX}_") for name in ours}
