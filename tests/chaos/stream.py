"""The stream of jobs that a run sends through the storm, and how each must end.

Pure. Read by ``run.py``, which applies it, and by ``verification.py``; follows from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chaos.mailbox import MAILBOX

from videojob_api.status import Phase

TEMPLATE = "poster"
"""The VideoTemplate whose steps are those of most jobs."""


class Film(StrEnum):
    """The inputs in the bucket, by their keys."""

    SHORT = "uploads/short.mp4"
    """One second, small."""
    SOUND = "uploads/sound.m4a"
    """Two minutes of a tone: as WAV its upload goes in parts."""
    LONG = "uploads/long.mp4"
    """Work enough to be cancelled in."""
    NO_FILM = "uploads/note.mp4"
    """Text."""
    MISSING = "uploads/nobody-made-it.mp4"


class Sort(StrEnum):
    """The sorts of jobs."""

    PLAIN = "plain"
    SEVERAL = "several inputs"
    TOLERANT = "one bad input allowed"
    STRICT = "one bad input"
    REJECTED = "no film"
    MISSING = "no such key"
    PARTS = "upload in parts"
    CANCELLED = "cancelled"
    SUSPENDED = "suspended for a while"
    AGAIN = "run again"
    TEMPLATED = "from a template"
    TOLD = "somebody is told"
    DELETED = "deleted with its outputs"


SHARES: dict[Sort, int] = {
    Sort.SEVERAL: 8,
    Sort.TOLERANT: 3,
    Sort.STRICT: 3,
    Sort.REJECTED: 6,
    Sort.MISSING: 4,
    Sort.PARTS: 4,
    Sort.CANCELLED: 6,
    Sort.SUSPENDED: 4,
    Sort.AGAIN: 3,
    Sort.TEMPLATED: 2,
    Sort.TOLD: 3,
    Sort.DELETED: 3,
}
"""How many of a hundred jobs; the rest is plain."""
_INPUTS: dict[Sort, tuple[Film, ...]] = {
    Sort.SEVERAL: (Film.SHORT,) * 3,
    Sort.TOLERANT: (Film.SHORT, Film.NO_FILM, Film.SHORT),
    Sort.STRICT: (Film.SHORT, Film.NO_FILM),
    Sort.REJECTED: (Film.NO_FILM,),
    Sort.MISSING: (Film.MISSING,),
    Sort.PARTS: (Film.SOUND,),
    Sort.CANCELLED: (Film.LONG,),
    Sort.SUSPENDED: (Film.SHORT, Film.SHORT),
    Sort.DELETED: (Film.SHORT, Film.SHORT),
}
"""The rest has one short film."""
PICTURE = [{"name": "poster", "thumbnails": {"count": 1}}]
_STEPS: dict[Sort, list[dict[str, Any]]] = {
    Sort.PARTS: [{"name": "sound", "extractAudio": {"format": "WAV"}}],
    Sort.CANCELLED: [
        {"name": "film", "transcode": {"packaging": "MP4", "renditions": [{"height": 720}]}}
    ],
}
_PHASES: dict[Sort, frozenset[Phase]] = {
    Sort.STRICT: frozenset({Phase.FAILED}),
    Sort.REJECTED: frozenset({Phase.REJECTED}),
    Sort.MISSING: frozenset({Phase.REJECTED}),
    # A wish that comes when all is published comes too late; verification asks for all of it then.
    Sort.CANCELLED: frozenset({Phase.CANCELLED, Phase.SUCCEEDED}),
}


@dataclass(frozen=True)
class Change:
    """What a user changes of a job that is under way."""

    after_seconds: float
    """From when the job was applied."""
    patch: dict[str, Any] | None
    """Merged into the object; None deletes it."""
    once_ended: bool = False
    """Not before it has ended."""


@dataclass(frozen=True)
class StreamJob:
    """One job of the stream."""

    name: str
    sort: Sort
    at_seconds: float
    spec: dict[str, Any]
    changes: tuple[Change, ...] = ()

    @property
    def films(self) -> tuple[Film, ...]:
        """Its inputs, in order."""
        return films_of(self.sort)

    @property
    def phases(self) -> frozenset[Phase]:
        """The one in which it must end; of a cancelled one either of two."""
        return _PHASES.get(self.sort, frozenset({Phase.SUCCEEDED}))

    @property
    def runs(self) -> int:
        """How often it runs."""
        return 2 if self.sort is Sort.AGAIN else 1

    @property
    def stays(self) -> bool:
        """Whether it is there in the end."""
        return self.sort is not Sort.DELETED


def films_of(sort: Sort) -> tuple[Film, ...]:
    """The inputs of each job of a sort."""
    return _INPUTS.get(sort, (Film.SHORT,))


def build_stream(seed: int, jobs: int, seconds: float) -> tuple[StreamJob, ...]:
    """So many jobs, spread over so many seconds, in order of time."""
    chance = random.Random(f"{seed}/stream")  # noqa: S311
    sorts = _choose_sorts(jobs)
    chance.shuffle(sorts)
    moments = sorted(chance.uniform(0, seconds) for _ in sorts)
    return tuple(
        _build_job(f"job-{number:03}", sort, round(at, 1), chance)
        for number, (sort, at) in enumerate(zip(sorts, moments, strict=True))
    )


def _choose_sorts(jobs: int) -> list[Sort]:
    """Each sort at least once where there is room."""
    sorts = [sort for sort, share in SHARES.items() for _ in range(max(1, share * jobs // 100))]
    del sorts[jobs:]
    return sorts + [Sort.PLAIN] * (jobs - len(sorts))


def _build_job(name: str, sort: Sort, at_seconds: float, chance: random.Random) -> StreamJob:
    inputs = [{"name": f"in{i}", "key": str(film)} for i, film in enumerate(films_of(sort))]
    spec: dict[str, Any] = {
        "storeRef": {"name": "media"},
        "inputs": inputs,
        "steps": _STEPS.get(sort, PICTURE),
        "output": {"prefix": f"results/{name}/"},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
    }
    if sort is Sort.TOLERANT:
        spec["maxFailedInputs"] = 1
    if sort is Sort.TEMPLATED:
        spec["templateRef"] = {"name": TEMPLATE}
        del spec["steps"]
    if sort is Sort.TOLD:
        spec["notify"] = [{"url": f"{MAILBOX}/{name}"}]
    if sort is Sort.DELETED:
        spec["output"]["deletionPolicy"] = "Delete"
    return StreamJob(name, sort, at_seconds, spec, tuple(_changes(sort, chance)))


def _changes(sort: Sort, chance: random.Random) -> Sequence[Change]:
    soon = round(chance.uniform(0.5, 5), 1)
    if sort is Sort.CANCELLED:
        return [Change(soon, {"spec": {"cancel": True}})]
    if sort is Sort.SUSPENDED:
        later = round(soon + chance.uniform(3, 8), 1)
        return [
            Change(soon, {"spec": {"suspend": True}}),
            Change(later, {"spec": {"suspend": False}}),
        ]
    if sort is Sort.AGAIN:
        return [Change(soon, {"spec": {"runToken": "2"}}, once_ended=True)]
    if sort is Sort.DELETED:
        return [Change(soon, None, once_ended=True)]
    return []
