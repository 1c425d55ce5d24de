"""Alerts and dashboard: each alert is fired by promtool, and each query is about a metric that there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart.helm import KUBERNETES, REPOSITORY, manifests, run
from fake_cluster import a_world
from prometheus_client import REGISTRY

from videojob_operator.census import Census

CHART = REPOSITORY / "charts" / "videojob"
CASES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("alerts.yaml").read_text())
RELEASE = 'job="videojob", namespace="media-system"'
ANOTHER = 'job="videojob", namespace="another"'
_SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
    "gauge": ("",),
}


def render(template: str, *switches: str) -> Any:
    done = run(
        "helm",
        "template",
        "videojob",
        str(CHART),
        "-n=media-system",
        KUBERNETES,
        f"--show-only=templates/{template}",
        *(f"--set=metrics.{switch}.enabled=true" for switch in switches),
    )
    assert done.returncode == 0, done.stderr
    (found,) = manifests(done.stdout)
    return found


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart's alerts as a file of Prometheus."""
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump(render("prometheusrule.yaml", "prometheusRule")["spec"]))
    return path


def alerts(rules: Path) -> dict[str, Any]:
    groups = yaml.safe_load(rules.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


@pytest.fixture(scope="module")
def dashboard() -> Any:
    return json.loads(render("dashboard.yaml", "dashboard")["data"]["videojob.json"])


def series(given: dict[str, str], release: str) -> list[dict[str, str]]:
    """Series by name and labels, with those of a release."""
    named = [(*(*name.rstrip("}").split("{"), "")[:2], values) for name, values in given.items()]
    return [
        {
            "series": f"videojob_operator_{name}{{{release}{', ' + labels if labels else ''}}}",
            "values": str(values),
        }
        for name, labels, values in named
    ]


def promtool(folder: Path, rules: Path, name: str, release: str, *, at: str, fires: bool) -> str:
    """What promtool says against the expectation that an alert fires, or does not."""
    case = CASES[name]
    given = case["fires"] if fires or release == ANOTHER else case["silent"]
    firing = f'count(ALERTS{{alertname="{name}", alertstate="firing"}})'
    expected = [{"labels": "{}", "value": 1}] if fires else []
    test = {
        "interval": "1m",
        "input_series": series(given, release),
        "promql_expr_test": [{"eval_time": at, "expr": firing, "exp_samples": expected}],
    }
    path = folder / f"{name}.yaml"
    body = {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}
    path.write_text(yaml.safe_dump(body))
    done = run("promtool", "test", "rules", str(path))
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_rules_are_sound(rules: Path) -> None:
    done = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", str(rules))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_and_a_page(rules: Path) -> None:
    assert sorted(alerts(rules)) == sorted(CASES)
    pages = {path.stem for path in (REPOSITORY / "docs" / "runbooks").glob("VideoJob*.md")}
    assert pages == set(CASES)
    for name, rule in alerts(rules).items():
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
        page = (REPOSITORY / "docs" / "runbooks" / f"{name}.md").read_text()
        assert page.startswith(f"# {name}\n")
        assert {"## What it means", "## What to look at", "## What to do"} <= set(page.splitlines())


@pytest.mark.parametrize("name", CASES)
def test_it_fires_when_it_should_and_only_then(name: str, rules: Path, tmp_path: Path) -> None:
    at = CASES[name]["at"]
    assert promtool(tmp_path, rules, name, RELEASE, at=at, fires=True) == ""
    assert promtool(tmp_path, rules, name, RELEASE, at=at, fires=False) == ""
    if CASES[name]["fires"]:
        assert promtool(tmp_path, rules, name, ANOTHER, at=at, fires=False) == "", (
            "not this release"
        )


def exported() -> set[str]:
    """Names of all series that the operator can have."""
    families = [f for f in REGISTRY.collect() if f.name.startswith("videojob_operator")]
    return {
        f"{family.name}{suffix}"
        for family in (*families, *Census(a_world()).collect())
        for suffix in _SUFFIXES[family.type]
    }


def queries(dashboard: Any) -> Iterator[str]:
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def test_every_query_is_about_metrics_that_there_are(dashboard: Any, rules: Path) -> None:
    asked = [*queries(dashboard), *(rule["expr"] for rule in alerts(rules).values())]
    assert len(asked) > 40
    known = exported()
    for query in asked:
        found = set(re.findall(r"videojob_operator_\w+", query))
        assert found, query
        assert found <= known, query


def test_prometheus_understands_every_query(dashboard: Any, tmp_path: Path) -> None:
    asked = [query for query in queries(dashboard) if not query.startswith("label_values")]
    written = [query.replace("$__rate_interval", "5m") for query in asked]
    rules = [{"record": f"r{n}", "expr": query} for n, query in enumerate(written)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    done = run("promtool", "check", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_of_ours_is_shown_or_alerted_on(dashboard: Any, rules: Path) -> None:
    """One that nobody looks at is either missing here or not needed."""
    text = " ".join([*queries(dashboard), *(rule["expr"] for rule in alerts(rules).values())])
    unseen = {f.name for f in REGISTRY.collect() if f.name.startswith("videojob_operator")}
    unseen |= {f.name for f in Census(a_world()).collect()}
    unseen = {name.removeprefix("videojob_operator_") for name in unseen if name not in text}
    assert unseen == {
        "decisions",  # for whoever looks into the operator itself
        "status_conflicts",
        "events_left_out",  # nothing is wrong: docs/operations.md
        "notification_time_seconds",
        "workqueue_adds",  # workqueue's shape, for dashboards that people have
        "workqueue_retries",
        "workqueue_work_duration_seconds",
        "workqueue_unfinished_work_seconds",
    }
