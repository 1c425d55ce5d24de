"""What one ffmpeg process is to make: encodings, files and pictures, free of ffmpeg's syntax.

Steps add to a ``Graph`` what they need. What flows between them are ``nodes``: equal nodes are one,
so what several steps ask for is filtered once, and equal encodings are made once, however many
files hold them. ``commands`` turns a graph into arguments. Pure: it knows no paths but those it is
given, and no processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from hashlib import sha256
from math import log10
from pathlib import Path

from .media import MediaInfo, Size, SubtitleStream
from .nodes import (
    Conform,
    Decoded,
    Deinterlace,
    Filtered,
    Flatten,
    Form,
    Level,
    Mix,
    Node,
    Noise,
    Pick,
    PickAt,
    Resample,
    Scale,
    TakeTurns,
    ToneMap,
    ToRgb,
    noises_below,
)
from .sounds import AudioEncoding, Sound, steady
from .spans import Span, span_of
from .video import Picture, VideoCopy, VideoEncoding, peak_nits
from .vmaf import Comparison

_MOST_SOUGHT = 8
"""Each takes a decoder of its own."""
_FULL_SCALE_DB = 0.0


@dataclass(frozen=True)
class Programme:
    """What a step takes and may pass on: pictures and sound."""

    picture: Picture | None
    """None without video."""
    size: Size | None
    """What the pictures count as: no larger is made of them. They may lie there larger."""
    sounds: tuple[Sound, ...]
    subtitles: tuple[SubtitleStream, ...] = ()
    """Those that go with it, at the times of the film."""
    without_sei: bool = False
    """Where its pictures are copied, leave out what is written between them."""
    files: tuple[File, ...] | None = None
    """Renditions that were encoded of these pictures; None if no step was to make any."""

    def shows(self, media: MediaInfo) -> bool:
        """Whether its pictures are the film's own still, in size and all."""
        source = source_programme(media)
        return (self.picture, self.size) == (source.picture, source.size)

    @property
    def default_sound(self) -> Sound | None:
        """The one that a player would play first."""
        defaults = [sound for sound in self.sounds if sound.track.is_default]
        return next(iter([*defaults, *self.sounds]), None)


def source_programme(media: MediaInfo) -> Programme:
    """The film as it came."""
    sounds = tuple(Sound(track, steady(track), track.channels) for track in media.audio)
    if media.video is None:
        return Programme(None, None, sounds, media.subtitles)
    node: Node = Decoded(media.video.index)
    if media.video.has_alpha:
        node = Filtered(Flatten(), (node,))
    if media.video.interlaced:
        node = Filtered(Deinterlace(), (node,))
    form = Form(10 if media.video.bit_depth > 8 else 8, media.video.is_hdr)
    picture = Picture(node, media.video.shown, form=form)
    return Programme(picture, picture.size, sounds, media.subtitles)


def seconds_of(node: Node, media: MediaInfo) -> Fraction:
    """How long the pictures or the sound at a node last, by what the container says."""
    own = media.video.duration if media.video and not node.is_audio else None
    return span_of(node).within(own or media.duration)


@dataclass(frozen=True)
class SubtitleEncoding:
    """A track of subtitles, as text."""

    track: SubtitleStream
    in_movie: bool
    """A track of an MP4; else a WebVTT file."""


Encoding = VideoEncoding | VideoCopy | AudioEncoding | SubtitleEncoding


def is_encoded(encoding: Encoding) -> bool:
    """Whether pictures or sound are encoded: not copied, and no words."""
    is_sound = isinstance(encoding, AudioEncoding) and not encoding.is_copy
    return is_sound or isinstance(encoding, VideoEncoding)


class Container(Enum):
    """How encodings are put into a file."""

    FASTSTART_MP4 = "mp4"
    """Index in front, so that playing can begin before all is loaded."""
    FRAGMENTED_MP4 = "fmp4"
    """A fragment for each group of pictures (video) or second (audio)."""
    MP3 = "mp3"
    OGG = "ogg"
    FLAC = "flac"
    WAV = "wav"
    WEBVTT = "webvtt"
    MATROSKA = "matroska"
    WEBM = "webm"
    MOV = "mov"
    ASF = "asf"
    AC3 = "ac3"
    EAC3 = "eac3"
    AMR = "amr"


@dataclass(frozen=True)
class File:
    """A file that the pass writes."""

    path: Path
    container: Container
    encodings: tuple[Encoding, ...]


