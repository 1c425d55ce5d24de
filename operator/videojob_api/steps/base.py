"""What every kind of step says of itself.

Pure. The base of each model beside it; it knows none of them.
"""

from __future__ import annotations

from typing import ClassVar

from ..base import Model


class StepModel(Model):
    """One kind of step, as a manifest describes it."""

    yields: ClassVar[bool] = False
    """Whether another step can be ``from`` it: it passes on pictures and sound."""
    renders: ClassVar[bool] = False
    """Whether it makes renditions, which a step that measures can be ``from``."""
    measures: ClassVar[bool] = False
    """Whether it measures the renditions of the step that it is ``from``: it can't do without."""
