"""Starts the worker and has it end at a chosen point of its work, by a signal to itself.

Run by the tests of resuming as ``python tests/interrupting.py POINT SIGNAL``. Each point is a real
place in the worker's code, before or after the call that is named.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Point:
    """Where to end: at a call of a function, before or after it."""

    module: str
    name: str
    after: bool = False
    call: int = 1


POINTS = {
    "order read": Point("cluster", "open_task"),
    "half fetched": Point("storage.S3Storage", "_get", after=True),
    "fetched": Point("run", "probe"),
    "probed": Point("run", "completed_steps"),
    "half encoded": Point("passes.ProgressParser", "feed"),
    "encoded": Point("work", "check"),
    "checked": Point("work", "finish_pass"),
    "finished": Point("run", "publish"),
    "half published": Point("storage.S3Storage", "put", after=True, call=2),
    "published": Point("run", "mark_steps"),
    "half marked": Point("resume", "publish_marker", after=True),
    "marked": Point("run", "publish_logs"),
    "before the manifest": Point("run", "publish_manifest"),
    "after the manifest": Point("run", "publish_manifest", after=True),
}


def arrange(point: Point, end: Callable[[], None]) -> None:
    """Have ``end`` called at the point."""
    module, _, owner_name = point.module.partition(".")
    owner: Any = import_module(f"videojob_worker.{module}")
    owner = getattr(owner, owner_name) if owner_name else owner
    real, calls = getattr(owner, point.name), 0

    def interrupted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == point.call and not point.after:
            end()
        result = real(*arguments, **named)
        if calls == point.call and point.after:
            end()
        return result

    setattr(owner, point.name, interrupted)


if __name__ == "__main__":
    import_module("videojob_worker.publish").UPLOADS = 1  # so that each time the same is sent
    number = signal.Signals[sys.argv[2]]
    arrange(POINTS[sys.argv[1]], lambda: os.kill(os.getpid(), number))
    from videojob_worker.__main__ import main

    sys.exit(main([]))
