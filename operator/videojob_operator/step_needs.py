"""What the steps of a job need of their workers' pods: which image, which keys, which volumes.

Pure. Called by ``manifests``; the steps say it themselves, so a new kind changes nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from videojob_api.flavours import Flavour, largest
from videojob_api.steps import Step

from .settings import Settings


def flavour_of(steps: Sequence[Step]) -> Flavour:
    """The smallest image in which all of the steps can be done."""
    return largest(step.spec.flavour for step in steps)


def image_of(flavour: Flavour, settings: Settings) -> str:
    """Its reference, as the chart has it."""
    images = {
        Flavour.BASE: settings.worker_image,
        Flavour.SPEECH: settings.worker_image_speech,
        Flavour.GPU: settings.worker_image_gpu,
    }
    return images[flavour]


def build_variables(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Keys that steps name, from Secrets that the operator never reads."""
    return [
        {
            "name": each.variable,
            "valueFrom": {"secretKeyRef": {"name": each.secret, "key": each.key}},
        }
        for step in steps
        for each in step.spec.secrets(step.name)
    ]


def mount_claims(steps: Sequence[Step]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes that steps read from, each once, and where they are mounted."""
    claims = dict.fromkeys(claim for step in steps for claim in step.spec.claims)
    volumes, mounts = [], []
    for number, claim in enumerate(claims):
        name = f"claim-{number}"
        source = {"claimName": claim.claim_name, "readOnly": True}
        volumes.append({"name": name, "persistentVolumeClaim": source})
        mounts.append({"name": name, "mountPath": claim.path, "readOnly": True})
    return volumes, mounts
