"""What one ffmpeg process is to make: encodings, files and pictures, free of ffmpeg's syntax.

Steps add to a ``Graph`` what they need; equal encodings are made once, however many files hold
them. ``commands.py`` turns a graph into arguments. Pure: it knows no paths but those it is given,
and no processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from pathlib import Path

from .media import AudioStream, MediaInfo, Size


@dataclass(frozen=True)
class Programme:
    """What a step takes and may pass on: pictures of some size, and sound."""

    size: Size | None
    """None without video."""
    audio: tuple[AudioStream, ...]


@dataclass(frozen=True)
class VideoEncoding:
    """H.264, 8 bit 4:2:0, with closed groups of pictures that begin at multiples of a time."""

    size: Size
    crf: int
    preset: str
    gop_seconds: int
    frame_rate: Fraction | None
    """The grid that frames' times are on; None keeps the distances of the source as they are."""
    resampled: bool = False
    """Drop and repeat frames so that there is one at every place of the grid, from time 0 on."""


@dataclass(frozen=True)
class AudioEncoding:
    """One sound track, encoded as AAC or copied as it is."""

    track: AudioStream
    bitrate_kbps: int | None
    """None: a copy."""

    @property
    def channels(self) -> int:
        """At most two when encoding: every player plays stereo; 5.1 is mixed down."""
        return self.track.channels if self.bitrate_kbps is None else min(2, self.track.channels)


Encoding = VideoEncoding | AudioEncoding


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
    MATROSKA = "matroska"
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
    """Frames picked at even distances, written as PNG named by their time in milliseconds."""

    folder: Path
    size: Size
    slot_seconds: Fraction
    """The film is cut into slots of this length."""
    per_slot: int
    """So many are picked in each, at even distances."""
    centred: bool
    """Pick at the middle of each distance instead of its beginning."""
    limit: int
    """Never more than so many, whatever the timestamps say."""


@dataclass
class Graph:
    """Everything that one pass makes. Steps only add to it."""

    media: MediaInfo
    files: list[File] = field(default_factory=list)
    pictures: list[Pictures] = field(default_factory=list)

    def add_file(self, file: File) -> None:
        """Have a file written."""
        self.files.append(file)

    def add_pictures(self, pictures: Pictures) -> None:
        """Have pictures picked."""
        self.pictures.append(pictures)

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """Every encoding once, in the order in which they were asked for."""
        return tuple(dict.fromkeys(e for file in self.files for e in file.encodings))

    @property
    def video_encodings(self) -> tuple[VideoEncoding, ...]:
        """The video ones among them."""
        return tuple(e for e in self.encodings if isinstance(e, VideoEncoding))

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Sizes to scale to, the largest first: each is scaled from the one before it."""
        sizes = {encoding.size for encoding in self.video_encodings}
        return tuple(sorted(sizes, key=lambda size: (size.pixels, size), reverse=True))

    @property
    def groups(self) -> tuple[tuple[File, ...], ...]:
        """Files in groups that share no encoding with each other.

        ffmpeg encodes once for each of its outputs; so files that share an encoding must come
        from the same one.
        """
        groups: list[list[File]] = []
        for file in self.files:
            shared = [g for g in groups if any(set(f.encodings) & set(file.encodings) for f in g)]
            for group in shared:
                groups.remove(group)
            groups.append([*(f for group in shared for f in group), file])
        return tuple(tuple(group) for group in groups)

    @property
    def needs_video(self) -> bool:
        """Whether any frame has to be decoded."""
        return bool(self.pictures or self.video_encodings)

    @property
    def keyframes_only(self) -> bool:
        """Whether it is enough to decode key frames: pictures alone, and one in every slot."""
        video = self.media.video
        if not self.pictures or self.video_encodings or video is None:
            return False
        distance = video.keyframe_seconds
        return distance is not None and all(p.slot_seconds >= distance for p in self.pictures)
