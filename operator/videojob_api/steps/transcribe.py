"""The step ``transcribe``: what is said, as subtitles and as text.

Pure. The worker's file of the same name does it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from ..base import URL_RULE, Model, Name, Quantity, Sha256, is_url
from ..flavours import Flavour
from .base import ClaimMount, SecretVariable, StepModel

AUTO = "auto"
_LANGUAGE = r"^(auto|[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)$"
_OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_DATA_KEY = r"^[-._a-zA-Z0-9]+$"
_WHERE_MESSAGE = (
    "transcribe has both model and endpoint; name one of them, or neither to use the model in the "
    "worker's image"
)
_MODEL_MESSAGE = (
    "a model is in the image (path: /models/small) or on a volume (claimName: models, path: small): "
    "with claimName the path is relative, without it absolute, and ../ is in neither"
)
_URL_MESSAGE = (
    "endpoint.url is the base of the API, without user, query or fragment, such as "
    "https://api.openai.com/v1; /audio/transcriptions is added to it. A port is 1 to 65535"
)
_URL_RULE = (
    f"{URL_RULE} && isURL(self) && self.matches('^[!-~]+$') && !self.contains('?') && "
    "!self.contains('@')"
)


class TranscriptFormat(StrEnum):
    """In what a transcript is published."""

    VTT = "VTT"
    SRT = "SRT"
    TXT = "TXT"
    JSON = "JSON"


class SpeechModel(Model):
    """A Whisper model as CTranslate2 has it: a folder with model.bin, config.json and a tokenizer."""

    path: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")] = (
        Field(description="The folder: absolute in the worker's image, or below the volume's root.")
    )
    claim_name: Annotated[str, Field(max_length=253, pattern=_OBJECT_NAME)] | None = Field(
        default=None,
        description="A PersistentVolumeClaim in the VideoJob's namespace, mounted to be read only.",
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="Expected checksum of its model.bin; with another one nothing is transcribed.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.claimName) != self.path.startsWith('/') "
                    "&& !('..' in self.path.split('/'))",
                    "message": _MODEL_MESSAGE,
                }
            ]
        }
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> SpeechModel:
        absolute = self.path.startswith("/")
        if (self.claim_name is not None) == absolute or ".." in self.path.split("/"):
            raise ValueError(_MODEL_MESSAGE)
        return self


class KeyRef(Model):
    """A key of a Secret in the VideoJob's namespace."""

    name: Annotated[str, Field(max_length=253, pattern=_OBJECT_NAME)] = Field(
        description="Name of the Secret."
    )
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=_DATA_KEY)] = Field(
        default="apiKey", description="Which of its keys holds it."
    )


class SpeechEndpoint(Model):
    """A server that speaks OpenAI's API for transcriptions."""

    url: Annotated[
        str,
        Field(
            min_length=8,
            max_length=1024,
            json_schema_extra={
                "x-kubernetes-validations": [{"rule": _URL_RULE, "message": _URL_MESSAGE}]
            },
        ),
    ] = Field(
        description="Base of the API, such as https://api.openai.com/v1. Addresses that are not "
        "public are refused unless the chart's worker.allowCidrs has them."
    )
    model: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")] = (
        Field(description="Name of the model there; it must know verbose_json, as whisper-1 does.")
    )
    secret_ref: KeyRef | None = Field(
        default=None,
        description="Where the API key is; it is given to the workers alone, as a variable.",
    )
    max_bytes: Quantity = Field(
        default="25M",
        description="Largest file that the server takes; sound is cut in pauses to stay below it.",
    )
    timeout_seconds: Annotated[int, Field(ge=5, le=3600)] = Field(
        default=600, description="How long one answer may take."
    )

    @field_validator("url")
    @classmethod
    def _is_a_base(cls, text: str) -> str:
        try:
            fits = is_url(text) and text.isascii() and urlsplit(text).hostname
        except ValueError:  # what is in brackets is no address
            fits = None
        if not fits or "?" in text or "@" in text:
            raise ValueError(_URL_MESSAGE)
        return text


class Transcribe(StepModel):
    """What is said, as subtitles and as text, by a Whisper model of one's own or a server."""

    language: Annotated[str, Field(max_length=35, pattern=_LANGUAGE)] = Field(
        default=AUTO,
        description="The language that is spoken (BCP 47, such as en or pt-BR); auto finds it out.",
    )
    formats: Annotated[list[TranscriptFormat], Field(min_length=1, max_length=4)] = Field(
        default=[TranscriptFormat.VTT, TranscriptFormat.JSON],
        description="VTT and SRT are subtitles, TXT is plain text, JSON has the time of every word.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    model: SpeechModel | None = Field(
        default=None,
        description="A model to run in the worker, with faster-whisper on the CPU; without it and "
        "without endpoint, the one that is in the image at /models/whisper.",
    )
    endpoint: SpeechEndpoint | None = Field(
        default=None, description="A server to send the sound to instead."
    )
    prompt: Annotated[str, Field(min_length=1, max_length=896)] | None = Field(
        default=None,
        description="Words that may be said, such as names, so that they are spelled right.",
    )
    compared_with: Annotated[Name, Field(max_length=32)] | None = Field(
        default=None,
        description="Name of an earlier transcribe step, with VTT among its formats; how many of its "
        "words this one gets wrong is measured. With this one `from` an audioMask, and that one not, "
        "it is what the mask does to the recogniser.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.model) || !has(self.endpoint)",
                    "message": _WHERE_MESSAGE,
                }
            ]
        }
    )

    @property
    def subtitles_of(self) -> str | None:
        """It reads them."""
        return self.compared_with

    @property
    def makes_subtitles(self) -> bool:
        """As WebVTT."""
        return TranscriptFormat.VTT in self.formats

    @property
    def flavour(self) -> Flavour:
        """A server is asked from any image; a model runs where faster-whisper is."""
        return Flavour.BASE if self.endpoint else Flavour.SPEECH

    def secrets(self, step: str) -> tuple[SecretVariable, ...]:
        """The API key."""
        ref = self.endpoint.secret_ref if self.endpoint else None
        return (SecretVariable(api_key_variable(step), ref.name, ref.key),) if ref else ()

    @property
    def claims(self) -> tuple[ClaimMount, ...]:
        """The volume with the model."""
        claim = self.model.claim_name if self.model else None
        return (ClaimMount(claim, model_mount_path(claim)),) if claim else ()

    @field_validator("formats")
    @classmethod
    def _formats_differ(cls, formats: list[TranscriptFormat]) -> list[TranscriptFormat]:
        if len(set(formats)) != len(formats):
            raise ValueError("a format is named twice; name each once")
        return formats

    @model_validator(mode="after")
    def _one_place(self) -> Transcribe:
        if self.model is not None and self.endpoint is not None:
            raise ValueError(_WHERE_MESSAGE)
        return self


def api_key_variable(step: str) -> str:
    """The worker's environment variable with the key of a step's endpoint."""
    return f"VIDEOJOB_API_KEY_{step.upper().replace('-', '_')}"


def model_mount_path(claim_name: str) -> str:
    """Where the worker finds a volume with models."""
    return f"/volumes/{claim_name}"
