"""What a test is made of: its own source, and that of all of ours that it uses, without what is only said.

Used by the check that the end-to-end tests show every field. Names are followed through fixtures,
helpers and constants, in the test's file and in modules that it imports from. Comments, docstrings and
``assert not …`` are left out: what is only said, or said to be absent, shows nothing.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
EXAMPLES = TESTS.parent / "examples"
_FOLDER = re.compile(r"(\d\d)(-[a-z0-9-]+)?(/[a-z-]+\.yaml)?")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def _definitions(path: Path) -> dict[str, ast.stmt]:
    """Everything with a name at the top of a file."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, _Function | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
        elif isinstance(node, ast.Assign):
            names = (n for target in node.targets for n in ast.walk(target))
            found |= {n.id: node for n in names if isinstance(n, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: node for alias in node.names}
    return found


def _resolve(path: Path, name: str) -> tuple[Path, ast.stmt] | None:
    """Where a name of a file is defined: there, in a module of ours, or as a fixture of the folder."""
    for place in (path, path.parent / "conftest.py"):
        node = _definitions(place).get(name) if place.exists() else None
        if isinstance(node, ast.ImportFrom):
            module = f"{(node.module or '').replace('.', '/')}.py"
            homes = [f for f in (TESTS / module, TESTS / "cluster" / module) if f.exists()]
            return _resolve(homes[0], name) if homes else None
        if node is not None:
            return place, node
    return None


def _names(node: ast.stmt) -> Iterator[str]:
    """Every name that a definition uses; a function's arguments are fixtures."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.arg):
            yield inner.arg


class _Doing(ast.NodeTransformer):
    """What is done and seen: no docstrings, and no word that is only said to be absent."""

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        return ast.Pass() if isinstance(node.value, ast.Constant) else node

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        denies = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        return ast.Pass() if denies else node


@functools.cache
def source_of(path: Path, function: str) -> str:
    """The source of a test and of all of ours that it reaches.

    Raises:
        LookupError: if the file has no such function.
    """
    if not isinstance(_definitions(path).get(function), _Function):
        raise LookupError(f"{path.name} has no {function}")
    texts: dict[tuple[Path, str], str] = {}
    waiting = [(path, function)]
    while waiting:
        file, name = waiting.pop()
        found = _resolve(file, name)
        if found is None or (key := (found[0], name)) in texts:
            continue
        home, node = found
        texts[key] = ast.unparse(_Doing().visit(ast.parse(ast.unparse(node))))
        waiting += [(home, inner) for inner in _names(node)]
    return "\n".join(texts.values())


def examples_in(source: str) -> str:
    """The manifests of the examples that a source names: by folder, by number, or one file of a folder."""
    strings = {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    files: set[Path] = set()
    for text in strings:
        if (named := _FOLDER.fullmatch(text)) is None:
            continue
        for folder in EXAMPLES.glob(f"{named[1]}{named[2] or '-*'}"):
            every = sorted(folder.glob("*.yaml"))
            files |= {folder / named[3][1:]} if named[3] else set(every)
    # Parts of a path, as in EXAMPLES / "20-template" / "template.yaml", name one file of the folder.
    chosen = {path for path in files if path.name in strings}
    folders = {path.parent for path in chosen}
    return "\n".join(p.read_text() for p in sorted(files) if p in chosen or p.parent not in folders)
