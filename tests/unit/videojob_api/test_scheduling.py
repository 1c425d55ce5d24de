"""Scheduling: Kubernetes' own shapes, without what would reach beyond the VideoJob's namespace."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from videojob_api.scheduling import Scheduling

ZONE = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
FULL: dict[str, Any] = {
    "queueName": "films",
    "workloadPriorityClassName": "urgent",
    "priority": 7,
    "priorityClassName": "batch-low",
    "schedulerName": "second",
    "runtimeClassName": "nvidia",
    "nodeSelector": {"pool": "video"},
    "tolerations": [
        {"key": "video", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
    ],
    "affinity": {
        "nodeAffinity": {
            REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [ZONE]}]},
            PREFERRED: [{"weight": 5, "preference": {"matchExpressions": [ZONE]}}],
        },
        "podAntiAffinity": {
            REQUIRED: [
                {
                    "labelSelector": {"matchLabels": {"app": "db"}},
                    "topologyKey": "kubernetes.io/hostname",
                }
            ]
        },
    },
}


def test_what_kubernetes_takes_comes_back_as_it_was_written() -> None:
    assert Scheduling.model_validate(FULL).wire() == FULL


@pytest.mark.parametrize(
    "smuggled",
    [
        {"nodeName": "master"},
        {"serviceAccountName": "admin"},
        {"hostNetwork": True},
        {"volumes": [{"hostPath": {"path": "/"}}]},
        {"priorityClassName": "system-node-critical"},
        {
            "affinity": {
                "podAffinity": {
                    REQUIRED: [{"topologyKey": "kubernetes.io/hostname", "namespaces": ["other"]}]
                }
            }
        },
        {"queueName": "other/queue"},
        {"nodeSelector": {"a key": "x"}},
        {"tolerations": [{"operator": "Any"}]},
        {"priority": 1001},
    ],
    ids=lambda smuggled: next(iter(smuggled)),
)
def test_what_reaches_further_is_refused(smuggled: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Scheduling.model_validate(smuggled)
