"""The step ``cloak``: noise over the pictures, new every few frames.

Found by ``steps.kind_of``. It says what noise is wanted; ``feeds`` has it made while the pass runs.
"""

from __future__ import annotations

from dataclasses import replace

from videojob_api.steps import Cloak, Step

from ..errors import NotDoable
from ..graph import Graph, Programme
from ..nodes import PLAIN, Filtered, Noise, Perturb
from ..scratch import Scratch
from ..video import Picture
from . import handles
from .filtering import FilterKind

_COSTLY_BOUND = 0.12
_COSTLY_INTERVAL = 5


@handles(Cloak)
class CloakKind(FilterKind):
    """Adds the same noise to all that is made of the pictures afterwards."""

    needs_video = True

    def __init__(self, step: Step, scratch: Scratch) -> None:
        super().__init__(step, scratch)
        spec = step.spec
        if not isinstance(spec, Cloak):
            raise NotDoable(f"Step {step.name!r} is no cloak.")
        self._spec = spec

    def change(self, graph: Graph, programme: Programme) -> Programme:
        """The pictures in the size that they count as, and noise over them."""
        picture, video = programme.picture, graph.media.video
        if picture is None or programme.size is None or video is None:
            raise NotDoable(f"Step {self.name!r} needs video, and its source has none.")
        self._warn_of_cost()
        if picture.form.hdr:
            message = "Noise is made for ordinary screens, so the film was tone-mapped before it."
            self.warnings.append(self.warn("ToneMapped", message))
        picture = graph.resize(picture, programme.size, PLAIN)
        noise = Noise(
            path=self.work / "noise",
            method=self._spec.method,
            bound=round(self._spec.epsilon * self._spec.strength * 255),
            size=picture.size,
            frame_rate=video.even_rate / self._spec.every_n_frames,
            seed=graph.seed_of(self.name),
        )
        node = Filtered(Perturb(), (picture.node, noise))
        return replace(programme, picture=Picture(node, picture.size, conformed=True))

    def _warn_of_cost(self) -> None:
        spec = self._spec
        why = []
        if spec.every_n_frames < _COSTLY_INTERVAL:
            why.append(f"new noise every {spec.every_n_frames} frames (10 is usual)")
        if spec.epsilon * spec.strength > _COSTLY_BOUND:
            why.append(f"an amplitude of {spec.epsilon * spec.strength:.2f} (0.08 is usual)")
        if why:
            message = (
                f"Encoders spend many times the usual bitrate on {' and '.join(why)}; where a "
                "rendition's cap is reached, both the film and the noise are blurred."
            )
            self.warnings.append(self.warn("BitrateExplodes", message))
