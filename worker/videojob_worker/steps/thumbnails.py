"""The step ``thumbnails``: still pictures, a contact sheet, sprite sheets with their track.

Found by ``steps.kind_of``. The pass picks several frames for each slot of the film, of which the
best is chosen afterwards; or the very frames of given times. It must not open anything but the
pictures of the pass.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from videojob_api.status import Warn
from videojob_api.steps import Step, Thumbnails

from ..errors import NotDoable, Unverified
from ..graph import Graph, Pictures, Programme, seconds_of
from ..media import Size
from ..nodes import Pick, PickAt
from ..outputs import Finished, PlannedOutput, Produced
from ..scratch import Scratch
from . import StepKind, Workbench, handles

if TYPE_CHECKING:
    from ..pictures import Candidate, Store

MAX_PICTURES = 500
CANDIDATES = 3
"""Frames looked at for each picture."""
MAX_CANDIDATE_PIXELS = 400_000_000
"""Beyond, each picture is the first that comes: they would not fit into the scratch folder."""
_CPU_SECONDS_EACH = 0.002
_CPU_NS_PER_PIXEL = 45


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
        self._slot: Fraction | None = None
        self._length = Fraction(0)
        self._pictures: Pictures | None = None

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Have frames picked; nothing can be ``from`` pictures."""
        picture, video = programme.picture, graph.media.video
        if picture is None or programme.size is None or video is None:
            raise NotDoable(f"Step {self.name!r} needs video, and its source has none.")
        self._length = seconds_of(picture.node, graph.media)
        size = programme.size.scaled_to_width(min(self._spec.width, programme.size.width))
        if self._spec.times is not None:
            pick: Pick | PickAt = self._pick_times(self._spec.times)
            limit = self._count
        else:
            pick, limit = self._pick_slots(size, self._length * video.frame_rate)
        self._pictures = Pictures(self.work, picture, size, pick, self._slot, limit)
        graph.add_pictures(self._pictures)
        return None

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """No media: pictures are looked at when they are chosen."""
        return ()

    @property
    def finishing_cpu_seconds(self) -> float:
        """Reading, rating and writing the pictures."""
        if self._pictures is None:
            return 0.0
        each = _CPU_SECONDS_EACH + self._pictures.size.pixels * _CPU_NS_PER_PIXEL * 1e-9
        return self._pictures.limit * each

    def finish(self, bench: Workbench) -> Finished:
        """Choose the pictures, and lay out the sheets."""
        from .. import pictures  # OpenCV takes a quarter of a second; nobody waits for it earlier

        store = pictures.Store(self._spec.format, self._spec.quality)
        chosen = self._choose()
        bench.progress(0.5)
        self.out.mkdir(parents=True, exist_ok=True)
        produced = []
        if self._spec.separate:
            for number, candidate in enumerate(chosen, start=1):
                path = self.out / f"{number:04}{store.suffix}"
                produced.append(self._produced(path, store, store.write(candidate.path, path)))
        if self._spec.contact_sheet:
            path = self.out / f"contact-sheet{store.suffix}"
            size = pictures.write_contact_sheet(chosen, path, store)
            produced.append(self._produced(path, store, size))
        if self._spec.sprites:
            produced += self._write_sprites(chosen, store)
        return Finished(tuple(produced), self._shortage(len(chosen)))

    def _pick_slots(self, size: Size, frames: Fraction) -> tuple[Pick, int]:
        """Several frames at even distances in each slot, and how many at most."""
        self._count, self._slot = self._slots()
        fits = self._count * CANDIDATES * size.pixels <= MAX_CANDIDATE_PIXELS
        per_slot = CANDIDATES if fits else 1
        centred = frames >= self._count * per_slot * 2
        return Pick(per_slot / self._slot, centred), self._count * per_slot + CANDIDATES

    def _pick_times(self, times: list[float]) -> PickAt:
        inside = sorted({round(time * 1000) for time in times if time < self._length})
        if not inside:
            raise NotDoable(
                f"Step {self.name!r} names times from {min(times):g} s on, and the film lasts "
                f"{float(self._length):.3f} s; name times within it, or a count."
            )
        beyond = [f"{time:g}" for time in sorted(times) if time >= self._length]
        if beyond:
            message = (
                f"The film lasts {float(self._length):.3f} s: no picture of {', '.join(beyond)} s."
            )
            self.warnings.append(self.warn("TimesBeyondEnd", message[:500]))
        self._count = len(inside)
        return PickAt(tuple(inside))

    def _slots(self) -> tuple[int, Fraction]:
        """How many pictures, and how many seconds of film for each."""
        if self._spec.count is not None:
            return self._spec.count, self._length / self._spec.count
        interval = Fraction(self._spec.interval_seconds or 1)
        count = max(1, ceil(self._length / interval))
        if count > MAX_PICTURES:
            self.warnings.append(
                self.warn(
                    "PicturesCapped",
                    f"A picture every {interval} s would be {count} pictures; the first "
                    f"{MAX_PICTURES} were made. Choose a longer interval, or a count.",
                )
            )
        return min(count, MAX_PICTURES), interval

    def _choose(self) -> tuple[Candidate, ...]:
        from .. import pictures

        candidates = sorted(
            pictures.Candidate(path, int(path.stem)) for path in self.work.glob("*.png")
        )
        if not candidates:
            raise Unverified(f"Step {self.name!r} got no picture from the pass.")
        if self._slot is None:
            return tuple(candidates)
        return pictures.choose(candidates, self._count, self._slot)

    def _write_sprites(self, chosen: tuple[Candidate, ...], store: Store) -> list[Produced]:
        from .. import sprites

        spec = self._spec.sprites
        if spec is None:
            return []
        layout = sprites.layout_of(chosen, spec.columns, spec.rows)
        made = []
        for number in range(layout.sheets(len(chosen))):
            path = self.out / sprites.sheet_name(number, store.suffix)
            size = sprites.write_sheet(layout.on_sheet(chosen, number), layout, path, store)
            made.append(self._produced(path, store, size))
        times = [candidate.milliseconds for candidate in chosen]
        starts = sprites.cue_starts(times, self._slot if len(times) == self._count else None)
        track = self.out / "thumbnails.vtt"
        track.write_text(sprites.build_track(starts, self._length, layout, store.suffix))
        return [*made, Produced(track, self.name, track.name, "text/vtt")]

    def _shortage(self, made: int) -> tuple[Warn, ...]:
        if made >= self._count:
            return ()
        message = f"{self._count} pictures were asked for; the film has frames for {made}."
        return (self.warn("FewerPictures", message),)

    def _produced(self, path: Path, store: Store, size: tuple[int, int]) -> Produced:
        return Produced(path, self.name, path.name, store.mime_type, width=size[0], height=size[1])
