"""What a VideoJob asks for after its end: time to live, what deleting it deletes, who is told.

Pure. Parts of ``VideoJobSpec``; their descriptions are user documentation.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator

from .base import URL_RULE, Model, Subdomain, is_url

_URL_SENTENCE = (
    "url must be a whole URL without a user or a password, such as https://hooks.example.com/videos; "
    "a port is 1 to 65535"
)

Lifetime = Annotated[int, Field(ge=0, le=315360000)]
"""Seconds, up to ten years."""


class DeletionPolicy(StrEnum):
    """What becomes of the outputs when the VideoJob is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Ttl(Model):
    """How long a VideoJob that has ended is kept; for good where nothing is written."""

    seconds_after_succeeded: Lifetime | None = Field(
        default=None, description="Deleted so long after it Succeeded; never by default."
    )
    seconds_after_failed: Lifetime | None = Field(
        default=None,
        description="Deleted so long after it ended in any other way (Failed, Rejected, "
        "Cancelled); never by default.",
    )


class NotifyEvent(StrEnum):
    """The ends of a VideoJob that somebody can be told of; as the phases are called."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    REJECTED = "Rejected"
    CANCELLED = "Cancelled"


class SigningSecretRef(Model):
    """A Secret in the VideoJob's own namespace."""

    name: Subdomain = Field(
        description="Name of the Secret; its key `secret` holds whsec_ and 24 to 64 bytes in base64."
    )


class Notify(Model):
    """Who is told how the VideoJob ended."""

    url: Annotated[
        str,
        Field(
            max_length=2048,
            json_schema_extra={
                "x-kubernetes-validations": [{"rule": URL_RULE, "message": _URL_SENTENCE}]
            },
        ),
    ] = Field(
        description="Where a CloudEvent in JSON is posted. Redirects are not followed, and private "
        "addresses are refused unless the operator's administrator allows them."
    )
    events: Annotated[
        list[NotifyEvent],
        Field(min_length=1, max_length=4, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = Field(default=list(NotifyEvent), description="Which ends are told; all by default.")
    secret_ref: SigningSecretRef | None = Field(
        default=None,
        description="The key that notifications are signed with (Standard Webhooks). The operator "
        "must be allowed to read it; where it is not, the status says the command.",
    )

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: str) -> str:
        if not is_url(url):
            raise ValueError(_URL_SENTENCE)
        return url


class SubjectRef(Model):
    """Something in your own system that the videos belong to."""

    kind: Annotated[str, Field(min_length=1, max_length=63, description="Say, vacancy.")]
    id: Annotated[str, Field(min_length=1, max_length=253, description="Its id there.")]


_MAX_METADATA_KEY = 63

UserMetadata = Annotated[
    dict[str, Annotated[str, Field(max_length=1024)]],
    Field(
        max_length=32,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"self.all(key, key.size() <= {_MAX_METADATA_KEY})",
                    "message": "userMetadata has a key longer than 63 characters; shorten it",
                }
            ]
        },
    ),
]
"""At most 32 texts of at most 1024 characters."""


def check_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Refuse what the CRD's CEL refuses.

    Raises:
        ValueError: for a key that is too long.
    """
    for key in metadata:
        if len(key) > _MAX_METADATA_KEY:
            raise ValueError(f"the key {key[:20]!r}… is longer than {_MAX_METADATA_KEY} characters")
    return metadata
