"""What the corpus consists of: mutants, each told by a seed and a number, and the hand-made hostile ones.

Used by the corpus test and by ``fuzz``. Pure but for the films that mutants are bred from, which a
``Kit`` gives.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from assets import Clip, Clips

from videojob_api.reasons import RejectReason

from .bases import FILMS, SAYS_ITS_SIZE, SOUNDS
from .mutations import MUTATIONS, graft

SUCCEEDED = "Succeeded"
_NOT_OF_THE_FILE = ("NotFound", "ChecksumMismatch", "Infected", "Empty")
REASONS = frozenset(reason.value for reason in RejectReason) - frozenset(_NOT_OF_THE_FILE)
"""What a file can be rejected for by what is in it."""
ANYTHING_HONEST = REASONS | {SUCCEEDED}

_WEB = {"name": "web", "transcode": {"renditions": [{"height": 90}], "preset": "ultrafast"}}
_STILLS = {"name": "stills", "thumbnails": {"count": 2}}
_SOUND = {"name": "sound", "extractAudio": {"format": "AAC"}}
STEPS: dict[str, list[dict[str, Any]]] = {
    "web": [_WEB, _STILLS],
    "stream": [
        {"name": "hls", "transcode": {"packaging": "HLS", "renditions": [{"height": 90}]}},
        {**_SOUND, "onError": "Continue"},
    ],
    "stills": [_STILLS],
    "clean": [{"name": "bare", "clean": {"removeSei": True}}],
    "scenes": [{"name": "cuts", "scenes": {}}, _WEB],
    "sound": [_SOUND],
    "loud": [{"name": "even", "extractAudio": {"format": "OPUS", "loudness": {}}}],
}
_FOR_FILMS = ("web", "web", "web", "stream", "stills", "clean", "scenes", "sound")
_FOR_SOUNDS = ("sound", "sound", "loud", "clean")


class Kit:
    """What a file is made from: good films, and the lures that it may point to."""

    def __init__(self, clips: Clips, canaries: Path, port: int) -> None:
        self._clips = clips
        self.canaries = canaries
        """A folder with canary.ts, canary.mp4 and canary.txt."""
        self.url = f"http://127.0.0.1:{port}/canary.ts"
        """Nobody may ask for it."""

    def film(self, clip: Clip) -> bytes:
        """The bytes of a good film."""
        return self._clips.path(clip).read_bytes()

    def remuxed(self, data: bytes, form: str, target: str, *options: str) -> bytes:
        """The same in another container, as ffmpeg calls the two."""
        command = ["ffmpeg", "-v", "error", "-nostdin", "-f", form, "-i", "-", "-c", "copy"]
        with tempfile.NamedTemporaryFile() as made:
            argv = [*command, *options, "-f", target, "-y", made.name]
            subprocess.run(argv, input=data, check=True)
            return made.read()


@dataclass(frozen=True)
class Specimen:
    """One file, what it is worked on with, and what may be said of it."""

    name: str
    make: Callable[[Kit], bytes]
    wanted: frozenset[str] = ANYTHING_HONEST
    work: str = "web"
    """Which of ``STEPS``."""
    hole_bytes: int = 0
    """So many bytes of nothing follow, which take no room on the disk."""

    @property
    def steps(self) -> list[dict[str, Any]]:
        """As an order has them."""
        return STEPS[self.work]

    @property
    def is_copied(self) -> bool:
        """Whether packets are taken over as they are: then damage in them is, too."""
        return self.work == "clean"

    def write(self, kit: Kit, path: Path) -> None:
        """Make the file."""
        with path.open("wb") as file:
            file.write(self.make(kit))
            file.truncate(file.tell() + self.hole_bytes)


def one(
    name: str, make: Callable[[Kit], bytes], *wanted: str, work: str = "web", hole_bytes: int = 0
) -> Specimen:
    """A specimen; without anything wanted, all that is honest may be said."""
    return Specimen(name, make, frozenset(wanted) or ANYTHING_HONEST, work, hole_bytes)


def mutant(seed: int, number: int) -> Specimen:
    """The mutant of this seed with this number; every base has its turn."""
    chance = Random(f"{seed}/{number}")  # noqa: S311 (to be repeated, not to be secret)
    bases = (*FILMS, *SOUNDS)
    base = bases[number % len(bases)]
    work = chance.choice(_FOR_SOUNDS if base in SOUNDS else _FOR_FILMS)
    ways = chance.choices(tuple(MUTATIONS), k=chance.choice((1, 1, 2)))
    other = chance.choice(bases) if chance.random() < 0.08 else None
    wanted = ANYTHING_HONEST
    if ways == ["cut"] and other is None and base.name.endswith(SAYS_ITS_SIZE):
        wanted -= {SUCCEEDED}
    told = (
        f"{base.name} with the end of {other.name}" if other else f"{base.name}: {', '.join(ways)}"
    )

    if base.name == "screen.flv" and work == "clean":
        wanted |= {"NotDoable"}  # its sound can't be copied into anything but FLV

    def make(kit: Kit) -> bytes:
        chance = Random(f"{seed}/{number}/bytes")  # noqa: S311
        data = kit.film(base)
        if other is not None:
            return graft(data, kit.film(other), chance)
        for way in ways:
            data = MUTATIONS[way](data or b"\0", chance)
        return data or b"\0"

    return Specimen(f"{seed}-{number} {told}", make, wanted, work)


def mutants(seed: int, first: int = 0) -> Iterator[Specimen]:
    """One after the other, without end."""
    number = first
    while True:
        yield mutant(seed, number)
        number += 1


def sampled(specimens: Sequence[Specimen], count: int, seed: int) -> list[Specimen]:
    """Some of them, the same for the same seed."""
    return Random(seed).sample(specimens, min(count, len(specimens)))  # noqa: S311
