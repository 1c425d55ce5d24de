"""What the CRD's rules refuse is refused by the models in the same words, and nothing more is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from builders import a_manifest
from pydantic import ValidationError
from wrong_specs import RIGHT_SPECS, WRONG_SPECS

from videojob_api.schema import build_structural
from videojob_api.videojob import VideoJobSpec


def messages(node: Any) -> Iterator[str]:
    """Of every rule of a schema."""
    if isinstance(node, dict):
        for rule in node.get("x-kubernetes-validations", ()):
            yield rule["message"]
        for child in node.values():
            yield from messages(child)


@pytest.mark.parametrize("case", WRONG_SPECS)
def test_refused_by_the_models_in_the_words_of_the_rules(case: str) -> None:
    change, _, words = WRONG_SPECS[case]
    with pytest.raises(ValidationError) as caught:
        VideoJobSpec.model_validate(a_manifest()["spec"] | change)
    assert words in str(caught.value)
    assert any(words in message for message in messages(build_structural(VideoJobSpec)))


@pytest.mark.parametrize("case", RIGHT_SPECS)
def test_taken_by_the_models(case: str) -> None:
    VideoJobSpec.model_validate(a_manifest()["spec"] | RIGHT_SPECS[case])
