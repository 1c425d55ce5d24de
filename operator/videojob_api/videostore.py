"""The VideoStore: where bytes live.

Pure. A job names a store of its own namespace; credentials stay in a Secret, or are asked for with a
token, that only its workers see.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, model_validator

from .base import Model, Subdomain, check_inside
from .web_identity import WebIdentity

_INSIDE: dict[str, JsonValue] = {
    "x-kubernetes-validations": [
        {
            "rule": "!self.contains('../')",
            "message": "a store's prefix can't have ../ in it; write the folder that is meant",
        }
    ]
}

Prefix = Annotated[
    str,
    Field(max_length=512, pattern=r"^([^/].*/)?$", json_schema_extra=_INSIDE),
    AfterValidator(check_inside),
]


class AddressingStyle(StrEnum):
    """How a bucket is written in a URL."""

    AUTO = "Auto"
    PATH = "Path"
    VIRTUAL_HOST = "VirtualHost"


class SecretRef(Model):
    """A Secret in the same namespace."""

    name: Subdomain = Field(
        description="Name of the Secret; its keys are accessKeyID and secretAccessKey."
    )


class ConfigMapKeyRef(Model):
    """One key of a ConfigMap in the same namespace."""

    name: Subdomain = Field(description="Name of the ConfigMap.")
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=253)] = Field(
        default="ca.crt", description="Key whose value is one or more certificates in PEM."
    )


_ONE_LOGIN = "a bucket needs exactly one of credentialsSecretRef and webIdentity"
_CA_NEEDS_HTTPS = (
    "caConfigMapRef says whose certificates to trust: write the endpoint with https://, or leave "
    "caConfigMapRef out"
)
_IDENTITY_NEEDS_HTTPS = (
    "webIdentity sends a token, which is a credential: write the endpoint with https://"
)


def _rule(rule: str, message: str) -> dict[str, JsonValue]:
    return {"rule": rule, "message": message}


class S3Store(Model):
    """A bucket of any S3-compatible service."""

    endpoint: Annotated[
        str, Field(max_length=512, pattern=r"^https?://[A-Za-z0-9.-]+(:\d{1,5})?/?$")
    ] = Field(description="For example https://s3.eu-central-1.amazonaws.com or http://minio:9000.")
    bucket: Annotated[
        str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")
    ] = Field(description="Name of the bucket; it has to be there.")
    region: Annotated[str, Field(max_length=64)] = Field(
        default="us-east-1", description="Requests are signed for it; many servers take any."
    )
    prefix: Prefix = Field(
        default="", description="Put before every key; empty or with a slash at the end."
    )
    addressing_style: AddressingStyle = Field(
        default=AddressingStyle.AUTO,
        description="Auto: virtual host for AWS, path for everyone else.",
    )
    ca_config_map_ref: ConfigMapKeyRef | None = Field(
        default=None,
        description="The certificate authorities that the endpoint's certificate may be of, instead of "
        "the public ones; the STS endpoint's too. Read by the workers alone.",
    )
    credentials_secret_ref: SecretRef | None = Field(
        default=None, description="Long-lived keys; either this or webIdentity."
    )
    web_identity: WebIdentity | None = Field(
        default=None,
        description="Short-lived keys, for a token of the workers' ServiceAccount; no Secret is needed.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                _rule("has(self.credentialsSecretRef) != has(self.webIdentity)", _ONE_LOGIN),
                _rule(
                    "!has(self.caConfigMapRef) || self.endpoint.startsWith('https://')",
                    _CA_NEEDS_HTTPS,
                ),
                _rule(
                    "!has(self.webIdentity) || self.endpoint.startsWith('https://')",
                    _IDENTITY_NEEDS_HTTPS,
                ),
            ]
        }
    )

    @model_validator(mode="after")
    def _can_be_reached(self) -> S3Store:
        is_https = self.endpoint.startswith("https://")
        if (self.credentials_secret_ref is None) == (self.web_identity is None):
            raise ValueError(_ONE_LOGIN)
        if self.ca_config_map_ref is not None and not is_https:
            raise ValueError(_CA_NEEDS_HTTPS)
        if self.web_identity is not None and not is_https:
            raise ValueError(_IDENTITY_NEEDS_HTTPS)
        return self


class VolumeStore(Model):
    """A folder on a PersistentVolumeClaim of the same namespace."""

    claim_name: Subdomain = Field(
        description="Name of the PersistentVolumeClaim; workers on several nodes need ReadWriteMany."
    )
    prefix: Prefix = Field(
        default="", description="Put before every key; empty or with a slash at the end."
    )


class VideoStoreSpec(Model):
    """Exactly one kind of store."""

    s3: S3Store | None = None
    volume: VolumeStore | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.s3) != has(self.volume)",
                    "message": "a VideoStore needs exactly one of s3 and volume",
                }
            ]
        }
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> VideoStoreSpec:
        if (self.s3 is None) == (self.volume is None):
            raise ValueError("a VideoStore needs exactly one of s3 and volume")
        return self


class VideoStore(Model):
    """Where the inputs of VideoJobs are and their results go."""

    model_config = ConfigDict(extra="ignore")

    api_version: str
    kind: str
    metadata: dict[str, Any]
    spec: VideoStoreSpec
