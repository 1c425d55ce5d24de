"""The step ``transcribe``: what is said, as subtitles and as text.

Found by ``steps.kind_of``. The pass writes the sound for the recogniser, 16 kHz mono; what is said in it
is found out afterwards. ``speech`` knows how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from videojob_api.status import Warn
from videojob_api.steps import SpeechEndpoint, Step, Transcribe
from videojob_api.steps.transcribe import AUTO, api_key_variable

from .. import captions
from ..errors import NotDoable
from ..graph import Container, File, Graph, Programme, seconds_of
from ..outputs import Finished, PlannedOutput
from ..scratch import Scratch
from ..sounds import AudioCodec, AudioEncoding
from ..spans import Span, span_of
from ..webvtt import read_texts
from . import StepKind, Workbench, handles

if TYPE_CHECKING:
    from ..speech.recognition import Recogniser
    from ..speech.transcript import Transcript

SAMPLE_RATE = 16_000
_LOCAL_CPU_PER_SECOND = 0.5
_ENDPOINT_CPU_PER_SECOND = 0.05
"""So that progress moves while a server works; it costs us next to nothing."""


@handles(Transcribe)
class TranscribeKind(StepKind):
    """Recognises the default sound track."""

    needs_audio = True

    def __init__(self, step: Step, scratch: Scratch) -> None:
        super().__init__(step, scratch)
        spec = step.spec
        if not isinstance(spec, Transcribe):
            raise NotDoable(f"Step {step.name!r} is no transcribe.")
        self._spec = spec
        self._planned: tuple[PlannedOutput, ...] = ()
        self._seconds = 0.0
        self._span = Span()
        self._recogniser: Recogniser | None = None

    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Have the sound written; nothing can be ``from`` words."""
        sound = programme.default_sound
        if sound is None:
            raise NotDoable(f"Step {self.name!r} needs sound, and its source has none.")
        encoding = AudioEncoding(sound, AudioCodec.PCM, 1, sample_rate=SAMPLE_RATE)
        file = File(self.work / "speech.wav", Container.WAV, (encoding,))
        graph.add_file(file)
        self._planned = (PlannedOutput(self.name, file, "audio/wav"),)
        self._seconds = float(seconds_of(sound.node, graph.media))
        self._span = span_of(sound.node)
        return None

    def outputs(self) -> tuple[PlannedOutput, ...]:
        """The sound; it is checked like any other, and not published."""
        return self._planned

    @property
    def finishing_cpu_seconds(self) -> float:
        """As long as the sound is; how large the model is, nobody knows yet."""
        share = _ENDPOINT_CPU_PER_SECOND if self._spec.endpoint else _LOCAL_CPU_PER_SECOND
        return share * self._seconds

    def check_means(self, bench: Workbench) -> None:
        """Model or key must be there, before an hour is spent on the film."""
        self._recogniser = self._find_recogniser(bench)

    def finish(self, bench: Workbench) -> Finished:
        """Recognise, and write what was said in every format."""
        from ..speech.formats import WRITERS
        from ..speech.recognition import transcribe
        from ..speech.recording import Recording

        def tell(fraction: float) -> None:
            bench.tools.stop.check()
            bench.progress(fraction)

        language = None if self._spec.language == AUTO else self._spec.language
        recogniser = self._recogniser or self._find_recogniser(bench)
        transcript = transcribe(Recording(self._planned[0].path), recogniser, language, tell)
        self._planned[0].path.unlink()
        self.out.mkdir(parents=True, exist_ok=True)
        produced: list[captions.Transcribed] = []
        for form in self._spec.formats:
            suffix, mime_type, build = WRITERS[form]
            path = self.out / f"transcript.{suffix}"
            path.write_text(build(transcript), encoding="utf-8")
            told = (path, self.name, path.name, mime_type)
            produced.append(
                captions.Transcribed(*told, language=transcript.language, span=self._span)
            )
        compared, warnings = self._compare(transcript, bench)
        measured = {self.name: {**_in_short(transcript), **compared}}
        return Finished(tuple(produced), (*self._silence(transcript), *warnings), measured)

    def _compare(
        self, transcript: Transcript, bench: Workbench
    ) -> tuple[dict[str, object], tuple[Warn, ...]]:
        """How much of what another step heard it gets wrong."""
        other = self._spec.compared_with
        if other is None:
            return {}, ()
        from ..speech.mistakes import count_mistakes

        words = captions.find_words(bench.made.get(other, ()))
        if words is None:
            message = f"Step {other!r} has failed, so there is nothing to compare with."
            return {}, (self.warn("NotCompared", message),)
        said = " ".join(read_texts(words.path.read_text(encoding="utf-8")))
        heard = " ".join(segment.text for segment in transcript.segments)
        found = count_mistakes(said, heard)
        told = {"against": other, "rate": found.rate, "errors": found.errors, "words": found.words}
        return {"wordErrors": told}, ()

    def _find_recogniser(self, bench: Workbench) -> Recogniser:
        if self._spec.endpoint is not None:
            return self._find_server(self._spec.endpoint, bench)
        from ..speech.local import LocalRecogniser

        model = LocalRecogniser(self._spec.model, self._spec.prompt, bench.means.threads)
        model.check_memory(bench.means.memory_bytes)
        return model

    def _find_server(self, spec: SpeechEndpoint, bench: Workbench) -> Recogniser:
        from ..speech.endpoint import EndpointRecogniser

        variable = api_key_variable(self.name)
        key = bench.means.environment.get(variable)
        if spec.secret_ref is not None and not key:
            raise NotDoable(
                f"Step {self.name!r} has a secretRef, and {variable} is not set, in which the worker "
                "expects the key; a worker run by hand must be given it."
            )
        return EndpointRecogniser(
            spec,
            self._spec.prompt,
            key=key,
            allowed=bench.means.allowed_networks,
            stop=bench.tools.stop,
        )

    def _silence(self, transcript: Transcript) -> tuple[Warn, ...]:
        if transcript.segments:
            return ()
        return (self.warn("NoSpeech", "No speech was found, so the transcript is empty."),)


def _in_short(transcript: Transcript) -> dict[str, object]:
    """For the input's manifest."""
    told = {
        "language": transcript.language,
        "languageProbability": transcript.language_probability,
        "words": len(transcript.words),
        "wordTimes": transcript.word_times,
        "recogniser": transcript.recogniser,
    }
    return {key: value for key, value in told.items() if value is not None}
