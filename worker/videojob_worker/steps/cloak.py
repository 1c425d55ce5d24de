"""The step ``cloak``: noise over the pictures, new every few frames.

Found by ``steps.kind_of``. It says what noise is wanted; ``feeds`` has it made while the pass runs.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from videojob_api.steps import Cloak, CloakMethod, Step, VideoSettings, settle

from ..classifiers import SURROGATE, check_torch, choose_torch_device
from ..errors import NotDoable
from ..graph import Container, File, Graph, Programme
from ..media import VideoStream
from ..nodes import PLAIN, Filtered, Node, Noise, Perturb, Resample, ToRgb, without_noise
from ..outputs import Finished, PlannedOutput
from ..scratch import Scratch
from ..video import Picture, VideoEncoding, peak_nits
from . import Workbench, handles
from .cloak_report import CloakReportKind, Trial
from .filtering import FilterKind

_TRIAL = settle(VideoSettings(), VideoSettings())
_TRIAL_HEIGHT, _TRIAL_GOP_SECONDS = 720, 4
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
        self._step, self._spec, self._scratch = step, spec, scratch
        self._trials: tuple[Trial, ...] = ()

    def change(self, graph: Graph, programme: Programme) -> Programme:
        """The pictures in the size that they count as, and noise over them."""
        picture, video = programme.picture, graph.media.video
        if picture is None or programme.size is None or video is None:
            raise NotDoable(f"Step {self.name!r} needs video, and its source has none.")
        self._warn_of_cost()
        picture = graph.resize(picture, programme.size, picture.form)
        most = (1 << picture.form.bit_depth) - 1
        rate = video.even_rate / self._spec.every_n_frames
        noise = Noise(
            path=self.work / "noise",
            method=self._spec.method,
            bound=round(self._spec.epsilon * self._spec.strength * most),
            size=picture.size,
            frame_rate=rate,
            seed=graph.seed_of(self.name),
            bit_depth=picture.form.bit_depth,
            seen=self._seen(picture, rate, video) if self._follows else None,
        )
        node = Filtered(Perturb(picture.form), (picture.node, noise))
        cloaked = replace(picture, node=node)
        if self._spec.report:
            self._plan_trials(graph, picture, cloaked, video)
        return replace(programme, picture=cloaked)

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """The film, if this is a leaf, and what is made to be measured."""
        return (*super().outputs(), *(trial.output for trial in self._trials))

    def check_means(self, bench: Workbench) -> None:
        """What gradients need must be there, before the film is worked on."""
        if self._follows:
            check_torch()

    def finish(self, bench: Workbench) -> Finished:
        """Say where the gradients were computed."""
        finished = super().finish(bench)
        if not self._follows:
            return finished
        device = choose_torch_device()
        told = {"surrogate": SURROGATE.title, "device": device.name, "reason": device.reason}
        return replace(finished, measured={self.name: {"gradient": told}})

    @property
    def _follows(self) -> bool:
        """Whether the noise follows from the film."""
        return self._spec.method is CloakMethod.GRADIENT

    def _seen(self, picture: Picture, rate: Fraction, video: VideoStream) -> Node:
        """The middle frame of each stretch with the same noise, as the classifier will see it."""
        frames = Filtered(Resample(rate), (without_noise(picture.node),))
        peak = peak_nits(video) if picture.form.hdr else None
        return Filtered(ToRgb(SURROGATE.size, peak), (frames,))

    def _plan_trials(
        self, graph: Graph, before: Picture, cloaked: Picture, video: VideoStream
    ) -> None:
        """The same rendition with the noise and without, as a transcode would make it."""
        size = before.size.scaled_to_short(min(before.size.short, _TRIAL_HEIGHT))
        for name, picture in (("control", before), ("cloaked", cloaked)):
            encoding = VideoEncoding(
                picture=picture,
                size=size,
                settings=_TRIAL,
                form=PLAIN,
                gop_seconds=_TRIAL_GOP_SECONDS,
                frame_rate=video.even_rate if not video.variable else None,
            )
            file = File(self.work / f"{name}.mp4", Container.FASTSTART_MP4, (encoding,))
            graph.add_file(file)
            output = PlannedOutput(self.name, file, "video/mp4")
            self._trials += (Trial(name, output, encoding),)
        report = CloakReportKind(self._step, self._spec, self._scratch, before, self._trials)
        self.afterwards = (report,)

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
