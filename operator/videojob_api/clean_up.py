"""Cleaning up: what the clean-up Job of a deleted VideoJob is told, and what it answers.

Pure. The operator writes the order into the Job's environment, the worker answers in its termination
message.
"""

from __future__ import annotations

from pydantic import Field

from .base import Tolerant
from .report import Told
from .work_order import FolderTarget, S3Target

MAX_TEXT = 1000


class CleanUpOrder(Tolerant):
    """Whose outputs to delete, and where they are."""

    uid: str
    """Of the VideoJob: a manifest that says another one is left alone."""
    inputs: list[str]
    """Names; each has its folder below the prefix."""
    output_prefix: str
    s3: S3Target | None = None
    folder: FolderTarget | None = None


class CleanUpResult(Told):
    """What was done."""

    deleted: int = 0
    """Objects, manifests included."""
    complete: bool = True
    """Whether everything that the manifests list is gone."""
    message: str = Field(default="", max_length=MAX_TEXT)
