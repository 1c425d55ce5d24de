"""What every kind of step says of itself.

Pure. The base of each model beside it; it knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base import Model
from ..flavours import Flavour


@dataclass(frozen=True)
class SecretVariable:
    """A key of a Secret in the job's namespace, as a variable of the worker's container."""

    variable: str
    secret: str
    key: str


@dataclass(frozen=True)
class ClaimMount:
    """A PersistentVolumeClaim in the job's namespace, mounted to be read only."""

    claim_name: str
    path: str


class StepModel(Model):
    """One kind of step, as a manifest describes it."""

    yields: ClassVar[bool] = False
    """Whether another step can be ``from`` it: it passes on pictures and sound."""
    renders: ClassVar[bool] = False
    """Whether it makes renditions, which a step that measures can be ``from``."""
    measures: ClassVar[bool] = False
    """Whether it measures the renditions of the step that it is ``from``: it can't do without."""

    @property
    def subtitles_of(self) -> str | None:
        """Name of an earlier step whose subtitles it reads."""
        return None

    @property
    def makes_subtitles(self) -> bool:
        """Whether another step can take its subtitles."""
        return False

    @property
    def flavour(self) -> Flavour:
        """The image that it needs."""
        return Flavour.BASE

    @property
    def gains_from_gpu(self) -> bool:
        """Whether it is faster where there is a GPU."""
        return False

    def secrets(self, step: str) -> tuple[SecretVariable, ...]:
        """What the worker must be told and nobody else, for a step of this name."""
        return ()

    @property
    def claims(self) -> tuple[ClaimMount, ...]:
        """Volumes that the worker must be able to read."""
        return ()

    @property
    def assets(self) -> tuple[str, ...]:
        """Keys of objects in the store that it needs besides the input."""
        return ()
