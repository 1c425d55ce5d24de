"""One input of a VideoJob: where it is, in the store or on the web.

Pure. A part of ``VideoJobSpec``; its descriptions are user documentation.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, field_validator, model_validator

from .addresses import redact
from .base import URL_RULE, Model, Name, ObjectKey, Sha256, check_inside, is_url

# 500 of them have to fit into one ConfigMap (1 MiB); signed links with a session token are shorter.
_MAX_INPUT_URL = 1792
_ONE_SOURCE = "an input needs exactly one of key (an object in the store) and url (http or https)"
_INPUT_URL = (
    "url must be a whole http or https URL in ASCII without a user, a password or a fragment, such as "
    "https://example.com/film.mp4; a port is 1 to 65535"
)


class Input(Model):
    """One video to work on."""

    name: Name = Field(description="Unique in the job; the folder of this input's results.")
    key: ObjectKey | None = Field(
        default=None,
        description="Object key in the store, below the store's prefix; either this or url.",
    )
    url: (
        Annotated[
            str,
            Field(
                max_length=_MAX_INPUT_URL,
                json_schema_extra={
                    "x-kubernetes-validations": [
                        {
                            "rule": f"{URL_RULE} && self.matches('^[!-~]+$')",
                            "message": _INPUT_URL,
                        }
                    ]
                },
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Where the workers fetch it from, instead of the store; http or https. Addresses "
        "that are not public are refused unless the chart's worker.allowCidrs has them. What is "
        "behind a question mark, such as a signature, is shown in its Jobs, Pods or ConfigMap alone.",
    )
    sha256: Sha256 | None = Field(
        default=None, description="Expected checksum; another one is Rejected ChecksumMismatch."
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.key) != has(self.url)", "message": _ONE_SOURCE},
                {
                    "rule": "!has(self.key) || !self.key.contains('../')",
                    "message": "key can't leave the store's prefix: write it without ../",
                },
            ]
        }
    )

    @field_validator("key")
    @classmethod
    def _stays_inside(cls, key: str | None) -> str | None:
        return key and check_inside(key)

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: str | None) -> str | None:
        if url is None or (url.isascii() and is_url(url)):
            return url
        raise ValueError(_INPUT_URL)

    @model_validator(mode="after")
    def _has_one_source(self) -> Input:
        if (self.key is None) == (self.url is None):
            raise ValueError(_ONE_SOURCE)
        return self

    @property
    def location(self) -> str:
        """The key, or the whole URL: to fetch it by, not to be shown."""
        return self.key or self.url or ""

    @property
    def place(self) -> str:
        """The same for people."""
        return self.key or redact(self.url or "")

    @property
    def source_kind(self) -> str:
        """The field that says where it is."""
        return "key" if self.key else "url"
