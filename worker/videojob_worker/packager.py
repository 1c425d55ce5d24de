"""Makes a package of the files of a pass: an index in each, and manifests over all.

Called by the steps once a pass is checked, and again when subtitles come later: what is done is not
done twice. It opens files that our own ffmpeg wrote, and runs no process; what a manifest says is
decided in ``packaging``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from videojob_api.steps import Packaging

from .boxes import Movie, build_index, insert, join_edits, read_movie
from .errors import Unverified
from .outputs import PlannedOutput, Produced
from .packaging import dash, hls
from .packaging.package import Media, Package, Rendition, Sound, Subtitles
from .packaging.proof import check_aligned, check_whole
from .packaging.segments import build_audio_segments, build_video_segments

_INDEXED = frozenset({Packaging.CMAF, Packaging.DASH})
_HAS_PLAYLISTS = frozenset({Packaging.CMAF, Packaging.HLS})
_WEBVTT = "WEBVTT"
DEFAULT_SOUND = "audio"
"""Name of the file with the sound track that players take first."""


@dataclass(frozen=True)
class Packager:
    """How one step wants its files packaged."""

    step: str
    packaging: Packaging
    segment_seconds: int

    def finish(
        self, planned: Sequence[PlannedOutput], subtitles: Sequence[Subtitles] = ()
    ) -> tuple[Produced, ...]:
        """Package files, and write the manifests beside them.

        Args:
            planned: what the pass has made; for manifests, pictures or one sound track in each.
            subtitles: WebVTT files in the same folder.

        Returns:
            Everything to publish.

        Raises:
            Unverified: if players could not play what there is.
        """
        manifests: list[Produced] = []
        if self.packaging is not Packaging.MP4:
            folder = planned[0].path.parent
            manifests = self._write_manifests(self._package(planned, subtitles), folder)
            manifests += [self._vtt(folder / each.file_name) for each in subtitles]
        return (
            *(
                output.produced(round(float(read_movie(output.path).duration), 3))
                for output in planned
            ),
            *manifests,
        )

    def _package(self, planned: Sequence[PlannedOutput], subtitles: Sequence[Subtitles]) -> Package:
        renditions = [self._index(o, []) for o in planned if o.video]
        starts = [segment.start for segment in renditions[0].segments]
        sounds = [self._index(o, starts) for o in planned if not o.video]
        package = Package(
            tuple(media for media in renditions if isinstance(media, Rendition)),
            tuple(media for media in sounds if isinstance(media, Sound)),
            tuple(_measured(each, planned[0].path.parent) for each in subtitles),
        )
        check_aligned(package.renditions)
        return package

    def _index(self, output: PlannedOutput, starts: Sequence[Fraction]) -> Media:
        """The file as a player sees it, with an index in it where that is wanted."""
        join_edits(output.path)
        movie = read_movie(output.path)
        check_whole(f"{self.step}/{output.path.name}", movie)
        media = self._measure(output, movie, starts)
        if self.packaging not in _INDEXED or movie.index is not None:
            return media
        insert(output.path, movie.init_size, _build_index(media))
        indexed = self._measure(output, read_movie(output.path), starts)
        sizes = [segment.size for segment in media.segments]
        if (
            indexed.index is None
            or indexed.index[1] != indexed.segments[0].offset
            or [segment.size for segment in indexed.segments] != sizes
        ):
            raise Unverified(f"The index of {self.step}/{output.path.name} does not fit the file.")
        return indexed

    def _measure(self, output: PlannedOutput, movie: Movie, starts: Sequence[Fraction]) -> Media:
        (track,) = movie.tracks
        name, length = output.path.stem, self.segment_seconds
        if output.video:
            cut = build_video_segments(movie, length)
            return Rendition(name, track, movie.init_size, movie.index, cut)
        cut = build_audio_segments(movie, starts, length)
        encoding = output.audio[0]
        return Sound(
            *(name, track, movie.init_size, movie.index, cut),
            language=encoding.track.language,
            title=encoding.track.title,
            channels=encoding.channels,
            is_default=name == DEFAULT_SOUND,
        )

    def _write_manifests(self, package: Package, folder: Path) -> list[Produced]:
        texts: dict[str, tuple[str, str]] = {}
        if self.packaging in _HAS_PLAYLISTS:
            texts |= {n: (t, hls.MIME_TYPE) for n, t in hls.build_playlists(package).items()}
        if self.packaging in _INDEXED:
            texts[dash.MANIFEST] = (dash.build_manifest(package), dash.MIME_TYPE)
        seconds = round(float(package.duration), 3)
        made = []
        for name, (text, mime_type) in texts.items():
            (folder / name).write_text(text)
            made.append(
                Produced(folder / name, self.step, name, mime_type, duration_seconds=seconds)
            )
        return made

    def _vtt(self, path: Path) -> Produced:
        return Produced(path, self.step, path.name, "text/vtt")


def _build_index(media: Media) -> bytes:
    scale = media.track.timescale
    durations = [segment.duration for segment in media.segments]
    durations[0] -= media.run_up
    rows = [
        (segment.size, int(duration * scale))
        for segment, duration in zip(media.segments, durations, strict=True)
    ]
    earliest = int(media.segments[0].start * scale)
    return build_index(media.track.track_id, scale, earliest, rows)


def _measured(subtitles: Subtitles, folder: Path) -> Subtitles:
    data = (folder / subtitles.file_name).read_bytes()
    if not data.decode("utf-8-sig", "replace").startswith(_WEBVTT):
        raise Unverified(f"{subtitles.file_name} is not WebVTT; it begins with {data[:16]!r}.")
    return replace(subtitles, size=len(data))
