"""Wording: others' messages count things, and the counts change all the time; that is no news.

Pure. Used by the policies that pass on what the scheduler or Kueue says: thousands of waiting jobs
must not be written each time that somewhere a pod ends.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\b[0-9a-f]{12,}\b|\d[\d.]*[A-Za-z]{0,2}\b")
_BETWEEN = re.compile(r"[,.;:] +|\.$")


def keep_if_same_causes(before: str | None, now: str) -> str:
    """The sentence that stands, if the new one names the same causes with other numbers."""
    return before if before and _causes(before) == _causes(now) else now


def _causes(message: str) -> frozenset[str]:
    """What is said, without numbers and without order: the scheduler sorts by how many."""
    return frozenset(_NUMBER.sub("#", part) for part in _BETWEEN.split(message))
