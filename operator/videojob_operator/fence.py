"""The fence: what keeps a replica from changing anything once its lease may have run out.

Leadership moves it on with each renewal; ``cluster`` hangs it on its connection. The check comes when
a connection is in hand and the next thing is to send, so that a process that was frozen (and wakes up
beside its successor) sends nothing more of what it had begun.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import aiohttp

from .errors import FormerLeaderError

_HARMLESS = ("/apis/coordination.k8s.io/", "/apis/authentication.k8s.io/")
"""The lease itself is safe by its resourceVersion; a question in the form of a write changes nothing."""


class Fence:
    """Open for ever until a lease gives it an end, in seconds of this process's monotonic clock."""

    def __init__(self) -> None:
        self.open_until = float("inf")

    def check(self) -> None:
        """Let the sender pass.

        Raises:
            FormerLeaderError: if another replica may lead by now.
        """
        late = time.monotonic() - self.open_until
        if late >= 0:
            raise FormerLeaderError(
                f"not sent: the lease was not renewed in time, {late:.1f} s ago; another may lead"
            )

    def build_trace(self) -> aiohttp.TraceConfig:
        """What makes an aiohttp session ask before each request that changes something."""
        trace = aiohttp.TraceConfig()

        async def begin(_: Any, context: SimpleNamespace, asked: Any) -> None:
            context.writes = asked.method != "GET" and not asked.url.path.startswith(_HARMLESS)

        async def connected(_: Any, context: SimpleNamespace, __: Any) -> None:
            if context.writes:
                self.check()

        trace.on_request_start.append(begin)
        trace.on_connection_reuseconn.append(connected)
        trace.on_connection_create_end.append(connected)
        return trace
