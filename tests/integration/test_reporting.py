"""Reports over real HTTPS: they arrive when they can, and never hold up anything."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from reports_server import TOKEN, ReportsServer, serve_reports

from videojob_api.report import Report, Result
from videojob_api.status import InputState, OutputStatus, Stage
from videojob_api.work_order import ReportsTarget
from videojob_worker import reporting
from videojob_worker.reporting import HttpReporter

RESULT = Result(index=3, input="clip", state=InputState.SUCCEEDED)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[tuple[ReportsServer, ReportsTarget]]:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with serve_reports(tmp_path) as (server, authority):
        url = f"https://127.0.0.1:{server.server_port}/v1/namespaces/n/videojobs/j/reports"
        yield server, ReportsTarget(url=url, ca_pem=authority, token_path=str(token))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "INTERVAL_SECONDS", 0.1)


def open_reporter(target: ReportsTarget) -> HttpReporter:
    return HttpReporter(target, run_id="r1", attempt=2, index=3)


def wait_for(server: ReportsServer, count: int) -> None:
    deadline = time.monotonic() + 5
    while len(server.reports) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(server.reports) >= count


def test_progress_and_result_arrive_over_one_connection(endpoint):
    server, target = endpoint
    report = open_reporter(target)
    report.begin(Stage.FETCHING)
    wait_for(server, 1)
    report.begin(Stage.PROCESSING, "web")
    wait_for(server, 2)
    begun = time.monotonic()
    report.finish(RESULT)
    assert time.monotonic() - begun < 0.5
    first, *_, last = (Report.model_validate(r) for r in server.reports)
    assert (first.run_id, first.attempt, first.index) == ("r1", 2, 3)
    assert first.progress is not None
    assert first.progress.stage is Stage.FETCHING
    assert last.result == RESULT
    assert server.connections == 1


def test_only_the_latest_is_sent_and_not_too_often(endpoint):
    server, target = endpoint
    report = open_reporter(target)
    report.begin(Stage.PROCESSING)
    for step in range(500):
        report.progress(step / 500)
        time.sleep(0.001)
    report.finish(RESULT)
    percents = [r["progress"]["percent"] for r in server.reports if "progress" in r]
    assert 2 <= len(percents) <= 12
    assert percents == sorted(percents)


def test_what_was_said_last_is_said_again_while_there_is_no_news(endpoint, monkeypatch):
    monkeypatch.setattr(reporting, "HEARTBEAT_SECONDS", 0.2)
    server, target = endpoint
    report = open_reporter(target)
    time.sleep(0.5)
    assert server.reports == [], "nothing before the first"
    report.begin(Stage.PUBLISHING)
    begun = time.monotonic()
    wait_for(server, 3)
    assert time.monotonic() - begun > 0.5, "no oftener than that"
    assert server.reports[1:3] == server.reports[:1] * 2
    report.progress(0.5)
    report.finish(RESULT)
    assert "result" in server.reports[-1]


def not_taken(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why, for each time that it is said of a report."""
    return [one.facts["why"] for one in caplog.records if one.message == "report not taken"]


def test_a_replica_that_does_not_lead_is_left_for_another(endpoint, caplog):
    caplog.set_level("INFO")
    server, target = endpoint
    server.statuses = [503, 503]
    report = open_reporter(target)
    report.finish(RESULT)
    assert len(server.reports) == 1
    assert server.connections == 3
    assert not_taken(caplog) == ["HTTP 503"], "once, and why"


def test_a_kept_connection_that_was_let_go_of_loses_no_report(endpoint, caplog):
    caplog.set_level("INFO")
    server, target = endpoint
    server.hangs_up = True
    report = open_reporter(target)
    report.begin(Stage.FETCHING)
    wait_for(server, 1)
    time.sleep(0.3)
    report.begin(Stage.PROCESSING)
    wait_for(server, 2)
    report.finish(RESULT)
    assert len(server.reports) == server.connections == 3
    assert not_taken(caplog) == []


def test_the_token_is_read_again_when_it_was_rotated(endpoint):
    server, target = endpoint
    report = open_reporter(target)
    report.begin(Stage.FETCHING)
    wait_for(server, 1)
    server.token = "the next one"
    Path(target.token_path).write_text("the next one\n")
    report.finish(RESULT)
    assert "result" in server.reports[-1]
    assert server.refused == []


def test_a_long_list_of_outputs_is_cut_to_what_is_taken(endpoint):
    server, target = endpoint
    output = OutputStatus(name="n" * 200, input="clip", step="s", key="k" * 500, bytes=1, sha256="")
    report = open_reporter(target)
    report.finish(RESULT.model_copy(update={"outputs": [output] * 500, "output_count": 500}))
    result = server.reports[-1]["result"]
    assert result["outputCount"] == 500
    assert 50 < len(result["outputs"]) < 100


@pytest.mark.parametrize("how", ["closed", "silent", "untrusted", "other host", "no token"])
def test_an_endpoint_in_trouble_costs_two_seconds_and_no_error(
    endpoint, tmp_path: Path, how: str, caplog
):
    caplog.set_level("INFO")
    server, target = endpoint
    listener = socket.create_server(("127.0.0.1", 0))
    silent = f"https://127.0.0.1:{listener.getsockname()[1]}/"
    changes = {
        "closed": {"url": "https://127.0.0.1:9/"},
        "silent": {"url": silent},
        "untrusted": {"ca_pem": ""},
        "other host": {"url": target.url.replace("127.0.0.1", "localhost")},
        "no token": {"token_path": str(tmp_path / "none")},
    }
    report = open_reporter(target.model_copy(update=changes[how]))
    begun = time.monotonic()
    report.begin(Stage.FETCHING)
    report.progress(0.5)
    assert time.monotonic() - begun < 0.1
    report.finish(RESULT)
    assert time.monotonic() - begun < 4
    assert server.reports == []
    assert len(not_taken(caplog)) == 1
    listener.close()
