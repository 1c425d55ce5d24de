"""A graph as boxes and arrows: what is shown of a plan.

Called by ``preview``. Pure. It names no filter and no encoding: each is shown by its type and its
own fields, so that a new one needs nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any

from .graph import Encoding, File, Graph, Pictures
from .nodes import Decoded, Looped, Node, Noise

_MOST_OF_A_LIST = 4


@dataclass
class Diagram:
    """Boxes with their texts, and arrows between them, each once and in order of making."""

    boxes: dict[str, str] = field(default_factory=dict)
    arrows: dict[tuple[str, str], None] = field(default_factory=dict)
    _names: dict[Any, str] = field(default_factory=dict)

    def add(self, thing: Any, text: str, parents: Iterable[str]) -> str:
        """Draw a box and the arrows into it, unless it is there; its name."""
        if thing not in self._names:
            name = self._names[thing] = f"n{len(self._names) + 1}"
            self.boxes[name] = text
            self.arrows |= dict.fromkeys((parent, name) for parent in parents)
        return self._names[thing]

    @property
    def roots(self) -> list[str]:
        """Boxes that nothing leads to."""
        reached = {to for _, to in self.arrows}
        return [name for name in self.boxes if name not in reached]

    def following(self, name: str) -> list[str]:
        """Where the arrows out of a box lead."""
        return [to for start, to in self.arrows if start == name]


def build_diagram(graph: Graph) -> Diagram:
    """Everything that a pass makes, from the film to the files."""
    diagram = Diagram()
    encoded: dict[Encoding, str] = {}
    for encoding in graph.encodings:
        parent = _add_node(diagram, graph.node_of(encoding))
        encoded[encoding] = diagram.add(encoding, describe(encoding), [parent])
    for file in graph.files:
        diagram.add(file, _describe_file(file), [encoded[e] for e in file.encodings])
    for pictures in graph.pictures:
        parent = _add_node(diagram, graph.node_of(pictures))
        diagram.add(pictures, _describe_pictures(pictures), [parent])
    for node in (*(readings.node for readings in graph.readings), *graph.meters):
        _add_node(diagram, node)
    return diagram


def build_mermaid(diagram: Diagram) -> str:
    """The diagram in Mermaid's notation, which GitHub and many editors draw."""
    lines = ["flowchart LR"]
    for name, text in diagram.boxes.items():
        safe = text.replace('"', "#quot;")
        lines.append(f'  {name}["{safe}"]')
    lines += [f"  {start} --> {end}" for start, end in diagram.arrows]
    return "\n".join(lines) + "\n"


def describe(value: Any) -> str:
    """A value by its type and its fields: ``Scale 1280x720``, ``Pick rate 1/10, centred``."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(value).__name__)
    # What a value keeps out of its own words is a secret here too.
    words = [_field(f.name, getattr(value, f.name)) for f in fields(value) if f.repr]
    return " ".join([name, ", ".join(filter(None, words))]).strip()


def _field(name: str, value: Any) -> str:
    """One field in words; nothing for what is unset, and for what has a box of its own."""
    label = name.replace("_", " ")
    match value:
        case None | False | ():
            return ""
        case True:
            return label
        case Path():
            return value.name
        case Enum():
            return f"{label} {value.name.lower()}"
        case int() | float() | str() | Fraction():
            return f"{label} {value}"
        case tuple() if not any(is_dataclass(each) for each in value):
            shown = ", ".join(str(each) for each in value[:_MOST_OF_A_LIST])
            return f"{label} {shown}" + (" …" if len(value) > _MOST_OF_A_LIST else "")
    # Values that can say themselves do; of others, what matters has a box of its own.
    return str(value) if "__str__" in vars(type(value)) else ""


def _add_node(diagram: Diagram, node: Node) -> str:
    if isinstance(node, Decoded):
        origin = node.file.name if node.file else "film"
        return diagram.add(node, f"{origin} #{node.index}", [])
    if isinstance(node, Noise):
        return diagram.add(node, describe(node), [])
    if isinstance(node, Looped):
        return diagram.add(node, f"{node.path.name}, looped", [])
    parents = [_add_node(diagram, parent) for parent in node.parents]
    return diagram.add(node, describe(node.filter), parents)


def _describe_file(file: File) -> str:
    return f"{file.path.parent.name}/{file.path.name}"


def _describe_pictures(pictures: Pictures) -> str:
    return f"{pictures.folder.name}: up to {pictures.limit} pictures"
