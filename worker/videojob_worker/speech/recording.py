"""Sound to be recognised: read a piece at a time, cut where it is quiet.

Used by ``recognition``. Reads the WAV that our own ffmpeg wrote (16 kHz, mono, PCM); a long film never
lies in memory whole.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Unverified

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 16_000
"""Samples a second: what recognisers take."""
_BLOCK = RATE // 20
_READ_BLOCKS = 1200
_PAUSE_BLOCKS = 6
"""How long a pause is looked for: 0.3 s."""
_LOOK_BACK = 0.3
"""Share of a piece's end in which its quietest place is looked for."""


@dataclass(frozen=True)
class Piece:
    """A stretch of the recording."""

    first: int
    """Number of its first sample."""
    after: int
    """Number of the first that is no longer in it."""

    @property
    def start_seconds(self) -> float:
        """Where it begins."""
        return self.first / RATE

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.after - self.first) / RATE


class Recording:
    """A WAV file of one channel at ``RATE``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with wave.open(str(path)) as file:
            self._width = file.getsampwidth()
            if (file.getnchannels(), file.getframerate()) != (1, RATE) or self._width not in (2, 3):
                raise Unverified(f"{path.name} was planned as 16 kHz mono PCM and is not.")
            self.samples: int = file.getnframes()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / RATE

    def read(self, piece: Piece) -> NDArray[np.int16]:
        """The samples of a piece."""
        with wave.open(str(self._path)) as file:
            file.setpos(piece.first)
            return self._decode(file.readframes(piece.after - piece.first))

    def cut(self, longest_seconds: float) -> tuple[Piece, ...]:
        """Pieces that together are the whole, none longer than so many seconds."""
        import numpy as np

        return cut(np.concatenate([*self._levels()]), self.samples, int(longest_seconds * RATE))

    def _levels(self) -> Iterator[NDArray[np.float64]]:
        """How loud each block is; the last one is filled up with silence."""
        import numpy as np

        with wave.open(str(self._path)) as file:
            while chunk := file.readframes(_BLOCK * _READ_BLOCKS):
                samples = self._decode(chunk).astype(np.float64)
                missing = -len(samples) % _BLOCK
                blocks = np.pad(samples, (0, missing)).reshape(-1, _BLOCK)
                yield np.sqrt(np.mean(blocks**2, axis=1))
        yield np.zeros(0)

    def _decode(self, data: bytes) -> NDArray[np.int16]:
        import numpy as np

        if self._width == 2:
            return np.frombuffer(data, dtype="<i2")
        upper = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)[:, 1:]
        return np.ascontiguousarray(upper).view("<i2").reshape(-1)


def cut(levels: NDArray[np.float64], samples: int, longest: int) -> tuple[Piece, ...]:
    """Cut where it is quietest, as late as the length allows.

    Args:
        levels: how loud each block of the recording is.
        samples: in the whole recording.
        longest: most samples in a piece.
    """
    import numpy as np

    around = np.convolve(levels, np.ones(_PAUSE_BLOCKS), mode="same")
    pieces, first = [], 0
    while samples - first > longest:
        low = (first + int(longest * (1 - _LOOK_BACK))) // _BLOCK + 1
        high = (first + longest) // _BLOCK
        window = around[low : high + 1]
        # Of equally quiet places the last: few long pieces.
        quietest = high - int(np.argmin(window[::-1]))
        after = min(quietest * _BLOCK + _BLOCK // 2, first + longest)
        pieces.append(Piece(first, after))
        first = after
    return (*pieces, Piece(first, samples)) if samples > first else tuple(pieces)


def wav_bytes(samples: NDArray[np.int16]) -> bytes:
    """Samples as a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
