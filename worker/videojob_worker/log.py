"""What the worker says on stderr: one JSON object a line in the cluster, nothing in a local run.

Set up by ``__main__``; ``run`` writes a line for each stage. It must not say secrets: it is given
names, numbers and sentences only.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_log = logging.getLogger("videojob_worker")
_about: dict[str, object] = {}
"""What this process works on: it does one thing and ends."""


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_about,
            **getattr(record, "facts", {}),
        }
        return json.dumps(line, ensure_ascii=False)


def log_as_json() -> None:
    """From now on, write lines of JSON to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


def say_about(**facts: object) -> None:
    """From now on every line has these fields."""
    _about.update(facts)


def say(message: str, **facts: object) -> None:
    """One line about what happened, with its facts as fields of their own."""
    _log.info(message, extra={"facts": facts})


def say_error(message: str, **facts: object) -> None:
    """One line about what went wrong."""
    _log.error(message, extra={"facts": facts})
