"""Times as Kubernetes writes them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second, as the API server writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=4096)
def parse_time(text: str | None) -> datetime | None:
    """Read such a time (fractions of a second allowed); nothing stays nothing."""
    return datetime.fromisoformat(text) if text else None
