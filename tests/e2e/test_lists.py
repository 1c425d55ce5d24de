"""What lists of VideoJobs and their children say: to the operator, and to people with kubectl."""

from __future__ import annotations

import asyncio

from minio import Minio
from on_cluster import Kubectl, a_cluster, a_store, a_videojob


def test_the_operator_reads_lists_of_nothing_and_of_something(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    """Of what has not ended when it starts; of all that it knows, by metadata, every ten minutes."""

    async def listed() -> dict[str, list[str]]:
        async with a_cluster() as cluster:
            lists = {"unfinished": cluster.each_unfinished(kube.namespace)}
            for plural in ("videojobs", "jobs", "pods"):
                lists[plural] = cluster.each_metadata(plural, kube.namespace)
            return {
                name: [body["metadata"]["name"] async for body in found]
                for name, found in lists.items()
            }

    assert asyncio.run(listed()) == {"unfinished": [], "videojobs": [], "jobs": [], "pods": []}
    kube.apply(a_videojob("ends", clip), a_videojob("waits", clip, storeRef={"name": "none"}))
    kube.wait_end("ends")
    kube.wait("waits", lambda s: s.get("phase") == "Pending")
    found = asyncio.run(listed())
    assert (found["unfinished"], found["videojobs"]) == (["waits"], ["ends", "waits"])


def test_videojobs_are_selected_by_their_phase(kube: Kubectl, media: Minio, clip: str) -> None:
    kube.apply(a_videojob("good", clip), a_videojob("bad", "no-such-film.mp4"))
    phases = {kube.wait_end(name)["phase"] for name in ("good", "bad")}
    assert phases == {"Succeeded", "Rejected"}
    found = kube.items("videojobs", "--field-selector", "status.phase=Rejected")
    assert [one["metadata"]["name"] for one in found] == ["bad"]


def test_each_kind_has_a_short_name_and_one_word_lists_them_all(kube: Kubectl) -> None:
    own = kube.namespace  # one of the kinds is in no namespace
    shorts = {
        "vj": "videojob",
        "vst": "videostore",
        "vt": "videotemplate",
        "cvt": "clustervideotemplate",
    }
    template = {"apiVersion": "videojob.dev/v1alpha1", "metadata": {"name": own}}
    template["spec"] = {"steps": [{"name": "poster", "thumbnails": {"count": 1}}]}
    kinds = ("VideoTemplate", "ClusterVideoTemplate")
    waiting = a_videojob(own, "uploads/a.mp4", storeRef={"name": "none"})
    kube.apply(waiting, a_store(own), *({**template, "kind": kind} for kind in kinds))
    try:
        full = {short: f"{kind}.videojob.dev/{own}" for short, kind in shorts.items()}
        found = {short: kube.ok("get", short, own, "-o", "name").strip() for short in shorts}
        assert found == full
        listed = kube.ok("get", "video", "-o", "name").split()
        assert set(full.values()) <= set(listed), "not all are in the category"
    finally:
        kube.ok("delete", "cvt", own)
