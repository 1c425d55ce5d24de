"""What the API server answers becomes one of four errors, or every page of a list."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import ClientError
from builders import KEY
from kubernetes.aio.client import ApiException

from videojob_operator.cluster import Body, Cluster, _as_ours
from videojob_operator.errors import ClusterError, Conflict, Forbidden, Gone, Invalid
from videojob_operator.fence import Fence


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Forbidden),
        (403, Forbidden),
        (404, Gone),
        (409, Conflict),
        (422, Invalid),
        (500, ClusterError),
    ],
)
def test_a_status_is_one_kind_of_error_with_the_servers_message(
    status: int, kind: type[ClusterError]
) -> None:
    error = _as_ours(status, json.dumps({"kind": "Status", "message": "spec.x: Invalid"}).encode())
    assert type(error) is kind
    assert (str(error), error.status) == ("spec.x: Invalid", status)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON", "no JSON"),
        (b"\xff", "\ufffd"),
        ("[1]", "[1]"),
        (None, "None"),
        ('{"a": 1}', '{"a": 1}'),
    ],
)
def test_an_answer_that_is_no_status_is_quoted(text: object, message: str) -> None:
    assert str(_as_ours(502, text)) == message


def test_a_very_long_answer_is_cut() -> None:
    assert len(str(_as_ours(500, "x" * 10_000))) == 2000


class Recording(Cluster):
    """Answers from a list and remembers what was asked."""

    def __init__(self, *answers: Body) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str], Any, str]] = []

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Body:
        self.asked.append((method, path, dict(query or {}), body, content_type))
        return self.answers.pop(0) if self.answers else {}


async def test_every_page_of_a_list_is_read() -> None:
    cluster = Recording(
        {"items": [{"n": 1}], "metadata": {"continue": "next"}},
        {"items": [{"n": 2}], "metadata": {"continue": ""}},
    )
    assert [body async for body in cluster.each_job("films")] == [{"n": 1}, {"n": 2}]
    first, second = (query for _, _, query, _, _ in cluster.asked)
    assert first == {"limit": "500", "labelSelector": "videojob.dev/uid"}
    assert second == {**first, "continue": "next"}


async def test_no_list_is_asked_for_whole() -> None:
    """Ten thousand VideoJobs' metadata at once would be three hundred MiB in memory."""
    cluster = Recording()
    for plural in ("videojobs", "jobs", "pods"):
        assert [body async for body in cluster.each_metadata(plural, "films")] == []
    assert [body async for body in cluster.each_unfinished("films")] == []
    assert [query["limit"] for _, _, query, _, _ in cluster.asked] == ["500"] * 4


class Served(Cluster):
    """An API server whose CRDs are missing, of an earlier version, or on their way."""

    def __init__(self, answers: dict[str, Body | ClusterError]) -> None:
        self.answers = answers

    async def request(self, method: str, path: str, **_: object) -> Body:  # type: ignore[override]
        answer = self.answers[path]
        if isinstance(answer, ClusterError):
            raise answer
        return answer


@pytest.mark.parametrize(
    "said",
    [Invalid("field label not supported: status.phase", 400), Gone("404 page not found", 404)],
)
async def test_crds_that_are_missing_or_older_than_the_operator_are_waited_for(
    said: ClusterError,
) -> None:
    cluster = Served({"/apis/videojob.dev/v1alpha1/videojobs": said})
    with pytest.raises(
        ClusterError, match=f"older than this operator; apply its crds/: {said}"
    ) as found:
        assert [body async for body in cluster.each_unfinished("")] == []
    assert found.value.may_pass


GROUPS: Body = {"groups": [{"name": "apps"}, {"name": "videojob.dev"}]}
KINDS: Body = {"resources": [{"name": "videostores"}, {"name": "videojobs"}]}


@pytest.mark.parametrize(
    ("groups", "kinds"),
    [
        ({"groups": [{"name": "apps"}]}, KINDS),
        (GROUPS, {"resources": [{"name": "videostores"}]}),
        (GROUPS, Gone("404 page not found", 404)),
    ],
)
async def test_until_discovery_tells_of_videojobs_it_is_asked_again(
    groups: Body, kinds: Body | ClusterError
) -> None:
    """kopf asks it once, and would watch none."""
    answers: dict[str, Body | ClusterError] = {
        "/apis": groups,
        "/apis/videojob.dev/v1alpha1": kinds,
    }
    with pytest.raises(ClusterError, match="VideoJobs are not served at") as found:
        await Served(answers).find_videojobs()
    assert found.value.may_pass
    answers |= {"/apis": GROUPS, "/apis/videojob.dev/v1alpha1": KINDS}
    await Served(answers).find_videojobs()


