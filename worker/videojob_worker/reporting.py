"""Says how far the run is, to the operator's reports endpoint or to nobody.

Made by ``cluster``, fed by ``run``; ``local`` shows the same on a terminal. A report is a
convenience: none may delay or fail the job, so all sending is done by a thread of its own that
keeps only the latest. The result's truth is the termination message, which is written here too; it is
reported only where that has no room for it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from videojob_api import names
from videojob_api.report import MAX_REPORT_BYTES, ProgressReport, Report, Result
from videojob_api.status import Stage
from videojob_api.work_order import ReportsTarget

from .log import say
from .meter import Meter

if TYPE_CHECKING:
    from http.client import HTTPSConnection

INTERVAL_SECONDS = 1.0
HEARTBEAT_SECONDS = 60.0
"""After so long without news the last report is sent again: a large upload is no silence."""
FINAL_SECONDS = 2.0
"""How long the result is tried for; it is in the termination message anyway."""
_TIMEOUT_SECONDS = 1.5
_BACK_OFF_SECONDS = (0.25, 30.0)


class Reporter:
    """Keeps the percentage; says it to nobody. The base of those who say it to someone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._meter = Meter()
        self._clock = clock
        self._stage = Stage.FETCHING
        self._step: str | None = None

    def begin(self, stage: Stage, step: str | None = None) -> None:
        """A stage begins; for processing, with the steps that are worked on."""
        self._stage, self._step = stage, step
        self.progress(0.0)

    def progress(
        self, fraction: float, *, fps: float | None = None, speed: float | None = None
    ) -> None:
        """The stage is so far (0..1)."""
        self._meter.advance(self._stage, fraction, self._clock())
        self._show(
            ProgressReport(
                percent=round(self._meter.percent, 2),
                stage=self._stage,
                step=self._step,
                eta_seconds=self._meter.eta_seconds,
                fps=fps,
                speed=speed,
            )
        )

    def finish(self, result: Result) -> None:
        """The run has ended so."""

    def _show(self, report: ProgressReport) -> None:
        """Say it; must return at once."""


class HttpReporter(Reporter):
    """Posts to the reports endpoint over HTTPS, trusting the order's authority and no other."""

    def __init__(self, target: ReportsTarget, *, run_id: str, attempt: int, index: int) -> None:
        super().__init__()
        self._target = target
        self._envelope: dict[str, Any] = {"run_id": run_id, "attempt": attempt, "index": index}
        self._news = threading.Condition()
        self._latest: ProgressReport | None = None
        self._is_new = False
        self._result: Result | None = None
        self._post = _Post(target)
        self._thread = threading.Thread(target=self._work, name="reports", daemon=True)
        self._thread.start()

    def finish(self, result: Result) -> None:
        """Send the result; at most about two seconds, a moment where the endpoint is up."""
        with self._news:
            self._result = result
            self._news.notify()
        self._thread.join(FINAL_SECONDS + 0.5)

    def _show(self, report: ProgressReport) -> None:
        with self._news:
            self._latest, self._is_new = report, True
            self._news.notify()

    def _work(self) -> None:
        pause = 0.0
        while True:
            with self._news:
                self._news.wait_for(lambda: self._result is not None, timeout=pause)
                # Before the first report there is nothing to say again.
                quiet = HEARTBEAT_SECONDS if self._latest else None
                self._news.wait_for(lambda: self._is_new or self._result, timeout=quiet)
                report, result = self._latest, self._result
                self._is_new = False
            if result is not None:
                self._send_result(result)
                self._post.close()
                return
            if self._post.send(Report(**self._envelope, progress=report).wire()):
                pause = INTERVAL_SECONDS
            else:
                shortest, longest = _BACK_OFF_SECONDS
                pause = min(longest, max(shortest, pause * 2, INTERVAL_SECONDS))

    def _send_result(self, result: Result) -> None:
        give_up, pause = time.monotonic() + FINAL_SECONDS, 0.1
        body = Report(**self._envelope, result=result).wire()
        while body["result"].get("outputs") and len(json.dumps(body)) > MAX_REPORT_BYTES:
            body["result"]["outputs"].pop()
        while not self._post.send(body) and time.monotonic() + pause < give_up:
            time.sleep(pause)
            pause *= 2


class _Post:
    """One connection, kept while it works and made anew when it doesn't."""

    def __init__(self, target: ReportsTarget) -> None:
        self._target = target
        self._url = urlsplit(target.url)
        self._connection: HTTPSConnection | None = None
        self._is_new = True
        """Whether no report has been taken over it yet."""
        self._is_taken = True

    def send(self, body: dict[str, Any]) -> bool:
        """Whether the endpoint took it. Never raises."""
        try:
            try:
                status = self._ask(body)
            except OSError as error:
                if self._is_new or isinstance(error, TimeoutError):
                    raise
                self.close()  # the endpoint lets go of what has been silent for a minute
                status = self._ask(body)
            if status < 300:
                self._is_taken, self._is_new = True, False
                return True
            why = f"HTTP {status}"
        except Exception as error:  # a lost report is nothing; the next one tries again
            why = repr(error)
        if self._is_taken:  # once, until one is taken again
            say("report not taken", why=why)
            self._is_taken = False
        # A replica that does not lead says 503: a new connection may reach the one that does.
        self.close()
        return False

    def _ask(self, body: dict[str, Any]) -> int:
        """The status of the answer."""
        # Read each time: the kubelet rotates it.
        token = Path(self._target.token_path).read_text().strip()
        if self._connection is None:
            self._connection, self._is_new = self._connect(), True
        self._connection.request(
            "POST",
            self._url.path,
            body=json.dumps(body, separators=(",", ":")).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        response = self._connection.getresponse()
        response.read()
        return response.status

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> HTTPSConnection:
        import ssl
        from http.client import HTTPSConnection

        context = ssl.create_default_context(cadata=self._target.ca_pem)
        return HTTPSConnection(
            self._url.hostname or "", self._url.port, timeout=_TIMEOUT_SECONDS, context=context
        )


def write_termination_message(result: Result) -> bool:
    """Leave the result where the kubelet looks for it (nowhere outside of a container).

    Returns:
        Whether it says all that a report could.
    """
    text = result.to_termination_message()
    write_termination_text(text)
    return len(Result.model_validate_json(text).outputs) == len(result.outputs)


def write_termination_text(text: str) -> None:
    """The same for any text."""
    given = os.environ.get(names.ENV_TERMINATION_PATH)
    path = Path(given or names.TERMINATION_PATH)
    if given or path.exists():
        path.write_text(text)
