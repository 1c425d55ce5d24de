"""The kinds of step: one model and one file each, and the union that ``steps`` are made of.

Pure. To add a kind, write its model in a file of its own here and name it in ``Step``; the
worker's file of the same name does it. Nothing else in the contract knows kinds by name.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_snake

from ..base import Model, Name
from .audio_mask import AudioMask, MaskLevel
from .base import StepModel
from .clean import Clean
from .cloak import Cloak, CloakMethod
from .encoding import Preset, Settled, VideoCodec, VideoSettings, settle
from .extract_audio import AudioFormat, ExtractAudio
from .loudness import Loudness
from .quality import Metric, Quality
from .scenes import Scenes
from .thumbnails import PictureFormat, Sprites, Thumbnails
from .transcode import Packaging, Rendition, Transcode
from .transcribe import SpeechEndpoint, SpeechModel, Transcribe, TranscriptFormat

__all__ = [
    "KINDS",
    "MEASURING_KINDS",
    "RENDERING_KINDS",
    "STEP_KINDS",
    "YIELDING_IN_WORDS",
    "YIELDING_KINDS",
    "AudioFormat",
    "AudioMask",
    "Clean",
    "Cloak",
    "CloakMethod",
    "ExtractAudio",
    "Loudness",
    "MaskLevel",
    "Metric",
    "OnError",
    "Packaging",
    "PictureFormat",
    "Preset",
    "Quality",
    "Rendition",
    "Scenes",
    "Settled",
    "SpeechEndpoint",
    "SpeechModel",
    "Sprites",
    "Step",
    "StepModel",
    "Thumbnails",
    "Transcode",
    "Transcribe",
    "TranscriptFormat",
    "VideoCodec",
    "VideoSettings",
    "check_steps",
    "settle",
]

KINDS: dict[str, type[StepModel]] = {
    "transcode": Transcode,
    "thumbnails": Thumbnails,
    "extractAudio": ExtractAudio,
    "scenes": Scenes,
    "quality": Quality,
    "audioMask": AudioMask,
    "clean": Clean,
    "transcribe": Transcribe,
    "cloak": Cloak,
}
"""The kinds by their keys in a manifest; each is a field of ``Step`` too."""

STEP_KINDS = tuple(KINDS)
_FIELDS = {key: to_snake(key) for key in KINDS}
YIELDING_KINDS = tuple(key for key, kind in KINDS.items() if kind.yields)
"""Kinds whose result another step can be ``from``."""
YIELDING_IN_WORDS = f"{', '.join(YIELDING_KINDS[:-1])} or {YIELDING_KINDS[-1]}"
RENDERING_KINDS = tuple(key for key, kind in KINDS.items() if kind.renders)
MEASURING_KINDS = tuple(key for key, kind in KINDS.items() if kind.measures)
"""Kinds that must be ``from`` a rendering one."""

_ONE_KIND = "+".join(f"(has(self.{kind}) ? 1 : 0)" for kind in STEP_KINDS)


class OnError(StrEnum):
    """What a step that fails means for the others."""

    FAIL = "Fail"
    CONTINUE = "Continue"


class Step(Model):
    """One thing to make of every input: a name and exactly one kind."""

    name: Annotated[Name, Field(max_length=32)] = Field(
        description="Unique in the job; the folder of its results."
    )
    from_: Annotated[Name, Field(max_length=32)] | None = Field(
        default=None,
        alias="from",
        description="Name of an earlier step whose video and sound this one takes (a transcode passes "
        "on its largest rendition, before encoding); without it, the input itself.",
    )
    transcode: Transcode | None = None
    thumbnails: Thumbnails | None = None
    extract_audio: ExtractAudio | None = None
    scenes: Scenes | None = None
    quality: Quality | None = None
    audio_mask: AudioMask | None = None
    clean: Clean | None = None
    transcribe: Transcribe | None = None
    cloak: Cloak | None = None
    on_error: OnError = Field(
        default=OnError.FAIL,
        description="Continue: if this step fails, the input goes on without it, and a warning says "
        "why. Steps that are `from` it need it as well.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"{_ONE_KIND} == 1",
                    "message": "a step has a name and exactly one kind: "
                    + ", ".join(STEP_KINDS[:-1])
                    + f" or {STEP_KINDS[-1]}; split two kinds into two steps",
                }
            ]
        }
    )

    @property
    def kinds(self) -> dict[str, StepModel]:
        """Every kind that is set, by its key: one, in a step that was let in."""
        set_fields = {key: getattr(self, field) for key, field in _FIELDS.items()}
        return {key: kind for key, kind in set_fields.items() if kind is not None}

    @property
    def spec(self) -> StepModel:
        """The one kind that is set."""
        return next(iter(self.kinds.values()))

    @property
    def yields(self) -> bool:
        """Whether another step can be ``from`` this one."""
        return self.spec.yields

    @property
    def may_fail(self) -> bool:
        """Whether the input goes on without this step if it fails."""
        return self.on_error is OnError.CONTINUE

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Step:
        if len(self.kinds) != 1:
            raise ValueError(
                f"step {self.name!r} has {len(self.kinds)} kinds; it needs exactly one of "
                + ", ".join(STEP_KINDS)
            )
        return self


def check_steps(steps: list[Step]) -> list[Step]:
    """The rules that cross steps, as the CRD's CEL states them, where no API server checks them.

    Raises:
        ValueError: for a repeated name; a ``from`` that names no earlier video-yielding step, or
            one that may fail while this one may not; subtitles of a step that makes none.
    """
    earlier: dict[str, Step] = {}
    for step in steps:
        if step.name in earlier:
            raise ValueError(f"two steps are called {step.name!r}; give each its own name")
        if step.from_ is not None and (step.from_ not in earlier or not earlier[step.from_].yields):
            raise ValueError(
                f"step {step.name!r} is from {step.from_!r}, which is no earlier step that yields "
                f"video or sound; name a step above it ({YIELDING_IN_WORDS}), or leave `from` out to "
                "use the input"
            )
        if step.spec.measures and (step.from_ is None or not earlier[step.from_].spec.renders):
            raise ValueError(
                f"step {step.name!r} measures renditions; write the transcode that makes them into "
                "its `from`"
            )
        if step.from_ is not None and earlier[step.from_].may_fail and not step.may_fail:
            raise ValueError(
                f"step {step.name!r} is from {step.from_!r}, which has onError: Continue; give it "
                "onError: Continue as well, or take it away there"
            )
        words = step.spec.subtitles_of
        if words is not None and not (words in earlier and earlier[words].spec.makes_subtitles):
            raise ValueError(
                f"step {step.name!r} reads the words of {words!r}, which is no earlier transcribe "
                "with VTT among its formats"
            )
        earlier[step.name] = step
    return steps
