"""The step ``extractAudio``: the default sound track as a file of its own.

Found by ``steps.kind_of``. It must not touch video.
"""

from __future__ import annotations

from dataclasses import dataclass

from videojob_api.steps import AudioFormat, ExtractAudio, Step

from ..boxes import read_movie
from ..errors import NotDoable
from ..graph import AudioEncoding, Container, File, Graph, Programme
from ..outputs import Finished, PlannedOutput, Produced
from ..scratch import Scratch
from . import StepKind, Workbench, handles


@dataclass(frozen=True)
class _Form:
    """In what a codec is kept when it is copied."""

    container: Container
    suffix: str
    mime_type: str


_MP4 = _Form(Container.FASTSTART_MP4, "m4a", "audio/mp4")
_OGG = _Form(Container.OGG, "ogg", "audio/ogg")
_WAV = _Form(Container.WAV, "wav", "audio/wav")
_WMA = _Form(Container.ASF, "wma", "audio/x-ms-wma")
_ANYTHING = _Form(Container.MATROSKA, "mka", "audio/x-matroska")
_FORMS = {
    "aac": _MP4,
    "alac": _MP4,
    "mp3": _Form(Container.MP3, "mp3", "audio/mpeg"),
    "opus": _Form(Container.OGG, "opus", "audio/ogg"),
    "vorbis": _OGG,
    "flac": _Form(Container.FLAC, "flac", "audio/flac"),
    "ac3": _Form(Container.AC3, "ac3", "audio/ac3"),
    "eac3": _Form(Container.EAC3, "eac3", "audio/eac3"),
    "amr_nb": _Form(Container.AMR, "amr", "audio/amr"),
    "wmav1": _WMA,
    "wmav2": _WMA,
    "wmapro": _WMA,
    "pcm_u8": _WAV,
    "pcm_s16le": _WAV,
    "pcm_s24le": _WAV,
    "pcm_s32le": _WAV,
    "pcm_f32le": _WAV,
    "pcm_alaw": _WAV,
    "pcm_mulaw": _WAV,
}
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
        self._spec = spec
        self._planned: tuple[PlannedOutput, ...] = ()

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Add the file; sound is the end of this line, so nothing can be ``from`` it."""
        sound = programme.default_sound
        if sound is None:
            raise NotDoable(f"Step {self.name!r} needs sound, and its source has none.")
        track = sound.track
        if self._spec.format is AudioFormat.COPY:
            if track.codec in _NOWHERE:
                raise NotDoable(
                    f"Step {self.name!r} is to copy sound of codec {track.codec}, which no plain "
                    "audio file can hold; use format: AAC."
                )
            form, bitrate = _FORMS.get(track.codec, _ANYTHING), None
        else:
            form, bitrate = _MP4, self._spec.bitrate_kbps
        file = File(
            self.out / f"audio.{form.suffix}", form.container, (AudioEncoding(sound, bitrate),)
        )
        graph.add_file(file)
        self._planned = (PlannedOutput(self.name, file, form.mime_type),)
        return None

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """The one file."""
        return self._planned

    def finish(self, bench: Workbench) -> Finished:
        """Nothing is left to do."""
        return Finished(tuple(self._produced(output) for output in self._planned))

    def _produced(self, output: PlannedOutput) -> Produced:
        seconds = None
        if output.file.container is Container.FASTSTART_MP4:
            seconds = round(float(read_movie(output.path).duration), 3)
        return Produced(
            output.path, self.name, output.path.name, output.mime_type, duration_seconds=seconds
        )
