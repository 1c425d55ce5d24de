"""Decides whether too much of the input was lost: cut off, or too damaged to be decoded.

Called by ``check.py`` after each pass. It judges by ffmpeg's own account (packets read, frames and
samples decoded); only where that looks short does it have every packet of the file looked at, for
much that looks lost is no loss: edit lists hide frames, sound ends before the pictures do.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from videojob_api.reasons import RejectReason

from .boxes import Movie
from .errors import FFmpegFailed, Rejected, Unverified
from .media import AudioStream, MediaInfo, VideoStream
from .nodes import meter_name
from .outputs import PlannedOutput
from .packets import Extent, Extents
from .padding import pad_below
from .probe import measure
from .sounds import AudioEncoding
from .tally import ReadStream, Tally
from .tolerances import tolerated_frames, tolerated_seconds

if TYPE_CHECKING:
    from .ffmpeg import Tools
    from .plan import Pass

_ENDED_EARLY = ("partial file", "ended prematurely", "truncat", "end of file")
_HIDING_CODECS = frozenset(
    (
        *("vp8", "mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "theora", "vp3", "vp5", "vp6"),
        *("vp6f", "vp6a", "vp7", "flashsv", "flashsv2", "tscc", "tscc2", "msrle", "msvideo1"),
        *("qtrle", "rpza", "cinepak", "svq1", "svq3", "rv30", "rv40", "wmv1", "wmv2", "wmv3"),
        *("vc1", "mss1", "mss2", "wmv3image", "vc1image", "fraps", "lagarith", "zlib", "mszh"),
    )
)
"""Their packets need not each show a frame: some repeat the last one, some are never shown."""
_HIDDEN_SHARE = Fraction(1, 2)
_HIDDEN_SHARE_WITH_ERRORS = Fraction(1, 10)
_UNINDEXED = frozenset({"matroska", "flv", "asf", "mpegts"})
"""Containers that don't say how many frames they hold."""
_RATE_SHARE = Fraction(3, 100)
"""By so much an average rate may be wrong."""


