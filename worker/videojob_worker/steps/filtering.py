"""What filter steps have in common: they change the programme, and publish it only as a leaf.

The base of ``audio_mask``, ``clean`` and ``cloak``; it handles no model itself.
"""

from __future__ import annotations

from abc import abstractmethod

from ..film import build_film
from ..graph import Graph, Programme
from ..outputs import Finished, PlannedOutput
from . import StepKind, Workbench


class FilterKind(StepKind):
    """A step that others can be ``from``; if none is, the film as it left it is published."""

    _planned: tuple[PlannedOutput, ...] = ()

    @abstractmethod
    def change(self, graph: Graph, programme: Programme) -> Programme:
        """What it makes of the programme."""

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Change the programme; add the file, if this is a leaf."""
        changed = self.change(graph, programme)
        if self.is_leaf:
            film = build_film(self.out, changed, graph.media)
            graph.add_file(film.file)
            self._planned = (PlannedOutput(self.name, film.file, film.mime_type),)
        return changed

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """The film, if this is a leaf."""
        return self._planned

    def finish(self, bench: Workbench) -> Finished:
        """Nothing is left to do."""
        return Finished(tuple(o.produced(bench.seconds_of(o.path)) for o in self._planned))
