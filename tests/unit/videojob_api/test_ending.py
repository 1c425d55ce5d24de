"""What a VideoJob asks for after its end is bounded, and refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_spec
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"ttl": {"secondsAfterSucceeded": -1}}, "greater than or equal to 0"),
        ({"ttl": {"seconds": 5}}, "not permitted"),
        ({"userMetadata": {"x" * 64: "a"}}, "longer than 63 characters"),
        ({"userMetadata": {"title": "x" * 1025}}, "at most 1024"),
        ({"userMetadata": {str(i): "" for i in range(33)}}, "at most 32"),
        ({"subjectRefs": [{"kind": "vacancy"}]}, "Field required"),
        ({"subjectRefs": [{"kind": "v", "id": str(i)} for i in range(17)]}, "at most 16"),
    ],
)
def test_too_much_is_refused(spec: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        a_spec(**spec)


def test_nothing_is_asked_for_by_default() -> None:
    spec = a_spec()
    assert (spec.ttl, spec.subject_refs, spec.user_metadata) == (None, [], {})
