"""The step ``clean``: video and sound without anything that is said about them.

Found by ``steps.kind_of``. No file of any step has metadata, so only what could be taken over from the film
is left out of the programme; as a leaf the film itself is published, and ``traces`` proves what is
left in it. It must not encode.
"""

from __future__ import annotations

from dataclasses import replace

from videojob_api.steps import Clean, Step

from ..errors import NotDoable
from ..graph import Graph, Programme
from ..scratch import Scratch
from . import handles
from .filtering import FilterKind


@handles(Clean)
class CleanKind(FilterKind):
    """Copies what is seen and heard, and nothing else."""

    def __init__(self, step: Step, scratch: Scratch) -> None:
        super().__init__(step, scratch)
        spec = step.spec
        if not isinstance(spec, Clean):
            raise NotDoable(f"Step {step.name!r} is no clean.")
        self._without_sei = spec.remove_sei

    def change(self, graph: Graph, programme: Programme) -> Programme:
        """Pictures and sound, and no words beside them."""
        without_sei = self._without_sei or programme.without_sei
        return replace(programme, subtitles=(), without_sei=without_sei)
