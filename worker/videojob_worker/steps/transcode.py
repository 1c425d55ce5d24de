"""The step ``transcode``: H.264 and AAC in one or more sizes, as MP4 or as HLS.

Found by ``steps.kind_of``. ffmpeg writes the media; here the sizes are chosen, and the playlists
written from what was measured. It must not run processes.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from videojob_api.steps import Packaging, Step, Transcode
from videojob_api.steps import Rendition as RenditionSpec

from .. import packaging
from ..boxes import Movie, Track, read_movie
from ..errors import NotDoable, Unverified
from ..graph import AudioEncoding, Container, File, Graph, Programme, Sound, VideoEncoding
from ..media import Size
from ..outputs import Finished, PlannedOutput, Produced
from ..scratch import Scratch
from . import StepKind, Workbench, handles

_MAX_LATE_SECONDS = Fraction(1, 20)
_PLAYLIST = "application/vnd.apple.mpegurl"


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
        is_hls = self._spec.packaging is Packaging.HLS
        even = is_hls or not video.variable
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
                resampled=is_hls and (video.variable or late),
            )
            for size, spec in self._choose_sizes(programme.size)
        ]
        default = programme.default_sound
        apart = programme.sounds if is_hls else ()
        for encoding in encodings:
            within = [] if is_hls or default is None else [self._encode(default)]
            name = f"{encoding.size.short}p.mp4"
            self._plan(graph, name, "video/mp4", is_hls, (encoding, *within))
        for number, sound in enumerate(sorted(apart, key=lambda s: s is not default), start=1):
            name = "audio.mp4" if number == 1 else f"audio-{number}.mp4"
            self._plan(graph, name, "audio/mp4", is_hls, (self._encode(sound),))
        return replace(programme, size=encodings[0].size)

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """One file for each size, and for HLS one for each sound track."""
        return tuple(self._planned)

    def finish(self, bench: Workbench) -> Finished:
        """Write the playlists, if any."""
        movies = {output.path: read_movie(output.path) for output in self._planned}
        produced = [self._produced(output, movies[output.path]) for output in self._planned]
        if self._spec.packaging is Packaging.HLS:
            produced += self._write_playlists(movies)
        return Finished(tuple(produced))

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

    def _encode(self, sound: Sound) -> AudioEncoding:
        return AudioEncoding(sound, self._spec.audio_bitrate_kbps)

    def _plan(
        self,
        graph: Graph,
        name: str,
        mime_type: str,
        is_hls: bool,
        encodings: tuple[VideoEncoding | AudioEncoding, ...],
    ) -> None:
        container = Container.FRAGMENTED_MP4 if is_hls else Container.FASTSTART_MP4
        file = File(self.out / name, container, encodings)
        graph.add_file(file)
        self._planned.append(PlannedOutput(self.name, file, mime_type))

    def _produced(self, output: PlannedOutput, movie: Movie) -> Produced:
        size = output.video.size if output.video else None
        return Produced(
            path=output.path,
            step=self.name,
            name=output.path.name,
            mime_type=output.mime_type,
            width=size.width if size else None,
            height=size.height if size else None,
            duration_seconds=round(float(movie.duration), 3),
        )

    def _write_playlists(self, movies: dict[Path, Movie]) -> list[Produced]:
        renditions: list[packaging.Rendition] = []
        sounds: list[packaging.Sound] = []
        made: list[Produced] = []
        length = self._spec.segment_seconds
        cut: dict[PlannedOutput, tuple[packaging.Segment, ...]] = {}
        for output in self._planned:
            movie, stem = movies[output.path], output.path.stem
            if output.video:
                segments = packaging.build_video_segments(movie, length)
                renditions.append(packaging.Rendition(stem, _track(movie, "vide"), segments))
            else:
                starts = [segment.start for segment in renditions[0].segments]
                segments = packaging.build_audio_segments(movie, starts, length)
                sounds.append(_sound(output, movie, segments, is_default=not sounds))
            cut[output] = segments
        target = packaging.target_duration(cut.values())
        for output, segments in cut.items():
            movie, path = movies[output.path], output.path
            described = (path.name, movie.init_size, segments, target)
            if output.video:
                text = packaging.build_iframe_playlist(*described)
                made.append(self._write(f"{path.stem}-iframes.m3u8", text, movie))
            text = packaging.build_media_playlist(*described)
            made.append(self._write(f"{path.stem}.m3u8", text, movie))
        _check_aligned(renditions)
        master = packaging.build_master_playlist(renditions, sounds)
        made.append(self._write("master.m3u8", master, None))
        return made

    def _write(self, name: str, text: str, movie: Movie | None) -> Produced:
        path = self.out / name
        path.write_text(text)
        seconds = round(float(movie.duration), 3) if movie else None
        return Produced(path, self.name, name, _PLAYLIST, duration_seconds=seconds)


def _track(movie: Movie, handler: str) -> Track:
    track = movie.track(handler)
    if track is None:
        raise Unverified(f"A file of the HLS package has no {handler} track; it was planned to.")
    return track


def _sound(
    output: PlannedOutput,
    movie: Movie,
    segments: tuple[packaging.Segment, ...],
    *,
    is_default: bool,
) -> packaging.Sound:
    encoding = output.audio[0]
    return packaging.Sound(
        name=output.path.stem,
        track=_track(movie, "soun"),
        segments=segments,
        language=encoding.track.language,
        title=encoding.track.title,
        channels=encoding.channels,
        is_default=is_default,
    )


def _check_aligned(renditions: list[packaging.Rendition]) -> None:
    """Players switch between sizes at segment boundaries, so all must have the same ones."""
    first = [segment.start for segment in renditions[0].segments]
    for rendition in renditions[1:]:
        if [segment.start for segment in rendition.segments] != first:
            raise Unverified(
                f"The segments of {rendition.name} and {renditions[0].name} begin at different "
                "times; players could not switch between them."
            )
