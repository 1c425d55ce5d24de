"""The chart of presets: what it renders is held against the CRDs and against the models themselves.

No cluster is needed. That each preset really makes something of a film is shown by
`tests/integration/test_presets.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from chart import schemas
from chart.helm import CRDS, KUBERNETES, REPOSITORY, conform, manifests, render_chart, run

from videojob_api.expansion import expand
from videojob_api.videojob import TemplateRef
from videojob_api.videotemplate import Param, ParamType, VideoTemplateSpec, as_text

CHART = REPOSITORY / "charts" / "videojob-templates"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
PRESETS = sorted((CHART / "files" / "presets").glob("*.yaml"))

each_values = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
each_preset = pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)


def spec_of(preset: Path) -> VideoTemplateSpec:
    return VideoTemplateSpec.model_validate(yaml.safe_load(preset.read_text()))


def samples(param: Param) -> Iterator[str]:
    """Values at every edge that the parameter declares."""
    edges = [*(param.enum or []), param.default]
    whole = int if param.type is ParamType.INTEGER else float
    edges += [whole(edge) for edge in (param.minimum, param.maximum) if edge is not None]
    yield from {as_text(edge) for edge in edges if edge is not None}


@pytest.fixture(scope="module")
def schema_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    schemas.write(folder, [], CRDS)
    return folder


def test_there_are_presets() -> None:
    assert len(PRESETS) >= 4


@each_values
def test_lint_finds_nothing(values: Path) -> None:
    result = run("helm", "lint", "--strict", KUBERNETES, f"--values={values}", str(CHART))
    assert result.returncode == 0, result.stdout + result.stderr


def test_own_unit_tests_pass() -> None:
    result = run("helm-unittest", "--strict", str(CHART))
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^Tests: +[1-9]\d* passed", result.stdout, re.MULTILINE)


@each_values
def test_all_that_is_rendered_conforms_and_is_what_the_files_say(
    values: Path, schema_folder: Path
) -> None:
    text = render_chart(CHART, f"--values={values}")
    result = conform(schema_folder, text)
    assert f"{len(PRESETS)} resources found" in result.stdout
    assert result.returncode == 0, result.stdout + result.stderr
    specs = [each["spec"] for each in manifests(text)]
    assert specs == [yaml.safe_load(path.read_text()) for path in PRESETS]


def test_a_field_that_does_not_exist_would_be_found(schema_folder: Path) -> None:
    result = conform(schema_folder, render_chart(CHART).replace("packaging", "package"))
    assert result.returncode == 1
    assert "package" in result.stdout


@each_preset
def test_it_can_be_used_with_every_value_that_it_allows(preset: Path) -> None:
    """Nobody's params are within bounds and still refused: one edge after the other."""
    ref, spec = TemplateRef(name=preset.stem), spec_of(preset)
    assert expand(ref, spec, {})
    for param in spec.params:
        for text in samples(param):
            assert expand(ref, spec, {param.name: text}), f"{param.name}: {text}"


@each_preset
def test_it_says_what_it_is_for_and_what_it_takes(preset: Path) -> None:
    spec = spec_of(preset)
    assert spec.description
    readme = (CHART / "README.md").read_text()
    assert f"## {preset.stem}\n\n{spec.description}" in readme
    for param in spec.params:
        assert param.default is not None, f"{param.name}: a preset works without params"
        row = f"| `{param.name}` | `{as_text(param.default)}` | {param.wanted} | {param.description} |"
        assert row in readme, row


@each_preset
def test_every_parameter_is_used(preset: Path) -> None:
    for param in spec_of(preset).params:
        assert f"$(params.{param.name})" in preset.read_text()


def test_every_preset_can_be_switched_off_and_none_is_unknown() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert sorted(values["presets"]) == sorted(path.stem for path in PRESETS)
