"""Sound tracks at points of the way, and what they are encoded as.

Held by ``graph``, which steps add to. Pure values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from videojob_api.steps import Loudness

from .media import AudioStream
from .nodes import Decoded, Filtered, Level, Node, Steady


@dataclass(frozen=True)
class Normalised:
    """From one loudness to another."""

    was: Level
    wanted: Loudness


@dataclass(frozen=True)
class Sound:
    """A sound track at one point of the way."""

    track: AudioStream
    node: Node
    channels: int
    """At this point; the track may have more."""
    normalised: Normalised | None = None
    """Set where it was brought to another loudness, and a meter says what became of it."""

    @property
    def untouched(self) -> bool:
        """Whether nothing was done to it: it could be copied without decoding."""
        return self.node == steady(self.track)


def steady(track: AudioStream) -> Node:
    """A track decoded, without gaps, from time 0 on."""
    return Filtered(Steady(), (Decoded(track.index, is_audio=True),))


class AudioCodec(Enum):
    """What a sound becomes, by ffmpeg's name of the codec."""

    COPY = "copy"
    """What it is; for a sound that is untouched."""
    AAC = "aac"
    MP3 = "mp3"
    OPUS = "opus"
    FLAC = "flac"
    PCM = "pcm"
    """In as many bits as the track has: 16 or 24."""


@dataclass(frozen=True)
class AudioEncoding:
    """One sound track, encoded, or copied as it is."""

    sound: Sound
    codec: AudioCodec
    channels: int
    bitrate_kbps: int | None = None
    """None where the codec has none."""
    sample_rate: int | None = None
    """None: the track's own, or the next that the codec knows."""

    @property
    def track(self) -> AudioStream:
        """Where the sound came from."""
        return self.sound.track

    @property
    def is_copy(self) -> bool:
        """Whether the sound is neither decoded nor encoded."""
        return self.codec is AudioCodec.COPY

    @property
    def bits(self) -> int:
        """Of a sample, where nothing is lost."""
        return 24 if self.track.bits > 16 else 16

    @property
    def codec_name(self) -> str:
        """What ffmpeg calls it once it is in a file."""
        if self.is_copy:
            return self.track.codec
        return f"pcm_s{self.bits}le" if self.codec is AudioCodec.PCM else self.codec.value

    @property
    def estimated_kbps(self) -> int:
        """Its size, on the high side."""
        if self.codec in (AudioCodec.PCM, AudioCodec.FLAC):
            rate = self.sample_rate or self.track.sample_rate
            return rate * self.channels * self.bits // 1000
        return self.bitrate_kbps or 192
