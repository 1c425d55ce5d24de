"""The manifest of an input: the last object published, and the whole truth about what was made.

Pure. Its presence at ``<prefix><input>/manifest.json`` means *done*.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .base import Tolerant
from .ending import SubjectRef
from .status import MediaFacts, OutputStatus, Usage, Warn

MANIFEST_VERSION: Literal["videojob.dev/manifest/v1"] = "videojob.dev/manifest/v1"


class ManifestSource(Tolerant):
    """The input as it was fetched."""

    key: str | None = None
    url: str | None = None
    """Instead of a key; without its query, which may be a credential."""
    etag: str | None = None
    sha256: str
    facts: MediaFacts


class StageTiming(Tolerant):
    """Wall and CPU time of one stage of the pipeline."""

    stage: str
    wall_seconds: float
    cpu_seconds: float


class Manifest(Tolerant):
    """What was made of one input."""

    schema_: Annotated[Literal["videojob.dev/manifest/v1"], Field(alias="schema")] = (
        MANIFEST_VERSION
    )
    job: dict[str, Any]
    """namespace, name, uid, runID, attempt."""
    input: str
    index: int
    source: ManifestSource
    steps: list[dict[str, Any]]
    """The step specs as obeyed."""
    outputs: list[OutputStatus]
    measured: dict[str, Any] = {}
    """What steps found out, by their names, in short."""
    timings: list[StageTiming] = []
    usage: Usage
    warnings: list[Warn] = []
    worker: dict[str, str]
    """Versions: worker, ffmpeg, encoders."""
    accelerator: dict[str, str | None] = {}
    subject_refs: list[SubjectRef] = []
    """As the VideoJob had them when its work began, as is ``user_metadata``."""
    user_metadata: dict[str, str] = {}
    finished_at: str