async def test_an_empty_namespace_is_all_of_them() -> None:
    cluster = Recording()
    assert [body async for body in cluster.each_unfinished("")] == []
    assert [body async for body in cluster.each_unfinished("films")] == []
    assert [body async for body in cluster.each_job("")] == []
    assert [path for _, path, *_ in cluster.asked] == [
        "/apis/videojob.dev/v1alpha1/videojobs",
        "/apis/videojob.dev/v1alpha1/namespaces/films/videojobs",
        "/apis/batch/v1/jobs",
    ]


async def test_only_pods_that_are_ours_and_live_are_listed() -> None:
    cluster = Recording()
    for namespace in ("", "films"):
        assert [body async for body in cluster.each_metadata("pods", namespace)] == []
    (_, everywhere, query, *_), (_, films, *_) = cluster.asked
    assert (everywhere, films) == ("/api/v1/pods", "/api/v1/namespaces/films/pods")
    assert query["labelSelector"] == "videojob.dev/uid"
    assert query["fieldSelector"] == "status.phase!=Succeeded,status.phase!=Failed"


async def test_a_status_is_merged_only_at_the_version_that_was_read() -> None:
    cluster = Recording()
    await cluster.patch_status(*KEY, "123", {"phase": "Running"})
    assert cluster.asked == [
        (
            "PATCH",
            "/apis/videojob.dev/v1alpha1/namespaces/films/videojobs/keynote/status",
            {},
            {"metadata": {"resourceVersion": "123"}, "status": {"phase": "Running"}},
            "application/merge-patch+json",
        )
    ]


@pytest.mark.parametrize(("foreground", "policy"), [(True, "Foreground"), (False, "Background")])
async def test_a_job_is_deleted_with_its_pods_and_only_if_it_is_that_one(
    foreground: bool, policy: str
) -> None:
    cluster = Recording()
    await cluster.delete_job("films", "job", "uid-1", foreground=foreground)
    (_, _, _, body, _) = cluster.asked[0]
    assert body == {"propagationPolicy": policy, "preconditions": {"uid": "uid-1"}}


async def test_a_token_is_reviewed_for_its_audience() -> None:
    cluster = Recording({"status": {"authenticated": True}})
    assert await cluster.review_token("secret", "videojob.dev/u") == {"authenticated": True}
    (_, path, _, body, _) = cluster.asked[0]
    assert path == "/apis/authentication.k8s.io/v1/tokenreviews"
    assert body["spec"] == {"token": "secret", "audiences": ["videojob.dev/u"]}


class Answering:
    """A client that gives one answer, or raises."""

    def __init__(
        self, status: int = 200, text: bytes = b"{}", error: Exception | None = None
    ) -> None:
        self.default_headers = {"User-Agent": "test"}
        self.configuration = SimpleNamespace(host="https://api")
        self.rest_client = self
        self.status, self.text, self.error = status, text, error
        self.asked: tuple[str, str, dict[str, str]] = ("", "", {})

    async def update_params_for_auth(self, headers: dict[str, str], *_: object) -> None:
        headers["Authorization"] = "Bearer ours"

    async def request(
        self, method: str, url: str, *, headers: dict[str, str], **_: object
    ) -> Answering:
        self.asked = method, url, headers
        if self.error:
            raise self.error
        return self

    async def read(self) -> bytes:
        return self.text


async def ask(answering: Answering, **query: str) -> Body:
    return await Cluster(cast("Any", answering), Fence()).request("GET", "/version", query=query)


async def test_a_request_carries_our_identity_and_its_query() -> None:
    answering = Answering(text=b'{"minor": "34"}')
    assert await ask(answering, limit="5", labelSelector="a=b") == {"minor": "34"}
    method, url, headers = answering.asked
    assert (method, url) == ("GET", "https://api/version?limit=5&labelSelector=a%3Db")
    assert headers["Authorization"] == "Bearer ours"
    assert "application/json" in headers["Accept"]


@pytest.mark.parametrize(
    ("answering", "kind", "words"),
    [
        (Answering(404, b'{"message": "not found"}'), Gone, "not found"),
        (Answering(409, b'{"message": "exists"}'), Conflict, "exists"),
        (Answering(300, b""), ClusterError, ""),
        (Answering(199, b""), ClusterError, ""),
        (Answering(error=ApiException(status=403, reason="no")), Forbidden, "None"),
        (Answering(error=ClientError("reset")), ClusterError, "did not answer: .*reset"),
        (Answering(error=TimeoutError()), ClusterError, "did not answer"),
    ],
    ids=["404", "409", "300", "199", "exception", "connection", "timeout"],
)
async def test_whatever_goes_wrong_is_one_of_our_errors(
    answering: Answering, kind: type[ClusterError], words: str
) -> None:
    with pytest.raises(kind) as raised:
        await ask(answering)
    assert re.search(words, str(raised.value))
