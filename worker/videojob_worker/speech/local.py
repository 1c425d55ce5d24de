"""Recognises speech with a Whisper model in this process, by faster-whisper on the CPU.

The only module that imports faster-whisper, and only once there is something to hear. Models come from
the image or a volume; nothing is ever fetched. It must not decode anything: samples come in.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from videojob_api.steps import SpeechModel
from videojob_api.steps.transcribe import model_mount_path

from ..costs import in_words
from ..errors import NotDoable
from .languages import language_code
from .recording import RATE
from .transcript import Heard, Segment, Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IMAGE_MODEL = Path("/models/whisper")
"""Where an image has its model, if it has one."""
_WEIGHTS = "model.bin"
_PARTS = (_WEIGHTS, "config.json", "tokenizer.json")
_LONGEST_SECONDS = 300.0
_BASE_BYTES = 450 << 20
"""Libraries, the search for speech, and the spectrum of a piece."""
_BYTES_PER_BYTE = 1.4
"""Of memory for each byte of a model: it is read, and then kept in the form that the CPU likes."""
_SEED = 1


def find_model(wanted: SpeechModel | None) -> Path:
    """The folder of a model.

    Raises:
        NotDoable: if there is none, saying where it was looked for.
    """
    if wanted is None:
        folder, where = IMAGE_MODEL, "in the worker's image, and the step names none"
        todo = "build the image with one, or name a model or an endpoint"
    elif wanted.claim_name is None:
        folder, where = Path(wanted.path), "in the worker's image"
        todo = "mend model.path"
    else:
        folder = Path(model_mount_path(wanted.claim_name)) / wanted.path
        where = f"on the volume of claim {wanted.claim_name!r}, at {wanted.path}"
        todo = "mend model.path, or put it there"
    missing = [part for part in _PARTS if not (folder / part).is_file()]
    if missing:
        raise NotDoable(
            f"There is no model {where}: {folder} lacks {', '.join(missing)}; a Whisper model as "
            f"CTranslate2 has it was wanted. {todo[0].upper()}{todo[1:]}."
        )
    return folder


class LocalRecogniser:
    """A model of one's own."""

    measures_words = True
    longest_seconds = _LONGEST_SECONDS

    def __init__(self, wanted: SpeechModel | None, prompt: str | None, threads: int) -> None:
        """Look at the model; it is loaded when there is something to hear.

        Raises:
            NotDoable: if it is not there, or not the one that was wanted.
        """
        self._folder = find_model(wanted)
        self._prompt = prompt
        self._threads = threads
        self._sha256 = _sha256(self._folder / _WEIGHTS)
        self._model: Any = None
        if wanted and wanted.sha256 and wanted.sha256 != self._sha256:
            raise NotDoable(
                f"The model in {self._folder} has sha256 {self._sha256}; {wanted.sha256} was "
                "wanted. Put the right one there, or mend model.sha256."
            )

    @property
    def name(self) -> dict[str, str]:
        """Its folder's name, and what is in it."""
        return {"model": self._folder.name, "sha256": self._sha256}

    def check_memory(self, memory_bytes: int | None) -> None:
        """Whether it fits.

        Raises:
            NotDoable: naming what it needs.
        """
        size = (self._folder / _WEIGHTS).stat().st_size
        needed = int(_BASE_BYTES + size * _BYTES_PER_BYTE)
        if memory_bytes is not None and needed > memory_bytes:
            raise NotDoable(
                f"The speech model needs about {in_words(needed)} of memory and the worker may use "
                f"{in_words(memory_bytes)}; raise resources.limits.memory, or take a smaller model."
            )

    def hear(
        self, samples: NDArray[np.int16], language: str | None, tell: Callable[[float], None]
    ) -> Heard:
        """See ``Recogniser.hear``."""
        import numpy as np

        if self._model is None:
            self._model = self._load()
        if language not in (None, "en") and not self._model.model.is_multilingual:
            raise NotDoable(
                f"The model in {self._folder} knows English only, and language is {language}; take "
                "one whose name does not end with .en."
            )
        with _explained(self._folder):
            found, about = self._model.transcribe(
                samples.astype(np.float32) / 32768,
                language=language,
                word_timestamps=True,
                vad_filter=True,
                initial_prompt=self._prompt,
            )
            seconds = max(len(samples) / RATE, 0.001)
            segments = []
            for segment in found:
                segments.append(_taken(segment))
                tell(min(1.0, segment.end / seconds))
        spoken = language_code(about.language)
        return Heard(tuple(segments), spoken, round(float(about.language_probability), 3))

    def _load(self) -> Any:
        whisper, engine = _libraries()
        # What is unclear is settled by chance: the same film shall come out the same.
        engine.set_random_seed(_SEED)
        with _explained(self._folder):
            return whisper.WhisperModel(
                str(self._folder),
                device="cpu",
                compute_type="auto",
                cpu_threads=self._threads,
                local_files_only=True,
            )


def _libraries() -> tuple[Any, Any]:
    """faster-whisper and the engine below it.

    Its decoder of files is PyAV, another FFmpeg, which has no business in the process with the
    storage's keys: it gets an empty module instead.
    """
    stand_in = ModuleType("av")
    if "av" not in sys.modules:
        sys.modules["av"] = stand_in
    try:
        import ctranslate2
        import faster_whisper
    except ImportError as error:
        raise NotDoable(
            f"This worker can't recognise speech: {error}. In a cluster, the image's flavour must be "
            "speech or gpu; without one, install videojob[speech]. Or name an endpoint."
        ) from error
    finally:
        if sys.modules.get("av") is stand_in:
            del sys.modules["av"]
    return faster_whisper, ctranslate2


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """What the engine says of a model that it can't use, as a sentence."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise NotDoable(
            f"The model in {folder} can't be used: {error}. A Whisper model that was converted for "
            "CTranslate2 is wanted."
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _taken(segment: Any) -> Segment:
    words = tuple(
        Word(float(w.start), float(w.end), w.word, float(w.probability))
        for w in segment.words or ()
    )
    return Segment(float(segment.start), float(segment.end), segment.text, words)
