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
        ({"notify": [{"url": "ftp://x/"}]}, "url must be a whole URL"),
        ({"notify": [{"url": "https://a:b@x/"}]}, "url must be a whole URL"),
        ({"notify": [{"url": "https://x y/"}]}, "url must be a whole URL"),
        ({"notify": [{"url": "https:///x"}]}, "url must be a whole URL"),
        ({"notify": [{"url": "https://[::1"}]}, "url must be a whole URL"),
        ({"notify": [{"url": "https://[abc/"}]}, "url must be a whole URL"),
        ({"notify": [{"url": "https://a]b/"}]}, "url must be a whole URL"),
        ({"notify": [{"url": "https://x/", "events": []}]}, "at least 1"),
        ({"notify": [{"url": "https://x/", "events": ["Done"]}]}, "Succeeded"),
        ({"notify": [{"url": f"https://x/{i}"} for i in range(9)]}, "at most 8"),
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


@pytest.mark.parametrize("url", ["https://x/a?b=c", "http://[::1]:80", "https://x.example?y"])
def test_urls_are_taken(url: str) -> None:
    (notify,) = a_spec(notify=[{"url": url}]).notify
    assert (notify.url, notify.secret_ref) == (url, None)
    assert len(notify.events) == 4
