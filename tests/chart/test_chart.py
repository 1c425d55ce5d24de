"""The Helm chart: lint, its own unit tests, and what it renders held against real schemas.

No cluster is needed; the tools are built by `tests/cluster/binaries.py`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart import schemas
from chart.helm import (
    CRDS,
    KUBERNETES,
    NOT_OF_KUBERNETES,
    REPOSITORY,
    Manifest,
    conform,
    manifests,
    render_chart,
    run,
)

from videojob_api.schema import build_structural
from videojob_operator.settings import PodDefaults, Settings

CHART = REPOSITORY / "charts" / "videojob"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
BOUNDS = (
    "enum",
    "pattern",
    "maximum",
    "minimum",
    "maxItems",
    "minItems",
    "maxLength",
    "maxProperties",
)

each_values = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


def render(*arguments: str) -> str:
    return render_chart(CHART, *arguments)


def rules(values: Path) -> Iterator[Manifest]:
    for each in manifests(render(f"--values={values}")):
        if each["kind"] in ("Role", "ClusterRole"):
            yield from each["rules"]


@pytest.fixture(scope="module")
def schema_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    rendered = [each for path in VALUES for each in manifests(render(f"--values={path}"))]
    kinds = {(each["apiVersion"], each["kind"]) for each in rendered}
    schemas.write(folder, [pair for pair in kinds if pair[1] not in NOT_OF_KUBERNETES], CRDS)
    return folder


@each_values
def test_lint_finds_nothing(values: Path) -> None:
    result = run("helm", "lint", "--strict", KUBERNETES, f"--values={values}", str(CHART))
    assert result.returncode == 0, result.stdout + result.stderr


def test_own_unit_tests_pass() -> None:
    result = run("helm-unittest", "--strict", str(CHART))
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^Tests: +[1-9]\d* passed", result.stdout, re.MULTILINE)


@each_values
def test_all_that_is_rendered_conforms(values: Path, schema_folder: Path) -> None:
    result = conform(schema_folder, render(f"--values={values}"))
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_field_that_does_not_exist_would_be_found(schema_folder: Path) -> None:
    text = render().replace("readOnlyRootFilesystem", "readonlyRootFilesystem")
    result = conform(schema_folder, text)
    assert result.returncode == 1
    assert "readonlyRootFilesystem" in result.stdout


def test_examples_of_the_chart_conform(schema_folder: Path) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    examples = yaml.safe_load(chart["annotations"]["artifacthub.io/crdsExamples"])
    notes = (CHART / "templates" / "NOTES.txt").read_text()
    pasted = re.findall(r"<<YAML\n(.*?)\n +YAML\n", notes, re.DOTALL)
    text = "---\n".join([yaml.safe_dump_all(examples), *(f"{each}\n" for each in pasted)])
    result = conform(schema_folder, text.replace("\n   ---", "\n---"))
    assert "4 resources found" in result.stdout
    assert result.returncode == 0, result.stdout


def test_crds_are_those_that_the_models_yield() -> None:
    """The chart can't reach outside its folder, so it has copies; `make crds` makes them."""
    copies = sorted((CHART / "files" / "crds").glob("*.yaml"))
    assert [each.name for each in copies] == [each.name for each in CRDS]
    for copy, original in zip(copies, CRDS, strict=True):
        assert copy.read_text() == original.read_text(), f"{copy} is stale: run `make crds`"


def test_crds_come_out_of_the_template_unharmed() -> None:
    rendered = {
        each["metadata"]["name"]: each["spec"]
        for each in manifests(render())
        if each["kind"] == "CustomResourceDefinition"
    }
    for path in CRDS:
        original = yaml.safe_load(path.read_text())
        assert rendered[original["metadata"]["name"]] == original["spec"]


