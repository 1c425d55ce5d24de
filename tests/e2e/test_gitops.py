"""What GitOps tools do, with kubectl: apply, wait, compare, apply again; nothing fights, nothing drifts."""

from __future__ import annotations

import json

import places
from minio import Minio
from on_cluster import Kubectl

EXAMPLE = str(places.REPOSITORY / "examples" / "22-gitops")


def test_a_folder_from_git_is_applied_waited_for_and_never_differs(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    kube.ok("apply", "-k", EXAMPLE)
    assert kube.run("diff", "-k", EXAMPLE).returncode == 0, "before the operator is done"
    kube.ok("wait", "videojob/trailer-spring", "--for=condition=Ready", "--timeout=120s")
    done = kube.run("diff", "-k", EXAMPLE)
    assert (done.returncode, done.stdout) == (0, "")

    before = kube.get("videojob", "trailer-spring")
    assert "unchanged" in kube.ok("apply", "-k", EXAMPLE)
    after = kube.get("videojob", "trailer-spring")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_the_operator_owns_the_status_and_nothing_else(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    kube.ok("apply", "--server-side", "--field-manager=flux", "-k", EXAMPLE)
    kube.wait_end("trailer-spring")
    body = json.loads(
        kube.ok("get", "videojob", "trailer-spring", "--show-managed-fields", "-o", "json")
    )
    owners = {
        (entry["manager"], entry.get("subresource", ""))
        for entry in body["metadata"]["managedFields"]
    }
    assert ("flux", "") in owners
    assert {manager for manager, part in owners if part != "status"} == {"flux"}
    assert [part for manager, part in owners if manager != "flux"] == ["status"]
    kube.ok("apply", "--server-side", "--field-manager=flux", "-k", EXAMPLE)
    done = kube.run("diff", "--server-side", "--field-manager=flux", "-k", EXAMPLE)
    assert (done.returncode, done.stdout) == (0, "")