class Source:
    """The input as it turned out in a pass."""

    def __init__(self, stage: Pass, tally: Tally, media: MediaInfo, tools: Tools) -> None:
        self._stage = stage
        self._tally = tally
        self._media = media
        self._tools = tools
        self._movies: dict[Path, Movie] = {}

    def check(self, movies: dict[Path, Movie]) -> None:
        """Check that it could be read to its end, and decoded.

        Args:
            movies: what was made of it, by the paths of outputs.

        Raises:
            Rejected: if more than a little was lost.
            Unverified: if ffmpeg gave no account.
        """
        self._movies = movies
        self._check_length()
        video = self._media.video
        if video is not None and self._stage.decodes_all_frames:
            self._check_pictures(video)
        self._check_sound()
        self._check_end()

    def check_times(self, stream: VideoStream | AudioStream) -> None:
        """Check that what was read has a place in time: for when some of it was left out.

        Raises:
            Rejected: if more than a little has not.
        """
        extent = self._extent(stream.index)
        if isinstance(stream, VideoStream):
            too_many = extent.misplaced > tolerated_frames(extent.count, stream.frame_rate)
        else:
            share = Fraction(extent.misplaced, extent.count or 1)
            too_many = extent.packed * share > tolerated_seconds(extent.packed)
        if too_many:
            what = "pictures" if isinstance(stream, VideoStream) else "packets of sound"
            raise Rejected(
                RejectReason.DAMAGED,
                f"Of the film's {extent.count} {what}, {extent.misplaced} have the time of others or "
                "go back in time, and can't all be played. Export it again, and upload that.",
            )
        if isinstance(stream, AudioStream):
            self._check_room(stream, extent.packed)

    def _check_room(self, track: AudioStream, room: Fraction) -> None:
        heard = self.sound_seconds(track, least=room, decoded=True)
        if heard - room > tolerated_seconds(heard):
            raise Rejected(
                RejectReason.DAMAGED,
                f"The film has {float(heard):.2f} s of sound and gives it {float(room):.2f} s of time: "
                "it can't all be played. Export it again, and upload that.",
            )

    def excuses(self, video: VideoStream, lost: int, count: int) -> bool:
        """Whether packets that a copy lacks are a little damage, which ffmpeg complained of.

        What filters packets leaves out those that it can't read.

        Raises:
            Rejected: if it is more than a little.
        """
        if self._tally.error_count and lost > tolerated_frames(count, video.frame_rate):
            raise self._rejected(f"{lost} of {count} frames")
        return bool(self._tally.error_count)

    def shown_until(self, video: VideoStream) -> Fraction:
        """When the last picture has been shown, counted from the film's beginning."""
        return self._extent(video.index).last - self._beginning + 1 / video.frame_rate

    def sound_seconds(self, track: AudioStream, *, least: Fraction, decoded: bool) -> Fraction:
        """How much of a track there was to be heard.

        Args:
            track: of the film.
            least: every packet is looked at only where a copy has no more than this.
            decoded: as decoded in the pass; else by the packets.
        """
        if decoded:
            read = self._tally.read.get(track.index)
            return Fraction(read.samples if read else 0, track.sample_rate)
        said = track.duration or self._media.duration
        if said - least <= tolerated_seconds(said):
            return least
        return self._extent(track.index).packed

    def longest(self, seconds: Fraction) -> Fraction:
        """How long the film is: by every packet, where something of it is longer than what is said."""
        said = self._media.duration
        if seconds - said <= tolerated_seconds(said):
            return said
        extents = self._extents.of.values()
        if any(extent.misplaced for extent in extents):  # parts in a row, whose times begin anew
            return max(said, seconds)
        return max(said, self._extents.end - self._beginning)

    def picture_packets(self, video: VideoStream, *, least: int) -> int:
        """How many packets a copy must have: all but those that no decoder could show.

        Args:
            video: of the film.
            least: every packet is looked at only where a copy has no more than this.
        """
        read = self._tally.read.get(video.index)
        packets = read.packets if read else 0
        return packets if packets <= least else packets - self._extent(video.index).hidden

    def own_seconds(self, encoding: AudioEncoding, stored: Fraction) -> Fraction:
        """How much of a stored sound came out of the film, and was not added to it as silence."""
        pad = pad_below(encoding.sound.node)
        if pad is None:
            return stored
        # Where none came, some versions of ffmpeg say nothing.
        samples = self._tally.padded.get(meter_name(pad[0]), 0)
        return min(stored, Fraction(samples, encoding.track.sample_rate))

    def _own(self, output: PlannedOutput, stored: Fraction) -> Fraction:
        """The same of a file."""
        return min([stored, *(self.own_seconds(encoding, stored) for encoding in output.audio)])

    def _check_length(self) -> None:
        tracks = (track for movie in self._movies.values() for track in movie.tracks)
        longest = max((track.duration for track in tracks), default=Fraction(0))
        if longest >= self._stage.max_seconds - 1:
            raise Rejected(
                RejectReason.DAMAGED,
                f"The film says that it lasts {float(self._media.duration):.1f} s and its "
                f"timestamps go on beyond {self._stage.max_seconds} s. Export it again, and "
                "upload that.",
            )

    def _check_pictures(self, video: VideoStream) -> None:
        read = self._tally.read.get(video.index)
        if read is None:
            if self._tally.error_count:
                raise self._rejected("an uncounted part")
            raise Unverified("ffmpeg did not say how many frames it decoded; its log may be cut.")
        if read.frames == 0:
            raise self._rejected("every frame")
        if not self._stage.reads_all:
            return  # what was on its way in the decoder is no loss; the stretch itself is counted
        self._check_decoded(video, read)
        if not self._tally.error_count:
            return
        expected = 0
        if "avi" in self._names:
            expected = video.frames or 0
        elif self._is_regular(video) and self._has_holes:
            seconds = self._span(video.index, "vide") - 1 / video.frame_rate
            expected = int(seconds * video.frame_rate * (1 - _RATE_SHARE))
        self._compare(video, expected, read.packets)

    def _check_decoded(self, video: VideoStream, read: ReadStream) -> None:
        """Packets against frames."""
        allowed = tolerated_frames(read.packets, video.frame_rate)
        if read.packets - read.frames <= allowed:
            return
        errors = self._tally.error_count
        if video.codec in _HIDING_CODECS:
            share = _HIDDEN_SHARE_WITH_ERRORS if errors else _HIDDEN_SHARE
            allowed = max(allowed, int(read.packets * share))
        elif video.interlaced or (not errors and read.packets - 2 * read.frames <= allowed):
            allowed = max(allowed, (read.packets + allowed) // 2)  # a packet for each field
        if read.packets - read.frames > allowed:
            shown = read.packets - self._extent(video.index).hidden
            if shown - read.frames > allowed:
                raise self._rejected(f"{shown - read.frames} of {shown} frames")

    def _compare(self, video: VideoStream, expected: int, found: int) -> None:
        if expected - found > tolerated_frames(expected, video.frame_rate):
            raise self._rejected(f"{expected - found} of {expected} frames")

    def _is_regular(self, video: VideoStream) -> bool:
        return not (video.variable or video.interlaced or video.codec in _HIDING_CODECS)

    @property
    def _names(self) -> set[str]:
        return set(self._media.format_name.split(","))

    @property
    def _has_holes(self) -> bool:
        """Whether the demuxer found what is none of its own: what was there instead, nobody counted."""
        demuxers = tuple(f"[{name}]" for name in (self._media.format_name, *self._names))
        complained = any(line.startswith(demuxers) for line in self._tally.complaints)
        return complained and bool(self._names & _UNINDEXED)

    def _span(self, index: int, handler: str) -> Fraction:
        """From a stream's first packet to its end; ours may have gone on where ffprobe gave up."""
        made = ((output, movie.track(handler)) for output, movie in self._made)
        lengths = (self._own(output, track.duration) for output, track in made if track)
        longest = max(lengths, default=Fraction(0))
        extent = self._extent(index)
        return max(extent.end, longest + self._beginning) - extent.begin

    def _check_sound(self) -> None:
        """What was heard of each track that is used, against the track's own packets."""
        encodings = [e for output in self._stage.outputs for e in output.audio]
        for track, is_copied in dict.fromkeys((e.track, e.is_copy) for e in encodings):
            read = self._tally.read.get(track.index)
            if read is None or not (read.packets or self._stage.reads_all):
                continue
            if (read.packets if is_copied else read.samples) == 0:
                raise self._rejected("all sound")
            if is_copied:  # its length is for ``lengths`` to compare
                continue
            heard = Fraction(read.samples, track.sample_rate)
            said = track.duration or self._media.duration
            whole = said - heard <= tolerated_seconds(said) or not self._stage.reads_all
            if whole or not self._tally.error_count:
                continue
            extent = self._extent(track.index)
            packed = extent.packed
            if extent.unmeasured:  # then every packet is as long as any other
                packed = heard * read.packets / max(1, min(read.frames, read.packets))
            if self._has_holes:
                packed = max(packed, self._span(track.index, "soun"))
            if packed - heard > tolerated_seconds(packed):
                lost = float(packed - heard)
                raise self._rejected(f"{lost:.1f} s of {float(packed):.1f} s of its sound")

    def _check_end(self) -> None:
        """Whether any stream reaches the end that the container tells of."""
        length = self._media.duration
        wanted = length - tolerated_seconds(length)
        if max(self._seen(), default=Fraction(0)) >= wanted:
            return
        seconds = self._extents.end - self._beginning
        if seconds < wanted:
            lost = f"{float(length - seconds):.1f} s of {float(length):.1f} s"
            raise self._rejected(lost, ends_early=True)

    def _seen(self) -> list[Fraction]:
        """How far the pass came, by all that tells of it."""
        seen = [self._own(output, movie.duration) for output, movie in self._made]
        video = self._media.video
        for index, read in self._tally.read.items():
            if video is not None and index == video.index and not video.variable:
                seen.append(read.packets / video.frame_rate)
        return seen

    @property
    def _made(self) -> list[tuple[PlannedOutput, Movie]]:
        """What was made of it, and what was planned so."""
        outputs = self._stage.outputs
        return [(o, self._movies[o.path]) for o in outputs if o.path in self._movies]

    @property
    def _beginning(self) -> Fraction:
        return max(self._media.start, Fraction(0))

    @cached_property
    def _extents(self) -> Extents:
        try:
            return measure(self._stage.source, self._media, self._tools, self._stage.limits)
        except FFmpegFailed as error:
            raise self._rejected("an uncounted part") from error

    def _extent(self, index: int) -> Extent:
        return self._extents.of.get(index) or Extent()

    def _rejected(self, what: str, *, ends_early: bool = False) -> Rejected:
        complaints = self._tally.complaints
        early = ends_early or any(words in line for line in complaints for words in _ENDED_EARLY)
        how = "the file ends before the film does" if early else "the data are damaged"
        return Rejected(
            RejectReason.TRUNCATED if early else RejectReason.DAMAGED,
            f"Of the film, {what} could not be read: {how}. Upload it again, whole, or export it "
            "anew.",
            log_tail="\n".join(complaints) or None,
        )
