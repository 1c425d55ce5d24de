"""Logs: one JSON object a line on stderr, and on every line of a reconcile which VideoJob it is about.

Set up by ``__main__``; the queue and the loop say what they work on. Nobody may log a token, a key or a
body of a Secret: what is logged are names, numbers and sentences.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, merge_contextvars
from structlog.types import Processor

_COMMON: tuple[Processor, ...] = (
    merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def configure_logging(level: str) -> None:
    """From now on all is JSON, warnings of kopf and other libraries included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=list(_COMMON),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_COMMON, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(
            getattr(logging, level.upper(), logging.INFO)
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def log_of_job(namespace: str, job: str) -> None:
    """What is logged from here on, by this task and those it starts, is about that VideoJob alone."""
    clear_contextvars()
    bind_contextvars(namespace=namespace, job=job)


def log_of_run(run: str, attempt: int) -> None:
    """And about that run and its newest attempt; 0 before the first."""
    bind_contextvars(run=run, attempt=attempt)
