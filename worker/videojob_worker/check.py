"""Compares what a pass made with what it read and with the plan.

Called by ``run.py`` after each pass, before anything is published. It reads our own outputs only:
their boxes here, their layout by a sandboxed ffprobe. An exit code of 0 proves nothing: ffmpeg
ends well on half a film.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videojob_api.status import Warn

from .boxes import Movie, NotMp4, read_movie
from .errors import FFmpegFailed, Unverified
from .graph import Container, seconds_of
from .groups import group_files
from .lengths import check_stored
from .losses import Source
from .loudness import check_loudness
from .media import MediaInfo, VideoStream
from .outputs import PlannedOutput
from .passes import PassResult
from .plan import Pass
from .spans import Span, span_of
from .tally import Tally
from .tolerances import tolerated_frames, tolerated_seconds
from .traces import TRACES, check_traces
from .video import VideoCopy, VideoEncoding

if TYPE_CHECKING:
    from .ffmpeg import Tools

_PROBE_SECONDS = 60.0
_MP4 = (Container.FASTSTART_MP4, Container.FRAGMENTED_MP4)


def check(stage: Pass, result: PassResult, media: MediaInfo, tools: Tools) -> list[Warn]:
    """Check a pass.

    Returns:
        What the user should know though the results are good.

    Raises:
        Unverified: an output is missing, broken, short or not as planned.
        Rejected: too much of the input was lost to damage.
    """
    movies = {
        output.path: _read(output) for output in stage.outputs if output.file.container in _MP4
    }
    source = Source(stage, result.tally, media, tools)
    source.check(movies)
    warnings = _check_frames(stage, result.tally, media, movies, source)
    for output in stage.outputs:
        _check_layout(output, tools)
        warnings += check_loudness(output, result.tally.levels)
        check_stored(output, movies.get(output.path), source, tools)
    _check_readings(stage, result.tally)
    return [*_complaints(result.tally), *warnings]


def _read(output: PlannedOutput) -> Movie:
    if not output.path.exists():
        raise Unverified(f"{_name(output)} was planned and is missing.")
    try:
        return read_movie(output.path)
    except NotMp4 as error:
        raise Unverified(f"{_name(output)} is not a whole MP4 file: {error}.") from error


def _check_frames(
    stage: Pass, tally: Tally, media: MediaInfo, movies: dict[Path, Movie], source: Source
) -> list[Warn]:
    """Decoded, encoded and stored frames against each other."""
    if media.video is None or not stage.encodings:
        return []
    video, decoded = media.video, tally.read[media.video.index].frames
    encoded: dict[VideoEncoding, int] = {}
    warnings = []
    for encoding, file_number, stream in stage.encodings:
        encoded[encoding] = frames = tally.encoded.get((file_number, stream), 0)
        if frames == 0:
            raise Unverified(f"No frame of the {encoding.size} rendition was encoded.")
        if encoding.resampled:
            _check_resampled(encoding, frames, media, media.video, source)
        span = span_of(encoding.picture.node)
        if span != Span():
            _check_stretch(encoding, frames, media, video)
        if encoding.resampled or span != Span() or frames == decoded:
            continue
        allowed = tolerated_frames(decoded, video.frame_rate)
        if abs(decoded - frames) > allowed:
            source.check_times(video)
            raise Unverified(
                f"Of {decoded} decoded frames, {frames} are in the {encoding.size} rendition; at "
                f"most {allowed} may be missing."
            )
        message = f"{decoded - frames} frames with times of others are not in the {encoding.size}."
        warnings.append(Warn(reason="FramesDropped", message=message))
    if tally.dropped or tally.repeated:
        message = (
            f"To make the distances of frames even, {tally.dropped} were left out and "
            f"{tally.repeated} shown again."
        )
        warnings.append(Warn(reason="FramesResampled", message=message))
    # What is resampled may begin earlier than what is not, with a still.
    for kind in {_kind(encoding) for encoding in encoded}:
        alike = [
            output
            for output in stage.outputs
            if output.video and _kind(output.video) == kind and output.path in movies
        ]
        longest = max((_picture_seconds(movies[o.path]) for o in alike), default=Fraction(0))
        for output in alike:
            if output.video:
                _check_stored(output, movies[output.path], encoded[output.video], longest)
    return warnings


def _kind(encoding: VideoEncoding) -> tuple[bool, Span]:
    """Equal where lengths must be."""
    return encoding.resampled, span_of(encoding.picture.node)


def _check_stretch(
    encoding: VideoEncoding, frames: int, media: MediaInfo, video: VideoStream
) -> None:
    """Whether a trimmed film has as many frames as its stretch; of uneven ones, nobody knows."""
    if video.variable:
        return
    span = span_of(encoding.picture.node)
    begins = Fraction(0) if encoding.resampled else media.shown_from
    late = max(Fraction(0), begins - span.start)
    # A movie's header may say less than its track's.
    until = max(media.shown_until or media.duration, video.duration or Fraction(0))
    seconds = max(Fraction(0), span.within(until) - late)
    expected = round(seconds * (encoding.frame_rate or video.frame_rate))
    allowed = tolerated_frames(expected, video.frame_rate)
    if abs(expected - frames) > allowed:
        raise Unverified(
            f"The {encoding.size} rendition of {float(seconds):.2f} s should have {expected} frames "
            f"and has {frames}; at most {allowed} may be missing."
        )


def _check_resampled(
    encoding: VideoEncoding, frames: int, media: MediaInfo, video: VideoStream, source: Source
) -> None:
    """Frames that were dropped and repeated on purpose still last as long as the film."""
    seconds = frames / (encoding.frame_rate or Fraction(25))
    length = seconds_of(encoding.picture.node, media)
    allowed = tolerated_seconds(length)
    if length - seconds <= allowed:
        return
    shown = span_of(encoding.picture.node).within(source.shown_until(video))
    length = min(length, shown)  # it may be that of the sound
    if length - seconds > allowed:
        raise Unverified(
            f"The {encoding.size} rendition lasts {float(seconds):.1f} s, and the film "
            f"{float(length):.1f} s."
        )


def _picture_seconds(movie: Movie) -> Fraction:
    track = movie.track("vide")
    return track.duration if track else Fraction(0)


def _check_stored(output: PlannedOutput, movie: Movie, encoded: int, longest: Fraction) -> None:
    track = movie.track("vide")
    stored = track.samples if track else 0
    if stored != encoded:
        raise Unverified(f"{_name(output)} holds {stored} frames of {encoded} that were encoded.")
    seconds = _picture_seconds(movie)
    if longest - seconds > tolerated_seconds(longest):
        raise Unverified(
            f"{_name(output)} lasts {float(seconds):.2f} s and another one "
            f"{float(longest):.2f} s; they should be the same."
        )
    if any(not fragment.starts_with_key for fragment in movie.fragments):
        raise Unverified(f"{_name(output)} has a fragment that begins without a key frame.")


def _check_readings(stage: Pass, tally: Tally) -> None:
    """Whether filters wrote of every frame that passed them: they don't say when they can't."""
    first = len(group_files(stage.graph.files)) + len(stage.graph.pictures)
    for number, readings in enumerate(stage.graph.readings, start=first):
        passed = tally.encoded.get((number, 0), 0)
        for path in readings.written:
            with path.open() as lines:
                told = sum(line.startswith("frame:") for line in lines)
            if told != passed or passed == 0:
                raise Unverified(
                    f"{path.name} tells of {told} frames, and {passed} were to be measured."
                )


def _check_layout(output: PlannedOutput, tools: Tools) -> None:
    """Whether another program sees the streams that were planned."""
    if not output.path.exists() or output.path.stat().st_size == 0:
        raise Unverified(f"{_name(output)} was planned and is missing or empty.")
    entries = f"stream=codec_type,codec_name,width,height,pix_fmt,channels:{TRACES}"
    argv = ("ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(output.path))
    try:
        text = tools.run(argv, timeout_seconds=_PROBE_SECONDS).stdout
    except FFmpegFailed as error:
        raise Unverified(
            f"{_name(output)} can't be opened again.", log_tail=error.log_tail
        ) from error
    document = json.loads(text)
    check_traces(output, document)
    streams = document.get("streams", [])
    seen = [_seen(stream) for stream in streams]
    planned = [_planned_video(output.video)] if output.video else []
    planned += [_planned_copy(output.copy)] if output.copy else []
    planned += [f"{e.codec_name} {e.channels} channels" for e in output.audio]
    planned += ["mov_text" if e.in_movie else "webvtt" for e in output.subtitles]
    if seen != planned:
        raise Unverified(
            f"{_name(output)} should hold {'; '.join(planned)} and holds {'; '.join(seen)}."
        )


def _planned_video(encoding: VideoEncoding) -> str:
    return f"{encoding.settings.codec.lower()} {encoding.size} {encoding.form.pixel_format}"


def _planned_copy(copy: VideoCopy) -> str:
    return f"{copy.stream.codec} {copy.stream.coded} {copy.stream.pixel_format}"


def _seen(stream: dict[str, Any]) -> str:
    codec = stream.get("codec_name")
    if stream.get("codec_type") == "video":
        return f"{codec} {stream.get('width')}x{stream.get('height')} {stream.get('pix_fmt')}"
    if stream.get("codec_type") == "subtitle":
        return str(codec)
    return f"{codec} {stream.get('channels')} channels"


def _complaints(tally: Tally) -> list[Warn]:
    if not tally.error_count:
        return []
    return [
        Warn(
            reason="DecoderErrors",
            message=f"ffmpeg complained {tally.error_count} times; first: {tally.complaints[0]}",
        )
    ]


def _name(output: PlannedOutput) -> str:
    return output.name