@each_values
def test_the_operator_is_told_every_setting_and_nothing_it_does_not_know(values: Path) -> None:
    rendered = manifests(render(f"--values={values}"))
    [deployment] = [each for each in rendered if each["kind"] == "Deployment"]
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    told = {each["name"] for each in variables if each["name"].startswith("VIDEOJOB_")}
    known = {f"VIDEOJOB_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    in_secret = {"VIDEOJOB_REPORTS_CA_PEM", "VIDEOJOB_SEED_KEY"}
    assert told == known - in_secret, "those come from the Secret"


@each_values
def test_rights_have_no_wildcard_and_no_secrets_but_the_one(values: Path) -> None:
    for rule in rules(values):
        assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert not [each for each in rule["resources"] if each in ("pods/exec", "pods/log")]
        if "secrets" in rule["resources"]:
            assert rule["resourceNames"] == ["videojob-reports-tls"]


def test_a_namespaced_install_has_nothing_cluster_wide() -> None:
    kinds = {
        each["kind"] for each in manifests(render(f"--values={CHART}/ci/namespaced-values.yaml"))
    }
    assert not [kind for kind in kinds if kind.startswith(("Cluster", "CustomResource"))]


def test_namespaces_that_yaml_reads_as_something_else_stay_texts() -> None:
    names = ["no", "on", "2024"]
    arguments = ("-n=y", f"--set-json=watchNamespaces={json.dumps(names)}", KUBERNETES)
    result = run("helm", "template", "a.b", str(CHART), *arguments)
    assert result.returncode == 0, result.stderr
    found = {each["metadata"].get("namespace") for each in manifests(result.stdout)} - {None}
    assert found == {*names, "y"}
    (service,) = (each for each in manifests(result.stdout) if each["kind"] == "Service")
    assert service["metadata"]["name"] == "a-b-videojob", "a Service's name has no dots"


def test_a_release_after_which_no_service_can_be_named_is_refused() -> None:
    result = run("helm", "template", "1a", str(CHART), KUBERNETES)
    assert "1a-videojob: a Service's name begins with a letter" in result.stderr


def test_no_namespaces_at_all_are_all_of_them() -> None:
    every = "--set-json=watchNamespaces=null"
    assert render(every) == render()


def test_an_unknown_key_is_refused_by_name() -> None:
    result = run("helm", "template", str(CHART), KUBERNETES, "--set=worker.imagePullSecret=x")
    assert result.returncode == 1
    assert "imagePullSecret" in result.stderr
    assert "not allowed" in result.stderr


def test_every_value_is_in_the_schema_and_in_the_readme() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    readme = (CHART / "README.md").read_text()
    missing = [path for path in leaves(values) if f"| `{path}` |" not in readme]
    assert not missing, "not in the chart's README.md"
    rows = re.findall(r"^\| `([\w.]+)` \|", readme, re.MULTILINE)
    assert sorted(rows) == sorted(leaves(values))


def test_what_it_takes_for_all_workers_is_what_the_operator_starts_with() -> None:
    """But for plain names: an empty one is none here."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    ours = schema["properties"]["worker"]["properties"]["podDefaults"]["properties"]
    models = build_structural(PodDefaults)["properties"]
    assert set(ours) == set(models)
    compared = [name for name, model in models.items() if model["type"] != "string"]
    assert {"affinity", "labels", "nodeSelector", "tolerations"} <= set(compared)
    for name in compared:
        taken = dict(bounds(ours[name], schema["definitions"], name))
        assert taken == dict(bounds(models[name], {}, name))


def bounds(
    schema: Manifest, definitions: Manifest, path: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a schema asks of each place in a value."""
    schema = definitions.get(schema.get("$ref", "").rpartition("/")[2], schema)
    asked = {name: schema[name] for name in BOUNDS if name in schema}
    asked |= {name: sorted(schema[name]) for name in ("properties", "required") if name in schema}
    if asked:
        yield path, asked
    for name, field in schema.get("properties", {}).items():
        yield from bounds(field, definitions, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(each := schema.get(name), dict):
            yield from bounds(each, definitions, f"{path}[]")


def leaves(values: Manifest, prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        # These are Kubernetes' own, and one row each.
        if isinstance(value, dict) and value and key != "resources":
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
