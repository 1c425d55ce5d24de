"""The base of every model in the contract, and the few types they share.

Imported by the other modules of this package only; it knows no kind of resource.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel

_QUANTITY_PATTERN = r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
"""As manifests may have it."""
_QUANTITY = re.compile(
    r"^(?P<number>\d+(?:\.\d+)?)"
    r"(?:(?P<unit>n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE](?P<power>[+-]?\d{1,2}))?$"
)
"""As the API server may write it: in whatever unit is exact."""
_UNITS: dict[str, Decimal] = {
    "": Decimal(1),
    **{unit: Decimal(1000) ** -power for power, unit in enumerate("mun", start=1)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


class Model(BaseModel):
    """A frozen value with camelCase on the wire and snake_case in Python; unknown keys refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,  # JSON has no word for them
    )

    def wire(self) -> dict[str, Any]:
        """The JSON form as Kubernetes and the worker see it: aliases, and nothing that is None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Tolerant(Model):
    """A value that the other side wrote, perhaps a newer version of it: unknown keys are passed over."""

    model_config = ConfigDict(extra="ignore")


ModelT = TypeVar("ModelT", bound=Model)


def read_known(model: type[ModelT], data: Any) -> tuple[ModelT, list[str]]:
    """Read what an API server with newer schemas may have filled up, and name the fields not known here.

    Raises:
        pydantic.ValidationError: if it is not understood without them either.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        try:
            known = model.model_validate(data, extra="ignore")
        except ValidationError:
            raise error from None
        return known, [".".join(str(part) for part in found["loc"]) for found in error.errors()]


def parse_quantity(text: str | int | float) -> Decimal:
    """Read a Kubernetes quantity (``2Gi``, ``500m``, ``3``, ``7u``, ``1e3``) as a plain number.

    Raises:
        ValueError: if the text is no quantity.
    """
    match = _QUANTITY.match(str(text))
    if match is None:
        raise ValueError(
            f"{text!r} is not a quantity; write a number with a unit, such as 500m or 2Gi"
        )
    return Decimal(match["number"]).scaleb(int(match["power"] or 0)) * _UNITS[match["unit"] or ""]


Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value)),
    Field(pattern=_QUANTITY_PATTERN, max_length=32),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 0,
            "pattern": _QUANTITY_PATTERN,
            "maxLength": 32,
        }
    ),
]
"""A Kubernetes quantity, kept as it was written."""

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
KEY_PATTERN = r"^[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"

Name = Annotated[str, Field(pattern=NAME_PATTERN, min_length=1, max_length=63)]
"""A DNS label: lower-case letters, digits and dashes."""

SUBDOMAIN_PATTERN = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"

Subdomain = Annotated[str, Field(pattern=SUBDOMAIN_PATTERN, min_length=1, max_length=253)]
"""A name that may have dots, as most kinds of Kubernetes may: ``kube-root-ca.crt`` is a ConfigMap."""

ObjectKey = Annotated[str, Field(pattern=KEY_PATTERN, min_length=1, max_length=1024)]
"""The key of an object in a store, relative to the store's prefix."""


def check_inside(key: str) -> str:
    """Refuse what would leave the store's prefix, as the CRD's CEL does.

    Raises:
        ValueError: for a key or prefix with ``../`` in it.
    """
    if "../" in key:
        raise ValueError(f"{key!r} leaves the store's prefix; write it without ../")
    return key


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]

_URL_PATTERN = (
    r"^https?://(\[[0-9A-Fa-f:.]+\]|[^\s\v/?#@:\[\]]+)(:([1-9][0-9]{0,4}))?([/?][^\s\v#]*)?$"
)
# To the API server \s is ASCII and has no \v.
_URL = re.compile(_URL_PATTERN, re.ASCII)
_MAX_PORT = 65535

URL_RULE = (
    f"self.matches(r'{_URL_PATTERN}') && (!isURL(self) || url(self).getPort() == '' || "
    f"int(url(self).getPort()) <= {_MAX_PORT})"
)
"""What ``is_url`` says, in CEL. The pattern leaves large ports to numbers: by its length the rule costs."""


def is_url(text: str) -> bool:
    """Whether it is a whole http or https URL, with no user or password, and no fragment."""
    match = _URL.fullmatch(text)
    return match is not None and int(match[3] or 0) <= _MAX_PORT
