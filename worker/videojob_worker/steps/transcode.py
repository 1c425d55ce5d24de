"""The step ``transcode``: H.264 and AAC in one or more sizes, as files or for streaming.

Found by ``steps.kind_of``. Here the sizes are chosen; ffmpeg writes the media, and ``packager`` makes
a package of them. It must not run processes.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from videojob_api.status import Warn
from videojob_api.steps import Packaging, Step, Transcode
from videojob_api.steps import Rendition as RenditionSpec

from .. import captions
from ..errors import NotDoable
from ..graph import (
    Container,
    File,
    Graph,
    Programme,
    VideoEncoding,
)
from ..loudness import normalise
from ..media import Size
from ..outputs import Finished, PlannedOutput
from ..packager import DEFAULT_SOUND, Packager
from ..packaging.package import Subtitles
from ..scratch import Scratch
from ..sounds import AudioCodec, AudioEncoding, Sound
from . import StepKind, Workbench, handles

_MAX_LATE_SECONDS = Fraction(1, 20)


@handles(Transcode)
class TranscodeKind(StepKind):
    """Encodes every size that the source can fill."""

    needs_video = True

    def __init__(self, step: Step, scratch: Scratch) -> None:
        super().__init__(step, scratch)
        spec = step.spec
        if not isinstance(spec, Transcode):
            raise NotDoable(f"Step {step.name!r} is no transcode.")
        self._spec = spec
        self._planned: list[PlannedOutput] = []

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Add the files; pass on the largest size with the sound as it came."""
        picture, video = programme.picture, graph.media.video
        if picture is None or programme.size is None or video is None:
            raise NotDoable(f"Step {self.name!r} needs video, and its source has none.")
        segmented = self._spec.packaging is not Packaging.MP4
        even = segmented or not video.variable
        # Players of segments ignore by how much the pictures begin after the sound.
        late = video.start - graph.media.start > max(1 / video.frame_rate, _MAX_LATE_SECONDS)
        encodings = [
            VideoEncoding(
                picture=picture,
                size=size,
                crf=spec.crf,
                preset=self._spec.preset.value,
                gop_seconds=self._spec.segment_seconds,
                frame_rate=video.even_rate if even else None,
                resampled=segmented and (video.variable or late),
            )
            for size, spec in self._choose_sizes(programme.size)
        ]
        default = programme.default_sound
        apart = programme.sounds if segmented else ()
        for encoding in encodings:
            within = [] if segmented or default is None else [self._encode(graph, default)]
            name = f"{encoding.size.short}p.mp4"
            self._plan(graph, name, "video/mp4", segmented, (encoding, *within))
        for number, sound in enumerate(sorted(apart, key=lambda s: s is not default), start=1):
            stem = DEFAULT_SOUND if number == 1 else f"{DEFAULT_SOUND}-{number}"
            self._plan(graph, f"{stem}.mp4", "audio/mp4", segmented, (self._encode(graph, sound),))
        files = tuple(output.file for output in self._planned if output.video)
        return replace(programme, size=encodings[0].size, files=files)

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """One file for each size, and for streaming one for each sound track."""
        return tuple(self._planned)

    def finish(self, bench: Workbench) -> Finished:
        """Package the files."""
        packager = Packager(self.name, self._spec.packaging, self._spec.segment_seconds)
        subtitles, warnings = self._take_words(bench)
        return Finished(packager.finish(self._planned, subtitles), warnings)

    def _take_words(self, bench: Workbench) -> tuple[list[Subtitles], tuple[Warn, ...]]:
        """Subtitles that an earlier step made: into an MP4, or beside the files of a package."""
        step = self._spec.subtitles_from
        if step is None:
            return [], ()
        words = captions.find_words(bench.made.get(step, ()))
        if words is None:
            message = f"Step {step!r} has failed, so there are no subtitles."
            return [], (self.warn("SubtitlesMissing", message),)
        if self._spec.packaging is not Packaging.MP4:
            return [captions.lay_beside(words, self.out)], ()
        for output in self._planned:
            captions.put_into(output.path, words, bench)
        return [], ()

    def _choose_sizes(self, source: Size) -> list[tuple[Size, RenditionSpec]]:
        """Sizes no larger than the source, the largest first; at least one."""
        ladder = sorted(self._spec.renditions, key=lambda r: r.height, reverse=True)
        fitting = [spec for spec in ladder if spec.height <= source.short]
        if not fitting:
            size = source.scaled_to_short(source.short - source.short % 2)
            message = f"No rendition fits into the source ({source}): one of {size} was made."
            self.warnings.append(self.warn("RenditionAtSourceSize", message))
            return [(size, ladder[-1])]
        for spec in ladder[: len(ladder) - len(fitting)]:
            message = f"{spec.height}p is larger than the source ({source}) and was left out."
            self.warnings.append(self.warn("RenditionLeftOut", message))
        chosen: dict[Size, RenditionSpec] = {}
        for spec in fitting:
            chosen.setdefault(source.scaled_to_short(spec.height), spec)
        return list(chosen.items())

    def _encode(self, graph: Graph, sound: Sound) -> AudioEncoding:
        channels = min(2, sound.channels)  # every player plays stereo; 5.1 is mixed down
        sound = normalise(graph, sound, channels, self._spec.loudness)
        return AudioEncoding(sound, AudioCodec.AAC, channels, self._spec.audio_bitrate_kbps)

    def _plan(
        self,
        graph: Graph,
        name: str,
        mime_type: str,
        segmented: bool,
        encodings: tuple[VideoEncoding | AudioEncoding, ...],
    ) -> None:
        container = Container.FRAGMENTED_MP4 if segmented else Container.FASTSTART_MP4
        file = File(self.out / name, container, encodings)
        graph.add_file(file)
        self._planned.append(PlannedOutput(self.name, file, mime_type))
