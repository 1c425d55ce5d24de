"""What Flux (kstatus, the real library) and Argo CD (our Lua, a real Lua 5.1) make of every phase."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import lupa.lua51
import pytest

from videojob_api import names
from videojob_api.conditions import build_conditions, merge_conditions
from videojob_api.schema import build_videojob_crd
from videojob_api.status import Phase, VideoJobStatus

ROOT = Path(__file__).parents[2]
HEALTH = ROOT / "docs" / "gitops" / "health.lua"
BINARIES = ROOT / "tests" / "cluster" / "binaries.py"
MESSAGE = "A sentence for people."

VERDICTS = {
    #             kstatus        Argo CD
    "Pending": ("InProgress", "Progressing"),
    "Queued": ("InProgress", "Progressing"),
    "Running": ("InProgress", "Progressing"),
    "Suspended": ("InProgress", "Suspended"),
    "Cancelling": ("InProgress", "Progressing"),
    "Succeeded": ("Current", "Healthy"),
    "Failed": ("Failed", "Degraded"),
    "Rejected": ("Failed", "Degraded"),
    "Cancelled": ("Failed", "Degraded"),
}
"""As docs/guide/gitops.md has it."""

Body = dict[str, Any]


def a_videojob(phase: Phase, *, stalled: bool = False, generation: int = 2, seen: int = 2) -> Body:
    """A VideoJob in a phase, with the conditions that the operator writes for it."""
    conditions = merge_conditions(
        [],
        build_conditions(phase, "Because", MESSAGE, scheduled=None, stalled=stalled),
        generation=seen,
        now="2026-03-01T12:00:00Z",
    )
    status = VideoJobStatus(
        observed_generation=seen, phase=phase, message=MESSAGE, conditions=conditions
    )
    return {**an_object(generation), "status": status.wire()}


def an_object(generation: int = 2) -> Body:
    metadata = {"name": "keynote", "namespace": "films", "generation": generation}
    return {"apiVersion": names.API_VERSION, "kind": "VideoJob", "metadata": metadata}


def a_new_one() -> Body:
    """As the API server answers right after `kubectl apply`: it fills in the status's default."""
    (version,) = build_videojob_crd()["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    return {**an_object(), "status": schema["properties"]["status"]["default"]}


@functools.cache
def kstatus_binary() -> str:
    command = [sys.executable, str(BINARIES), "kstatus"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def kstatus(body: Body) -> tuple[str, str]:
    """Status and message by the library itself."""
    text = json.dumps([body])
    done = subprocess.run(
        [kstatus_binary()], input=text, check=True, stdout=subprocess.PIPE, text=True
    )
    (verdict,) = json.loads(done.stdout)
    return verdict["status"], verdict["message"]


def argocd(body: Body) -> tuple[str, str]:
    """Status and message by the Lua script, run as Argo CD runs it."""
    lua = lupa.lua51.LuaRuntime(unpack_returned_tuples=True, register_eval=False)
    lua.globals().obj = lua.table_from(body, recursive=True)
    verdict = lua.execute(HEALTH.read_text())
    return verdict["status"], verdict["message"]


def test_no_phase_is_forgotten() -> None:
    assert set(Phase) <= set(VERDICTS)


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_is_understood_by_both(phase: Phase) -> None:
    body = a_videojob(phase)
    for_flux, for_argo = VERDICTS[phase]
    assert kstatus(body)[0] == for_flux
    assert argocd(body) == (for_argo, MESSAGE)


@pytest.mark.parametrize("phase", VERDICTS)
def test_the_lua_knows_every_phase_there_is(phase: str) -> None:
    body = a_videojob(Phase.PENDING)
    body["status"]["phase"] = phase
    assert argocd(body)[0] == VERDICTS[phase][1]


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.is_terminal])
def test_what_only_a_person_can_mend_is_told_before_the_deadline(phase: Phase) -> None:
    body = a_videojob(phase, stalled=True)
    assert kstatus(body) == ("Failed", MESSAGE)
    if VERDICTS[phase][1] == "Progressing":
        assert argocd(body) == ("Degraded", MESSAGE)


def test_a_new_object_is_never_taken_for_a_finished_one() -> None:
    assert kstatus(a_new_one())[0] == "InProgress"
    assert argocd(a_new_one())[0] == "Progressing"
    assert argocd(an_object())[0] == "Progressing"


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase.is_terminal])
def test_a_change_that_nobody_has_seen_yet_is_under_way(phase: Phase) -> None:
    body = a_videojob(phase, generation=3, seen=2)
    assert kstatus(body)[0] == "InProgress"
    assert argocd(body)[0] == "Progressing"


@pytest.mark.parametrize("kind", ["VideoStore", "VideoTemplate", "ClusterVideoTemplate"])
def test_what_has_no_status_is_there_as_soon_as_it_is_applied(kind: str) -> None:
    assert kstatus({**an_object(), "kind": kind})[0] == "Current"


def test_the_table_in_the_guide_is_this_one() -> None:
    guide = (ROOT / "docs" / "guide" / "gitops.md").read_text()
    for phase, (for_flux, for_argo) in VERDICTS.items():
        assert f"| {phase} | {for_flux} | {for_argo} |" in guide
