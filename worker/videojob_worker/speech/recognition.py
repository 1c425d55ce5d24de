"""Has a recording recognised, piece by piece, and puts what was heard together.

Called by the step. A recogniser is a model here (``local``) or a server (``endpoint``); this knows neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .recording import Recording
from .transcript import Heard, Segment, Transcript, put_in_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Recogniser(Protocol):
    """Hears words in sound."""

    @property
    def longest_seconds(self) -> float:
        """Longest piece that it takes."""

    @property
    def name(self) -> dict[str, str]:
        """Which one it is, for the manifest: enough to tell it from another."""

    @property
    def measures_words(self) -> bool:
        """Whether the times of words were measured, in what it has heard so far."""

    def hear(
        self, samples: NDArray[np.int16], language: str | None, tell: Callable[[float], None]
    ) -> Heard:
        """Recognise one piece.

        Args:
            samples: of the piece.
            language: that is spoken, as ISO 639 has it; None to find it out.
            tell: is told how far it is, 0..1; raises to stop it.
        """


def transcribe(
    recording: Recording,
    recogniser: Recogniser,
    language: str | None,
    tell: Callable[[float], None],
) -> Transcript:
    """The transcript of a whole recording.

    Args:
        recording: the sound.
        recogniser: who hears.
        language: that is spoken (BCP 47); None to find it out in the first piece with speech, which
            decides for all: pieces are no reason to change.
        tell: is told how far it is, 0..1.
    """
    spoken = language.partition("-")[0].lower() if language else None
    probability: float | None = None
    segments: list[Segment] = []
    gone = 0.0
    for piece in recording.cut(recogniser.longest_seconds):

        def tell_piece(done: float, before: float = gone, seconds: float = piece.seconds) -> None:
            tell((before + done * seconds) / recording.seconds)

        heard = recogniser.hear(recording.read(piece), spoken, tell_piece)
        segments += [segment.shifted(piece.start_seconds) for segment in heard.segments]
        if spoken is None and heard.segments and heard.language:
            spoken, probability = heard.language, heard.language_probability
        gone += piece.seconds
        tell(gone / recording.seconds)
    return Transcript(
        segments=put_in_order(segments),
        language=language or spoken,
        language_probability=probability,
        duration_seconds=recording.seconds,
        recogniser=recogniser.name,
        word_times="measured" if recogniser.measures_words else "estimated",
    )
