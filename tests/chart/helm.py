"""Helm and the tools beside it, as the tests of both charts call them. No cluster is asked for anything."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from chart import schemas

REPOSITORY = Path(__file__).parents[2]
CRDS = sorted((REPOSITORY / "crds").glob("*.yaml"))
# Helm's own idea of a version, when it asks no cluster, is an old one.
KUBERNETES = "--kube-version=1.34"
NOT_OF_KUBERNETES = {"ServiceMonitor", "PrometheusRule"}

Manifest = dict[str, Any]


@functools.cache
def tool(name: str) -> str:
    command = [sys.executable, str(REPOSITORY / "tests" / "cluster" / "binaries.py"), name]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def run(
    tool_name: str, *arguments: str, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [tool(tool_name), *arguments]
    # Helm must not look at, or leave, anything of the user's.
    env = {**os.environ, "HELM_CACHE_HOME": "/nonexistent", "HELM_CONFIG_HOME": "/nonexistent"}
    return subprocess.run(command, env=env, input=stdin, capture_output=True, text=True)


def render_chart(chart: Path, *arguments: str) -> str:
    result = run(
        "helm", "template", "videojob", str(chart), "-n=media-system", KUBERNETES, *arguments
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def manifests(text: str) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(text) if each]


def conform(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    return run(
        "kubeconform",
        "-strict",
        "-summary",
        f"-schema-location={folder}/{schemas.LOCATION}",
        f"-skip={','.join(NOT_OF_KUBERNETES)}",
        stdin=text,
    )
