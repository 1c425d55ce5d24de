"""The step ``thumbnails``: still pictures at even distances, and a contact sheet.

Found by ``steps.kind_of``. The pass picks several frames for each slot of the film; the best of
each is chosen afterwards. It must not open anything but the pictures of the pass.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from pathlib import Path

from videojob_api.status import Warn
from videojob_api.steps import Step, Thumbnails

from ..errors import NotDoable, Unverified
from ..graph import Graph, Pictures, Programme
from ..outputs import Finished, PlannedOutput, Produced
from ..scratch import Scratch
from . import StepKind, Workbench, handles

MAX_PICTURES = 500
CANDIDATES = 3
"""Frames looked at for each picture."""
MAX_CANDIDATE_PIXELS = 400_000_000
"""Beyond, each picture is the first that comes: they would not fit into the scratch folder."""


@handles(Thumbnails)
class ThumbnailsKind(StepKind):
    """Chooses the sharpest frame of each slot that is not black."""

    needs_video = True

    def __init__(self, step: Step, scratch: Scratch) -> None:
        super().__init__(step, scratch)
        spec = step.spec
        if not isinstance(spec, Thumbnails):
            raise NotDoable(f"Step {step.name!r} is no thumbnails.")
        self._spec = spec
        self._count = 0
        self._slot = Fraction(1)

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Have frames picked; nothing can be ``from`` pictures."""
        picture, video = programme.picture, graph.media.video
        if picture is None or programme.size is None or video is None:
            raise NotDoable(f"Step {self.name!r} needs video, and its source has none.")
        length = video.duration or graph.media.duration
        self._count, self._slot = self._slots(length)
        frames = length * video.frame_rate
        size = programme.size.scaled_to_width(min(self._spec.width, programme.size.width))
        fits = self._count * CANDIDATES * size.pixels <= MAX_CANDIDATE_PIXELS
        per_slot = CANDIDATES if fits else 1
        graph.add_pictures(
            Pictures(
                folder=self.work,
                picture=picture,
                size=size,
                slot_seconds=self._slot,
                per_slot=per_slot,
                centred=frames >= self._count * per_slot * 2,
                limit=self._count * per_slot + CANDIDATES,
            )
        )
        return None

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """No media: pictures are looked at when they are chosen."""
        return ()

    def finish(self, bench: Workbench) -> Finished:
        """Choose the pictures, and lay out the sheet."""
        from .. import pictures  # OpenCV takes a quarter of a second; nobody waits for it earlier

        candidates = sorted(
            pictures.Candidate(path, int(path.stem)) for path in self.work.glob("*.png")
        )
        if not candidates:
            raise Unverified(f"Step {self.name!r} got no picture from the pass.")
        chosen = pictures.choose(candidates, self._count, self._slot)
        self.out.mkdir(parents=True, exist_ok=True)
        produced = []
        for number, candidate in enumerate(chosen, start=1):
            path = self.out / f"{number:04}.jpg"
            produced.append(self._produced(path, pictures.write_jpeg(candidate.path, path)))
        if self._spec.contact_sheet:
            path = self.out / "contact-sheet.jpg"
            produced.append(self._produced(path, pictures.write_contact_sheet(chosen, path)))
        return Finished(tuple(produced), self._shortage(len(chosen)))

    def _slots(self, length: Fraction) -> tuple[int, Fraction]:
        """How many pictures, and how many seconds of film for each."""
        if self._spec.count is not None:
            return self._spec.count, length / self._spec.count
        interval = Fraction(self._spec.interval_seconds or 1)
        count = max(1, ceil(length / interval))
        if count > MAX_PICTURES:
            self.warnings.append(
                self.warn(
                    "PicturesCapped",
                    f"A picture every {interval} s would be {count} pictures; the first "
                    f"{MAX_PICTURES} were made. Choose a longer interval, or a count.",
                )
            )
        return min(count, MAX_PICTURES), interval

    def _shortage(self, made: int) -> tuple[Warn, ...]:
        if made >= self._count:
            return ()
        message = f"{self._count} pictures were asked for; the film has frames for {made}."
        return (self.warn("FewerPictures", message),)

    def _produced(self, path: Path, size: tuple[int, int]) -> Produced:
        return Produced(path, self.name, path.name, "image/jpeg", width=size[0], height=size[1])
