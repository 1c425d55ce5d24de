"""Web identity: a store's credentials for a token of Kubernetes, by AssumeRoleWithWebIdentity.

Pure. A part of ``S3Store``. AWS calls it IAM roles for service accounts; MinIO and Ceph have the same
request. Whose token it is, is not for a manifest to choose: see docs/decisions/0078.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue

from .base import Model

_API_AUDIENCES = ("k3s", "rke2", "kubernetes")
_API_AUDIENCE = (
    "a token for this audience would open the Kubernetes API; write the STS service's own"
)
_AWS_HOST = re.compile(r"[./](?P<domain>amazonaws\.com(\.cn)?)(:\d+)?$")


def _check_audience(audience: str) -> str:
    if audience in _API_AUDIENCES:
        raise ValueError(_API_AUDIENCE)
    return audience


_NOT_THE_API: dict[str, JsonValue] = {
    "x-kubernetes-validations": [
        {"rule": f"!(self in {list(_API_AUDIENCES)})", "message": _API_AUDIENCE}
    ]
}

# The audiences of an API server are URLs in all but a few distributions: neither those nor our own
# (videojob.dev/UID, for reports) can be written without a slash.
Audience = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=255, json_schema_extra=_NOT_THE_API),
    AfterValidator(_check_audience),
]


class WebIdentity(Model):
    """A role that the workers take on, for as long as they work."""

    role_arn: Annotated[
        str, Field(max_length=2048, pattern=r"^arn:[^:\s]+:iam:[^:\s]*:[^:\s]*:role/\S+$")
    ] = Field(
        description="For example arn:aws:iam::123456789012:role/videojob; MinIO prints its own at start."
    )
    audience: Audience = Field(
        default="sts.amazonaws.com",
        description="Whom the token is for: the client ID under which the STS service knows the cluster.",
    )
    sts_endpoint: (
        Annotated[
            str,
            Field(
                max_length=512, pattern=r"^https://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._/-]*)?$"
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Where the token is shown, with https. Default: the region's STS of AWS for a bucket "
        "at AWS, else the store's endpoint.",
    )


def find_sts_endpoint(identity: WebIdentity, endpoint: str, region: str) -> str:
    """Where to show the token: what is said, else AWS's of the region for AWS, else the store itself."""
    if identity.sts_endpoint:
        return identity.sts_endpoint
    bare = endpoint.rstrip("/")
    aws = _AWS_HOST.search(bare)
    return f"https://sts.{region}.{aws['domain']}" if aws else bare
