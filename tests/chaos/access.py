"""Asking an API server that is being stopped and started: again, until it answers.

Used by all that is not under test. What the operator asks goes another way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import urllib3.exceptions
from kubernetes import client

T = TypeVar("T")
_PATIENCE_SECONDS = 120.0


def patiently(ask: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """The answer; what may pass is asked again for two minutes.

    Raises:
        client.ApiException: for a refusal that will not pass.
        urllib3.exceptions.HTTPError: if nobody has answered by then.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return ask(*arguments, _request_timeout=10, **named)
        except client.ApiException as error:
            passing = error.status in (0, 429) or error.status >= 500
            if not passing or time.monotonic() > deadline:
                raise
        except (urllib3.exceptions.HTTPError, OSError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)
