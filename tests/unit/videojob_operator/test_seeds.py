"""The key in the operator's own Secret, and the seed that each run has by it."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from builders import Situation, a_videojob
from fake_cluster import FakeCluster

from videojob_api.videostore import VideoStoreSpec
from videojob_api.work_order import WorkOrder
from videojob_operator.certificates import ensure_certificate
from videojob_operator.errors import Gone
from videojob_operator.manifests import build_order
from videojob_operator.policies.placement import Placement
from videojob_operator.seeds import ensure_seed_key, read_key

HOST = "videojob.videojob-system.svc"
CPU = Placement(None, 0, "Auto nvidia.com/gpu", "NoGPUNodes")
PLACE = ("system", "videojob-reports")


def a_secret(data: dict[str, str] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"metadata": {"name": "videojob-reports", "namespace": "system"}}
    return body if data is None else {**body, "data": data}


async def test_it_is_made_once_and_outlives_the_certificate() -> None:
    cluster = FakeCluster()
    cluster.put("secrets", a_secret(None))
    key = await ensure_seed_key(cluster, *PLACE)
    assert len(base64.b64decode(key)) == 32
    await ensure_certificate(cluster, *PLACE, HOST)
    assert await ensure_seed_key(cluster, *PLACE) == key
    (secret,) = cluster.all("secrets")
    assert set(secret["data"]) == {"ca.crt", "ca.key", "tls.crt", "tls.key", "seed.key"}


async def test_two_clusters_have_two_keys() -> None:
    keys = set()
    for _ in range(2):
        cluster = FakeCluster()
        cluster.put("secrets", a_secret({}))
        keys.add(await ensure_seed_key(cluster, *PLACE))
    assert len(keys) == 2


@pytest.mark.parametrize(
    "data", [None, {}, {"seed.key": ""}, {"seed.key": "no base64!"}, {"seed.key": "c2hvcnQ="}]
)
def test_what_is_no_key_is_replaced(data: dict[str, str] | None) -> None:
    assert read_key(a_secret(data)) is None


async def test_of_two_replicas_the_slower_takes_the_fasters_key() -> None:
    faster = base64.b64encode(bytes(32)).decode()

    class Raced(FakeCluster):
        async def request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
            if method == "PUT" and not self.writes:
                self.put("secrets", a_secret({"seed.key": faster}))
            return await super().request(method, path, **more)

    cluster = Raced()
    cluster.put("secrets", a_secret({}))
    assert await ensure_seed_key(cluster, *PLACE) == faster


async def test_a_missing_secret_is_an_error_for_who_installed_the_chart() -> None:
    with pytest.raises(Gone):
        await ensure_seed_key(FakeCluster(), *PLACE)


def order_of(situation: Situation, attempt: int = 1) -> WorkOrder:
    spec, store = situation.spec, situation.store
    assert spec is not None
    assert isinstance(store, VideoStoreSpec)
    return build_order(situation, spec, store, (0,), attempt, CPU)


def test_every_attempt_of_a_run_has_the_same_seed_and_no_other_run_has() -> None:
    situation = a_videojob().with_settings(seed_key="k" * 44).with_store()
    first = order_of(situation).seed
    assert order_of(situation, attempt=2).seed == first
    assert len(first) == 64
    assert order_of(replace(situation, uid="another")).seed != first
    assert order_of(a_videojob().with_settings(seed_key="l" * 44).with_store()).seed != first


def test_without_a_key_there_is_no_seed() -> None:
    assert order_of(a_videojob().with_store()).seed == ""


def test_the_seed_shows_in_no_log() -> None:
    situation = a_videojob().with_settings(seed_key="k" * 44).with_store()
    order = order_of(situation)
    assert order.seed not in repr(order)
    assert "kkkk" not in repr(situation.settings)
