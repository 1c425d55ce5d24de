"""What all tests share."""

from __future__ import annotations

import pytest
from assets import Clips


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Synthetic films, made on first use."""
    return Clips(tmp_path_factory.mktemp("clips"))