@dataclass(frozen=True)
class Pictures:
    """Picked frames, written as PNG named by their time in milliseconds."""

    folder: Path
    picture: Picture
    size: Size
    pick: Pick | PickAt
    slot_seconds: Fraction | None
    """Any frame within so many seconds would do; None where only the picked one will."""
    limit: int
    """Never more than so many, whatever the timestamps say."""


@dataclass(frozen=True)
class Readings:
    """What filters write while frames pass by; the frames themselves are kept nowhere."""

    folder: Path
    node: Node
    written: tuple[Path, ...] = ()
    """Files with a line for each frame."""


@dataclass(frozen=True)
class RawFrames:
    """Frames as bare pixels, for who reads the pipe meanwhile."""

    path: Path
    node: Node


@dataclass
class Graph:
    """Everything that one pass makes. Steps only add to it."""

    media: MediaInfo
    seed: bytes = field(default=b"", repr=False)
    """Whatever is left to chance follows from it: known to nobody who has only the results."""
    files: list[File] = field(default_factory=list)
    pictures: list[Pictures] = field(default_factory=list)
    readings: list[Readings] = field(default_factory=list)
    frames: list[RawFrames] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    """Done by a program beside ffmpeg, of frames that go into pipes."""
    extras: frozenset[str] = frozenset()
    """Filters and programs that not every worker has and this one does."""
    levels: Mapping[Node, Level] = field(default_factory=dict)
    """How loud sound is at some nodes, as an earlier pass found."""
    unmeasured: list[Node] = field(default_factory=list)
    """Where that is not known and steps would like to know."""
    meters: list[Node] = field(default_factory=list)
    """Ends that are only listened to."""

    def level(self, node: Node) -> Level | None:
        """How loud the sound at a node is; None until it is known, and then all is planned again."""
        if isinstance(node, Filtered) and isinstance(node.filter, Mix):
            below = self.level(node.parents[0])
            return None if below is None else _mixed_level(below, node.filter)
        if node not in self.levels and node not in self.unmeasured:
            self.unmeasured.append(node)
        return self.levels.get(node)

    def seed_of(self, step: str) -> bytes:
        """What a step leaves to chance: equal for equal jobs, and of no use for another step."""
        return sha256(self.seed + step.encode()).digest()

    def add_file(self, file: File) -> None:
        """Have a file written."""
        self.files.append(file)

    def add_pictures(self, pictures: Pictures) -> None:
        """Have pictures picked."""
        self.pictures.append(pictures)

    def add_readings(self, readings: Readings) -> None:
        """Have numbers written."""
        self.readings.append(readings)

    def add_comparison(self, comparison: Comparison, node: Node, reference: Node) -> None:
        """Have pictures and their reference, of the size and form that it says, compared."""
        both = Filtered(TakeTurns(), (node, reference))
        self.frames.append(RawFrames(comparison.source, both))
        self.comparisons.append(comparison)

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """Every encoding once, in the order in which they were asked for."""
        return tuple(dict.fromkeys(e for file in self.files for e in file.encodings))

    @property
    def video_encodings(self) -> tuple[VideoEncoding, ...]:
        """The video ones among them."""
        return tuple(e for e in self.encodings if isinstance(e, VideoEncoding))

    @property
    def ends(self) -> tuple[Node, ...]:
        """Every node that goes into an encoder or becomes pictures, as often as it does."""
        filtered = [e for e in self.encodings if is_encoded(e)]
        made = (*filtered, *self.pictures, *self.readings, *self.frames)
        return (*(self.node_of(end) for end in made), *self.meters)

    @property
    def makes_nothing(self) -> bool:
        """Whether no pass is needed for it."""
        return not (self.files or self.ends)

    @property
    def noises(self) -> tuple[Noise, ...]:
        """All that has to be fed to the pass while it runs."""
        return noises_below(self.ends)

    def node_of(self, end: Encoding | Pictures | Readings | RawFrames) -> Node:
        """What goes into an encoder, or becomes pictures; of what passes by all, the stream."""
        if isinstance(end, VideoEncoding):
            return self._scaled(end)
        if isinstance(end, VideoCopy):
            return Decoded(end.stream.index)
        if isinstance(end, AudioEncoding):
            return end.sound.node
        if isinstance(end, SubtitleEncoding):
            return Decoded(end.track.index)
        if isinstance(end, Readings | RawFrames):
            return end.node
        video, hdr = self.media.video, end.picture.form.hdr
        rgb = ToRgb(end.size, peak_nits(video) if video and hdr else None)
        return Filtered(rgb, (Filtered(end.pick, (end.picture.node,)),))

    def _scaled(self, encoding: VideoEncoding) -> Node:
        """Pictures of one origin are scaled in a cascade, each size from the next larger one."""
        picture = encoding.picture
        alike = {
            e.size for e in self.video_encodings if e.picture == picture and e.form == encoding.form
        }
        for size in sorted(alike, key=_rank, reverse=True):
            if _rank(size) >= _rank(encoding.size):
                picture = self.resize(picture, size, encoding.form)
        if encoding.resampled and encoding.frame_rate is not None:
            return Filtered(Resample(encoding.frame_rate), (picture.node,))
        return picture.node

    def resize(self, picture: Picture, size: Size, form: Form) -> Picture:
        """Pictures in another size and form; where ranges differ they are tone-mapped, once."""
        video = self.media.video
        if picture.conformed and picture.form == form:
            if picture.size == size:
                return picture
            return Picture(Filtered(Scale(size), (picture.node,)), size, True, form)
        kept = Form(10, hdr=True) if picture.form.hdr and not form.hdr else form
        converts = picture.conformed or self._differs(size, kept)
        from_rgb = video is not None and video.is_rgb and not picture.conformed
        node = Filtered(Conform(size, converts, kept, from_rgb), (picture.node,))
        if kept != form and video is not None:
            node = Filtered(ToneMap(form, peak_nits(video)), (node,))
        return Picture(node, size, True, form)

    def _differs(self, size: Size, form: Form) -> bool:
        """Whether the film as decoded has another size or form than is to be encoded."""
        video = self.media.video
        if video is None:
            return False
        is_plain = video.pixel_format == form.pixel_format and not video.full_range
        return not (video.coded == size and video.rotation == 0 and is_plain)

    @property
    def other_inputs(self) -> tuple[Path, ...]:
        """Films of ours that are read beside the film, each once."""
        return tuple(dict.fromkeys(n.file for n in self._inputs if n.file and not n.is_image))

    @property
    def images(self) -> tuple[Path, ...]:
        """Images that are laid over the film, each once."""
        return tuple(dict.fromkeys(n.file for n in self._inputs if n.file and n.is_image))

    @property
    def _inputs(self) -> tuple[Decoded, ...]:
        """Every stream that anything is made of."""
        found: dict[Decoded, None] = {}
        waiting = list(self.ends)
        while waiting:
            node = waiting.pop()
            if isinstance(node, Filtered):
                waiting += node.parents
            elif isinstance(node, Decoded):
                found[node] = None
        return tuple(found)

    @property
    def needs_video(self) -> bool:
        """Whether any frame has to be decoded."""
        return bool(self.pictures) or self._wants_every_frame

    @property
    def _wants_every_frame(self) -> bool:
        return bool(self.video_encodings or self.readings or self.frames)

    @property
    def sought(self) -> int:
        """How many times are each sought in the film by themselves; 0 where it is read through.

        Only where containers have an index, and frames even distances: the frame that is shown at a
        time is then at most a moment before it.
        """
        video = self.media.video
        if video is None or video.duration is None or video.variable or video.frame_rate < 1:
            return 0
        picks = [p.pick for p in self.pictures]
        times = sum(len(pick.milliseconds) for pick in picks if isinstance(pick, PickAt))
        others = self.encodings or self.meters or self.images or self.noises
        only_times = not (others or self._wants_every_frame)
        only_times &= all(span_of(p.picture.node) == Span() for p in self.pictures)
        is_indexed = self.media.is_mp4_family or "matroska" in self.media.format_name.split(",")
        if not only_times or not is_indexed or any(isinstance(pick, Pick) for pick in picks):
            return 0
        return times if times <= _MOST_SOUGHT else 0

    @property
    def decodes_all_frames(self) -> bool:
        """Whether the film is decoded from its beginning to its end."""
        if self.keyframes_only or self.other_inputs:  # these are compared as far as both go
            return False
        picks = any(isinstance(p.pick, Pick) for p in self.pictures)
        return picks or self._wants_every_frame

    @property
    def keyframes_only(self) -> bool:
        """Whether it is enough to decode key frames: pictures alone, and one in every slot."""
        video = self.media.video
        if not self.pictures or self._wants_every_frame or video is None:
            return False
        distance = video.keyframe_seconds
        slots = [p.slot_seconds for p in self.pictures]
        return distance is not None and all(s is not None and s >= distance for s in slots)


def _mixed_level(below: Level, mix: Mix) -> Level:
    """Powers add up; of what is heard between the words, nobody knows, so it is an estimate."""
    louder = 10 * log10(1 + 10 ** (-mix.ratio_db / 10))
    return Level(below.integrated_lufs + louder - mix.headroom_db, _FULL_SCALE_DB)


def _rank(size: Size) -> tuple[int, Size]:
    return size.pixels, size
