"""The step ``transcode``: video and sound in one or more sizes, as files or for streaming.

Found by ``steps.kind_of``. Here the sizes are chosen; ffmpeg writes the media, and ``packager`` makes
a package of them. It must not run processes.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from videojob_api.status import Warn
from videojob_api.steps import Packaging, Step, Transcode, VideoCodec
from videojob_api.steps import Rendition as RenditionSpec
from videojob_api.steps.transcode import Remux, Subtitles, Tracks

from .. import captions, remux
from ..edits import trimmed, watermarked
from ..errors import NotDoable
from ..graph import (
    Container,
    Encoding,
    File,
    Graph,
    Programme,
    SubtitleEncoding,
)
from ..loudness import normalise
from ..media import Size, VideoStream
from ..nodes import Form
from ..outputs import Finished, PlannedOutput
from ..packager import DEFAULT_SOUND, Packager
from ..packaging import package
from ..padding import padded
from ..scratch import Scratch
from ..sounds import AudioCodec, AudioEncoding, Sound
from ..spans import Span, span_of
from ..video import Picture, VideoCopy, VideoEncoding
from . import StepKind, Workbench, handles

_MAX_LATE_SECONDS = Fraction(1, 20)
_FEWER = {3: 2, 7: 6}
"""For numbers of channels that have no layout in AAC which all players know."""


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
        self._span = Span()

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Add the files; pass on the largest size with the sound as it came."""
        if self._spec.trim is not None:
            programme, warnings = trimmed(self._spec.trim, programme, graph.media)
            self.warnings += [self.warn("TrimBeyondEnd", message) for message in warnings]
        picture, video = programme.picture, graph.media.video
        if picture is None or programme.size is None or video is None:
            raise NotDoable(f"Step {self.name!r} needs video, and its source has none.")
        segmented, self._span = self._segmented, span_of(picture.node)
        chosen = self._choose_sizes(programme.size)
        largest = chosen[0][0]
        if self._spec.watermark is not None:
            if picture.form.hdr:
                message = "A watermark has no high dynamic range, so the film's was tone-mapped."
                self.warnings.append(self.warn("ToneMapped", message))
            picture = watermarked(self._spec.watermark, self.assets[0], picture, largest, graph)
        encodings = [
            self._or_copy(self._encode_video(graph, picture, video, *choice), graph, programme)
            for choice in chosen
        ]
        sounds = self._choose_sounds(programme)
        if segmented:
            sounds = tuple(padded(sound, picture, graph.media) for sound in sounds)
        within: list[Encoding] = (
            [] if segmented else [self._encode(graph, sound) for sound in sounds]
        )
        subtitles = self._choose_subtitles(graph, programme)
        within += subtitles if not segmented else []
        for encoding, (size, rendition) in zip(encodings, chosen, strict=True):
            name = f"{size.short}p{self._suffix(rendition)}.mp4"
            self._plan(graph, name, "video/mp4", segmented, (encoding, *within))
        for number, sound in enumerate(sounds if segmented else (), start=1):
            stem = DEFAULT_SOUND if number == 1 else f"{DEFAULT_SOUND}-{number}"
            self._plan(graph, f"{stem}.mp4", "audio/mp4", segmented, (self._encode(graph, sound),))
        for number, words in enumerate(subtitles if segmented else (), start=1):
            name = "subtitles.vtt" if number == 1 else f"subtitles-{number}.vtt"
            self._add(graph, File(self.out / name, Container.WEBVTT, (words,)), "text/vtt")
        files = tuple(output.file for output in self._planned if output.video)
        return replace(programme, picture=picture, size=largest, files=files)

    def _encode_video(
        self,
        graph: Graph,
        picture: Picture,
        video: VideoStream,
        size: Size,
        rendition: RenditionSpec,
    ) -> VideoEncoding:
        settings = self._spec.settled(rendition)
        segmented = self._segmented
        # The first frame of a trimmed film may be the one that was shown when the stretch began.
        begins = max(Fraction(0), graph.media.shown_from - span_of(picture.node).start)
        late = begins > max(1 / video.frame_rate, _MAX_LATE_SECONDS)
        # SVT-AV1 before version 2 begins groups after a number of frames, and nowhere else; then
        # all codecs of a ladder do.
        counted = any(self._spec.settled(r).codec is VideoCodec.AV1 for r in self._spec.renditions)
        even = segmented or not video.variable
        return VideoEncoding(
            picture=picture,
            size=size,
            settings=settings,
            form=Form(settings.bit_depth, hdr=settings.keeps_hdr and picture.form.hdr),
            gop_seconds=self._spec.gop_seconds or self._spec.segment_seconds,
            frame_rate=video.even_rate if even else None,
            resampled=segmented and (video.variable or late or counted),
            counted=counted,
        )

    def _or_copy(
        self, wanted: VideoEncoding, graph: Graph, programme: Programme
    ) -> VideoEncoding | VideoCopy:
        """The film's own video instead, where the user allows it and it is what is wanted."""
        video = graph.media.video
        if self._spec.remux is not Remux.WHEN_POSSIBLE or self._segmented or video is None:
            return wanted
        hindrance = remux.find_hindrance(wanted, graph.media)
        if hindrance is None:
            return VideoCopy(video, programme.without_sei)
        self.warnings.append(self.warn("NotRemuxed", f"{wanted.size} was encoded: {hindrance}."))
        return wanted

    @property
    def _segmented(self) -> bool:
        return self._spec.packaging is not Packaging.MP4

    def _suffix(self, rendition: RenditionSpec) -> str:
        """Of a file whose codec is not the step's own: so that names can be predicted."""
        codec = self._spec.settled(rendition).codec
        return "" if codec is self._spec.codec else f"-{codec.value.lower()}"

    def _choose_sounds(self, programme: Programme) -> tuple[Sound, ...]:
        """The default one first."""
        default, tracks = programme.default_sound, self._spec.audio.tracks
        if default is None or tracks is Tracks.NONE:
            return ()
        usual = Tracks.DEFAULT if self._spec.packaging is Packaging.MP4 else Tracks.ALL
        if (tracks or usual) is Tracks.DEFAULT:
            return (default,)
        return tuple(sorted(programme.sounds, key=lambda sound: sound is not default))

    def _choose_subtitles(self, graph: Graph, programme: Programme) -> list[SubtitleEncoding]:
        """Tracks of text; pictures of words can't be turned into words."""
        if self._spec.subtitles is Subtitles.DROP:
            return []
        fit = [track for track in programme.subtitles if track.is_text]
        for track in graph.media.subtitles:
            if track in fit:
                continue
            why = f"they are pictures ({track.codec})"
            if track not in programme.subtitles:
                why = "the film is trimmed, or an earlier step took them out"
            message = f"Subtitles ({track.language or 'no language'}) were left out: {why}."
            self.warnings.append(self.warn("SubtitlesLeftOut", message))
        in_movie = self._spec.packaging is Packaging.MP4
        return [SubtitleEncoding(track, in_movie) for track in fit]

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """One file for each size, and for streaming one for each track of sound or words."""
        return tuple(self._planned)

    def finish(self, bench: Workbench) -> Finished:
        """Package the files."""
        packager = Packager(self.name, self._spec.packaging, self._spec.segment_seconds)
        media = [o for o in self._planned if o.file.container is not Container.WEBVTT]
        kept = [
            package.Subtitles(
                output.path.name, encoding.track.language, is_default=encoding.track.is_default
            )
            for output in self._planned
            for encoding in output.subtitles
            if not encoding.in_movie
        ]
        heard, warnings = self._take_words(bench)
        return Finished(packager.finish(media, [*kept, *heard]), warnings)

    def _take_words(self, bench: Workbench) -> tuple[list[package.Subtitles], tuple[Warn, ...]]:
        """Subtitles that an earlier step made: into an MP4, or beside the files of a package."""
        step = self._spec.subtitles_from
        if step is None:
            return [], ()
        words = captions.find_words(bench.made.get(step, ()))
        if words is None:
            message = f"Step {step!r} has failed, so there are no subtitles."
            return [], (self.warn("SubtitlesMissing", message),)
        words = captions.fitted(words, self._span, self.work)
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
        chosen: dict[tuple[Size, VideoCodec], RenditionSpec] = {}
        for spec in fitting:
            size = source.scaled_to_short(spec.height)
            chosen.setdefault((size, self._spec.settled(spec).codec), spec)
        return [(size, spec) for (size, _), spec in chosen.items()]

    def _encode(self, graph: Graph, sound: Sound) -> AudioEncoding:
        audio = self._spec.audio
        most = min(audio.channels, sound.channels)
        channels = _FEWER.get(most, most)
        sound = normalise(graph, sound, channels, self._spec.loudness)
        return AudioEncoding(sound, AudioCodec.AAC, channels, audio.bitrate_kbps)

    def _plan(
        self,
        graph: Graph,
        name: str,
        mime_type: str,
        segmented: bool,
        encodings: tuple[Encoding, ...],
    ) -> None:
        container = Container.FRAGMENTED_MP4 if segmented else Container.FASTSTART_MP4
        self._add(graph, File(self.out / name, container, encodings), mime_type)

    def _add(self, graph: Graph, file: File, mime_type: str) -> None:
        graph.add_file(file)
        self._planned.append(PlannedOutput(self.name, file, mime_type))
