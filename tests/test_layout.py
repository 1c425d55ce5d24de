"""The shape of the repository: what would break imports, and what would break reading.

``operator/`` only contains packages. If it became one itself, it would stand in front of the standard
library's ``operator`` for whoever starts Python in this folder.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "operator/videojob_api",
    "operator/videojob_operator",
    "worker/videojob_worker",
)
FOLDERS = (".ci", "charts", "docs", "examples", "operator", "tests", "worker")
WRITTEN = (".py", ".sh", ".yaml", ".yml", ".tpl", ".md", ".toml")
GENERATED = ("charts/videojob/files/crds", "docs/reference/videojob.md")
MOST_LINES = 400
ONE_SCREEN = 45


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def our_files() -> list[Path]:
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    files = [path for path in (*ROOT.iterdir(), *inside) if path.suffix in WRITTEN]
    return [path for path in files if not name_of(path).startswith(GENERATED) and path.is_file()]


@pytest.mark.parametrize("folder", ["operator", "worker"])
def test_the_folder_of_packages_is_no_package_and_holds_no_loose_module(folder: str) -> None:
    assert list((ROOT / folder).glob("*.py")) == []


@pytest.mark.parametrize(
    "command",
    [
        ["-S", "-E", "-c", "import operator; operator.itemgetter"],
        ["-S", "-E", "-m", "json.tool", "--help"],
    ],
    ids=["operator", "json.tool"],
)
def test_the_standard_librarys_operator_is_found_from_the_root(command: list[str]) -> None:
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)


def test_the_tests_are_no_packages() -> None:
    """So that files of the same name may stand in several folders."""
    assert [name_of(path) for path in modules("tests") if path.name == "__init__.py"] == []


def test_no_test_stands_where_pytest_would_take_operator_for_a_package() -> None:
    found = [p for p in modules("operator", "worker") if p.name.startswith(("test_", "conftest"))]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_with_modules_is_a_package(package: str) -> None:
    folders = {path.parent for path in modules(package)}
    assert folders
    assert [name_of(f) for f in folders if not (f / "__init__.py").exists()] == []


def test_no_file_is_too_long_to_read() -> None:
    files = our_files()
    assert len(files) > 50
    lines = {name_of(path): len(path.read_text().splitlines()) for path in files}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_every_module_says_what_it_is() -> None:
    silent = [
        name_of(path)
        for path in modules(*PACKAGES, "tests", "charts")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("path", "function"),
    [
        ("operator/videojob_operator/reconcile.py", "reconcile"),
        ("operator/videojob_operator/decide.py", "decide"),
        ("worker/videojob_worker/run.py", "run"),
    ],
)
def test_the_loops_fit_one_screen(path: str, function: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    (found,) = (
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
    )
    assert found.end_lineno is not None
    assert found.end_lineno - found.lineno + 1 <= ONE_SCREEN


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_is_a_drawer(package: str) -> None:
    drawers = {"utils.py", "util.py", "common.py", "helpers.py", "misc.py"}
    assert [name_of(path) for path in modules(package) if path.name in drawers] == []
