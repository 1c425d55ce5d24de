"""The kinds of step: one file each, found by the model it says it handles.

``plan.py`` asks for a step's kind; ``validate.py`` for what it needs. To add a kind, write its
model in ``videojob_api.steps`` and a file here that registers a class for it; nothing else in the
worker knows kinds by name.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from videojob_api.base import Model
from videojob_api.status import Warn
from videojob_api.steps import Step

from ..boxes import NotMp4, read_movie
from ..graph import Graph, Programme
from ..loudness import Levels
from ..media import MediaInfo
from ..outputs import Finished, PlannedOutput, Produced
from ..scratch import Scratch

if TYPE_CHECKING:
    from ..ffmpeg import Tools

_PROBE_SECONDS = 60.0


@dataclass(frozen=True)
class Means:
    """What a step may use besides ffmpeg."""

    threads: int = 1
    memory_bytes: int | None = None
    """None: as much as the machine has."""
    allowed_networks: tuple[str, ...] = ()
    """What addresses in a step may lead to though it is not public."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where keys are that a step was given."""


@dataclass(frozen=True)
class Workbench:
    """What a step has at hand to finish its files."""

    tools: Tools
    """Run ffmpeg in its sandbox."""
    media: MediaInfo
    levels: Levels = field(default_factory=dict)
    """How loud sound was on its way to the encoders."""
    progress: Callable[[float], None] = lambda _: None
    """To be told how far the step is, 0..1, if it takes noticeable time."""
    means: Means = field(default_factory=Means)
    made: Mapping[str, tuple[Produced, ...]] = field(default_factory=dict)
    """What steps before it have made, by their names; those that failed are not there."""

    def seconds_of(self, path: Path) -> float:
        """The length of a checked file, as its header tells; what is no MP4 costs a child."""
        with suppress(NotMp4):
            return round(float(read_movie(path).duration), 3)
        argv = ("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0")
        told = self.tools.run((*argv, str(path)), timeout_seconds=_PROBE_SECONDS).stdout
        return round(float(told), 3)


class StepKind(ABC):
    """One step of a job at work: adds to the pass before it, finishes files after it."""

    needs_video: ClassVar[bool] = False
    needs_audio: ClassVar[bool] = False
    compares: ClassVar[bool] = False
    """Whether it reads what other steps made: it works in a pass after theirs."""
    wanted_filters: ClassVar[frozenset[str]] = frozenset()
    """What it uses where ffmpeg has it; not every build does."""
    wanted_programs: ClassVar[frozenset[str]] = frozenset()
    """What it runs beside ffmpeg where it is installed."""
    afterwards: tuple[StepKind, ...] = ()
    """What it has done in the pass after its own: kinds that compare; known after ``contribute``."""
    is_leaf: bool = True
    """Whether no other step is ``from`` it; told before ``contribute``."""

    def __init__(self, step: Step, scratch: Scratch) -> None:
        """Prepare the step; nothing is touched yet.

        Args:
            step: the step as the work order has it.
            scratch: where it may write: its own folders in ``out`` and ``work``.
        """
        self.name = step.name
        self.may_fail = step.may_fail
        """Whether the input goes on without it."""
        self.out = scratch.out / step.name
        self.work = scratch.work / step.name
        self.assets = tuple(scratch.asset(key) for key in step.spec.assets)
        """Where the objects that the step names lie, besides the input."""
        self.warnings: list[Warn] = []
        """What the planner should tell the user; complete after ``contribute``."""

    @abstractmethod
    def contribute(self, graph: Graph, programme: Programme) -> Programme | None:
        """Add to the pass what this step needs; return what other steps can be ``from``."""

    def prepare(self) -> None:  # noqa: B027 (most have nothing to prepare)
        """Make what the pass reads besides the film."""

    @abstractmethod
    def outputs(self) -> tuple[PlannedOutput, ...]:
        """The media files that must exist after the pass."""

    def check_means(self, bench: Workbench) -> None:  # noqa: B027 (most need nothing)
        """Whether what it needs besides the film is there; asked before the long work.

        Raises:
            NotDoable: if something is missing.
        """

    @abstractmethod
    def finish(self, bench: Workbench) -> Finished:
        """Make what is left to make from the files of the pass: playlists, choices, sheets."""

    @property
    def finishing_cpu_seconds(self) -> float:
        """What ``finish`` is estimated to take: its share of the progress."""
        return 0.0

    def warn(self, reason: str, message: str) -> Warn:
        """A warning about this step."""
        return Warn(step=self.name, reason=reason, message=message)


_KINDS: dict[type[Model], type[StepKind]] = {}


def handles(model: type[Model]) -> Callable[[type[StepKind]], type[StepKind]]:
    """Register the decorated class for the steps of this model."""

    def register(kind: type[StepKind]) -> type[StepKind]:
        _KINDS[model] = kind
        return kind

    return register


def kind_of(step: Step) -> type[StepKind]:
    """The class that does this step.

    Raises:
        KeyError: if no file here handles the step's model.
    """
    return _KINDS[type(step.spec)]


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
