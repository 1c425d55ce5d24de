"""What each worker may use: requests and limits of a VideoJob's ``resources``. Pure."""

from __future__ import annotations

from pydantic import ConfigDict, Field, JsonValue, model_validator

from .base import Model, Quantity, parse_quantity


class Requests(Model):
    """What a node must have free for a worker."""

    cpu: Quantity | None = Field(default=None, description="500m, or the limit if that is less.")
    memory: Quantity | None = Field(
        default=None, description="512Mi, or the limit if that is less."
    )


class ResourceLimits(Model):
    """The most that a worker may use."""

    cpu: Quantity = Field(default="2", description="Threads follow it.")
    memory: Quantity = Field(default="2Gi", description="Plans are made to fit into it.")


def _within_limit(what: str) -> dict[str, JsonValue]:
    return {
        "rule": f"!has(self.requests.{what}) || quantity(string(self.requests.{what}))"
        f".compareTo(quantity(string(self.limits.{what}))) <= 0",
        "message": f"requests.{what} is more than limits.{what}; lower the request or raise the "
        "limit",
    }


_LEAST_MEMORY = "1Mi"
_SOMETHING_RULE = (
    "quantity(string(self.limits.cpu)).compareTo(quantity('0')) > 0 && "
    f"quantity(string(self.limits.memory)).compareTo(quantity('{_LEAST_MEMORY}')) >= 0"
)
_SOMETHING_MESSAGE = (
    f"limits.cpu must be more than 0, and limits.memory {_LEAST_MEMORY} at least: plans are "
    "made by them"
)


class Resources(Model):
    """Requests and limits of each worker."""

    requests: Requests = Field(default=Requests())
    limits: ResourceLimits = Field(default=ResourceLimits())

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                _within_limit("cpu"),
                _within_limit("memory"),
                {"rule": _SOMETHING_RULE, "message": _SOMETHING_MESSAGE},
            ]
        }
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Resources:
        cpu, memory = parse_quantity(self.limits.cpu), parse_quantity(self.limits.memory)
        if cpu <= 0 or memory < parse_quantity(_LEAST_MEMORY):
            raise ValueError(_SOMETHING_MESSAGE)
        return self

    @model_validator(mode="after")
    def _requests_within_limits(self) -> Resources:
        for what in ("cpu", "memory"):
            request, limit = getattr(self.requests, what), getattr(self.limits, what)
            if request and limit and parse_quantity(request) > parse_quantity(limit):
                raise ValueError(
                    f"requests.{what} ({request}) is more than limits.{what} ({limit}); "
                    "lower the request or raise the limit"
                )
        return self
