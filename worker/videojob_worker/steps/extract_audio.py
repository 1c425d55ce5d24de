"""The step ``extractAudio``: a sound track as a file of its own.

Found by ``steps.kind_of``. It must not touch video.
"""

from __future__ import annotations

from videojob_api.steps import AudioFormat, ExtractAudio, Step

from ..containers import ANYTHING, FLAC, M4A, MP3, OPUS, SOUND_FORMS, WAV, Form
from ..errors import NotDoable
from ..graph import File, Graph, Programme
from ..loudness import normalise
from ..outputs import Finished, PlannedOutput
from ..packaging.languages import language_tag
from ..scratch import Scratch
from ..sounds import AudioCodec, AudioEncoding, Sound
from . import StepKind, Workbench, handles

_ENCODED = {
    AudioFormat.AAC: (M4A, AudioCodec.AAC, 128),
    AudioFormat.MP3: (MP3, AudioCodec.MP3, 192),
    AudioFormat.OPUS: (OPUS, AudioCodec.OPUS, 96),
    AudioFormat.FLAC: (FLAC, AudioCodec.FLAC, None),
    AudioFormat.WAV: (WAV, AudioCodec.PCM, None),
}
"""Each with its bitrate, if none is asked for."""
_STEREO = 2
_SURROUND_FACTOR = 3
_NOWHERE = frozenset(
    (
        *("pcm_bluray", "pcm_dvd", "pcm_s8", "pcm_f32be", "pcm_f64be", "pcm_s16le_planar"),
        *("pcm_u16le", "pcm_u24le", "adpcm_swf", "s302m"),
    )
)
"""Codecs that Matroska can't hold, which holds nearly all others."""


@handles(ExtractAudio)
class ExtractAudioKind(StepKind):
    """Encodes or copies one track."""

    needs_audio = True

    def __init__(self, step: Step, scratch: Scratch) -> None:
        super().__init__(step, scratch)
        spec = step.spec
        if not isinstance(spec, ExtractAudio):
            raise NotDoable(f"Step {step.name!r} is no extractAudio.")
        self.step = step
        self._spec = spec
        self._planned: tuple[PlannedOutput, ...] = ()

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Add the file; sound is the end of this line, so nothing can be ``from`` it."""
        sound = self._choose(programme)
        form, encoding = self._copied(sound) if self._is_copy else self._encoded(graph, sound)
        file = File(self.out / f"audio.{form.suffix}", form.container, (encoding,))
        graph.add_file(file)
        self._planned = (PlannedOutput(self.name, file, form.mime_type),)
        return None

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """The one file."""
        return self._planned

    def finish(self, bench: Workbench) -> Finished:
        """Nothing is left to do."""
        return Finished(
            tuple(output.produced(bench.seconds_of(output.path)) for output in self._planned)
        )

    @property
    def _is_copy(self) -> bool:
        return self._spec.format is AudioFormat.COPY

    def _choose(self, programme: Programme) -> Sound:
        """The track that is named, or the one that a player would play."""
        sounds, number, language = programme.sounds, self._spec.track, self._spec.language
        if not sounds:
            raise NotDoable(f"Step {self.name!r} needs sound, and its source has none.")
        if number is not None:
            if number < len(sounds):
                return sounds[number]
            raise NotDoable(
                f"Step {self.name!r} wants track {number}; its source has {len(sounds)}, counted "
                "from 0."
            )
        if language is not None:
            wanted = language_tag(language)
            alike = [s for s in sounds if language_tag(s.track.language) == wanted]
            if alike:
                return alike[0]
            there = ", ".join(s.track.language or "unknown" for s in sounds)
            raise NotDoable(
                f"Step {self.name!r} wants sound in {language}; its source has: {there}. Name one of "
                "those, or a track by its number."
            )
        return programme.default_sound or sounds[0]

    def _copied(self, sound: Sound) -> tuple[Form, AudioEncoding]:
        codec = sound.track.codec
        if not sound.untouched:
            raise NotDoable(
                f"Step {self.name!r} is to copy sound that step {self.step.from_!r} changed; choose "
                "a format to encode it in, such as FLAC."
            )
        if codec in _NOWHERE:
            raise NotDoable(
                f"Step {self.name!r} is to copy sound of codec {codec}, which no plain audio file "
                "can hold; use format: AAC."
            )
        form = SOUND_FORMS.get(codec, ANYTHING)
        return form, AudioEncoding(sound, AudioCodec.COPY, sound.channels)

    def _encoded(self, graph: Graph, sound: Sound) -> tuple[Form, AudioEncoding]:
        spec = self._spec
        form, codec, default_kbps = _ENCODED[spec.format]
        channels = self._channels(sound)
        kbps = spec.bitrate_kbps or default_kbps
        if kbps and channels > _STEREO and spec.bitrate_kbps is None:
            kbps *= _SURROUND_FACTOR
        sound = normalise(graph, sound, channels, spec.loudness)
        return form, AudioEncoding(sound, codec, channels, kbps, spec.sample_rate_hz)

    def _channels(self, sound: Sound) -> int:
        wanted = self._spec.channels
        if wanted is None:
            return min(_STEREO, sound.channels)
        if wanted <= _STEREO or wanted <= sound.channels:
            return wanted
        message = (
            f"{wanted} channels were asked for; the track has {sound.channels}, and none are added."
        )
        self.warnings.append(self.warn("ChannelsNotAdded", message))
        return sound.channels
