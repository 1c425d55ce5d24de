"""Shows the plan of a job without running it: as text, as a picture, as JSON.

Called by ``local``. It looks at the film, for the plan depends on it; nothing is made or published.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from .budget import Budget
from .costs import in_words
from .diagram import Diagram, build_diagram, build_mermaid
from .media import MediaInfo
from .plan import Pass, Plan
from .scratch import Scratch

FORMATS = ("text", "mermaid", "json")
_SCRATCH = "/scratch"
"""Stands for the scratch folder, which has another name each time: equal plans look equal."""


@dataclass(frozen=True)
class Preview:
    """The plan for one input."""

    input_name: str
    media: MediaInfo
    plan: Plan
    budget: Budget
    scratch: Scratch

    def show(self, form: str) -> None:
        """Print it in one of the ``FORMATS``."""
        if form == "json":
            print(json.dumps(self._body(), indent=1))
        elif form == "mermaid":
            for stage in self.plan.stages:
                print(f"%% {self.input_name}, pass {stage.name}")
                print(build_mermaid(build_diagram(stage.graph)))
        else:
            self._print_text()

    def commands(self, stage: Pass) -> list[str]:
        """The pass, and what runs beside it, as a shell would read them."""
        root = str(self.scratch.root)
        return [shlex.join(word.replace(root, _SCRATCH) for word in a) for a in stage.commands]

    def _body(self) -> dict[str, Any]:
        return {
            "input": self.input_name,
            "source": self.media.facts().wire(),
            "passes": [
                {
                    "name": stage.name,
                    "steps": list(stage.steps),
                    "cpuSeconds": round(stage.weight, 1),
                    "finishingCpuSeconds": round(stage.finishing_weight, 1),
                    "memoryBytes": stage.memory_bytes,
                    "scratchBytes": stage.scratch_bytes,
                    "timeoutSeconds": round(stage.timeout_seconds),
                    "command": self.commands(stage)[0],
                    "beside": self.commands(stage)[1:],
                    "graph": build_mermaid(build_diagram(stage.graph)),
                }
                for stage in self.plan.stages
            ],
            "warnings": [warning.wire() for warning in self.plan.warnings],
        }

    def _print_text(self) -> None:
        from rich.console import Console
        from rich.table import Table

        console = Console(soft_wrap=True, highlight=False, markup=False)
        facts = self.media.facts()
        size = f" {facts.width}x{facts.height}" if facts.width else ""
        console.print(f"{self.input_name}: {facts.mime_type}{size}, {facts.duration_seconds:g} s")
        table = Table("pass", "steps", "CPU s", "after it", "memory", "scratch", box=None)
        for stage in self.plan.stages:
            table.add_row(
                *(stage.name, ", ".join(stage.steps)),
                *(f"{stage.weight:.1f}", f"{stage.finishing_weight:.1f}"),
                *(in_words(stage.memory_bytes), in_words(stage.scratch_bytes)),
            )
        console.print(table)
        console.print(f"estimates, on {self.budget.threads} threads")
        for warning in self.plan.warnings:
            console.print(f"warning: {warning.message}")
        for stage in self.plan.stages:
            console.print()
            console.print(_build_tree(stage.name, build_diagram(stage.graph)))
            console.print()
            console.print("\n\n".join(self.commands(stage)))


def _build_tree(title: str, diagram: Diagram) -> Any:
    """The picture for a terminal; a box that several lead to is drawn out below the first."""
    from rich.tree import Tree

    tree, drawn = Tree(title), set[str]()

    def grow(branch: Any, name: str) -> None:
        if name in drawn:
            branch.add(f"{diagram.boxes[name]} (above)")
            return
        drawn.add(name)
        twig = branch.add(diagram.boxes[name])
        for following in diagram.following(name):
            grow(twig, following)

    for root in diagram.roots:
        grow(tree, root)
    return tree
