"""The step ``audioMask``: babble over every sound track.

Found by ``steps.kind_of``. How loud the babble is follows from how loud the track was measured to be.
Whoever measures how much a recogniser still understands does it here, in ``finish``, from the file
that a leaf publishes.
"""

from __future__ import annotations

from dataclasses import replace

from videojob_api.steps import AudioMask, MaskLevel, Step

from ..errors import NotDoable
from ..graph import Graph, Programme, seconds_of
from ..loudness import mask
from ..nodes import Looped
from ..scratch import Scratch
from . import handles
from .filtering import FilterKind

_RATIOS_DB = {MaskLevel.WEAK: 10.0, MaskLevel.MEDIUM: 5.0, MaskLevel.STRONG: 0.0}
_MAX_BANK_SECONDS = 60.0
"""Longer films hear the babble again: memory and scratch space do not grow with them."""


@handles(AudioMask)
class AudioMaskKind(FilterKind):
    """Mixes babble into what is heard."""

    needs_audio = True

    def __init__(self, step: Step, scratch: Scratch) -> None:
        super().__init__(step, scratch)
        spec = step.spec
        if not isinstance(spec, AudioMask):
            raise NotDoable(f"Step {step.name!r} is no audioMask.")
        self._ratio_db = _RATIOS_DB.get(spec.level)
        self._bank = self.work / "babble.wav"
        self._seed = b""
        self._seconds = _MAX_BANK_SECONDS

    def change(self, graph: Graph, programme: Programme) -> Programme:
        """Every track with babble as loud as its own loudness asks for."""
        if self._ratio_db is None:
            return programme
        self._seed = graph.seed_of(self.name)
        lengths = [float(seconds_of(sound.node, graph.media)) for sound in programme.sounds]
        self._seconds = min(_MAX_BANK_SECONDS, max(lengths, default=0.0))
        babble = Looped(self._bank)
        masked = (mask(graph, sound, babble, self._ratio_db) for sound in programme.sounds)
        return replace(programme, sounds=tuple(masked))

    def prepare(self) -> None:
        """Write the babble that the pass reads."""
        if self._ratio_db is None or self._bank.exists():
            return
        from ..babble import write_babble  # numpy takes a tenth of a second

        self.work.mkdir(parents=True, exist_ok=True)
        write_babble(self._bank, self._seed, self._seconds)
