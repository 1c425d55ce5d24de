"""The cluster: the only module that imports the Kubernetes client. Raw JSON in and out.

Called by observe, act, reports and the rest of the IO side. It decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from kubernetes.aio import client, config

from videojob_api import names
from videojob_api.videojob import TemplateKind

from .errors import ClusterError, Conflict, Forbidden, Gone, Invalid
from .fence import Fence

Body = dict[str, Any]

_TIMEOUT_SECONDS = 15
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_GROUPS = {
    "videojobs": f"/apis/{names.GROUP}/{names.VERSION}",
    "jobs": "/apis/batch/v1",
    "pods": "/api/v1",
}
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
_ERRORS: Mapping[int, type[ClusterError]] = {
    400: Invalid,
    401: Forbidden,
    403: Forbidden,
    404: Gone,
    409: Conflict,
    422: Invalid,
}


def _custom(plural: str, namespace: str, name: str = "") -> str:
    path = f"{_GROUPS['videojobs']}/namespaces/{namespace}/{plural}"
    return f"{path}/{name}" if name else path


def _collection(plural: str, namespace: str) -> str:
    """Where objects of a namespace are listed, or those of all namespaces when it is empty."""
    group = _GROUPS[plural]
    return f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"


class Cluster:
    """A connection to the API server with the operator's own identity."""

    def __init__(self, api: client.ApiClient, fence: Fence) -> None:
        self._api = api
        self.fence = fence

    @classmethod
    async def connect(cls) -> Cluster:
        """In the cluster with the pod's service account, elsewhere with the current kubeconfig."""
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
        configuration.connection_pool_maxsize = 100
        # Many a cluster's CA is older than what Python 3.13 asks of one.
        configuration.disable_strict_ssl_verification = True
        # Else each request looks for a netrc file and proxies anew, in a thread; kopf asks neither.
        configuration.client_session_kwargs = {"trust_env": False}
        fence = Fence()
        configuration.trace_configs = [fence.build_trace()]
        api = client.ApiClient(configuration)
        api.user_agent = "videojob-operator"
        return cls(api, fence)

    @property
    def server(self) -> str:
        """The API server's address, as a URL."""
        return str(self._api.configuration.host)

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

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
        """One request; the answer's JSON.

        Raises:
            ClusterError: with the API server's message, as the subclass for its status.
        """
        headers = {**self._api.default_headers, "Content-Type": content_type}
        headers["Accept"] = accept
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{self._api.configuration.host}{path}"
        if query:
            url += f"?{urlencode(query)}"
        try:
            response = await self._api.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=_TIMEOUT_SECONDS
            )
            text = await response.read()
        except client.ApiException as error:
            raise _as_ours(error.status, error.body) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ClusterError(f"the API server did not answer: {error!r}") from error
        if not 200 <= response.status < 300:
            raise _as_ours(response.status, text)
        data: Body = orjson.loads(text)
        return data

    async def each(
        self, path: str, *, accept: str = "application/json", **query: str
    ) -> AsyncIterator[Body]:
        """Every item of a list; only one page of it is in memory at a time."""
        page: dict[str, str] = {"limit": "500", **query}
        while True:
            answer = await self.request("GET", path, query=page, accept=accept)
            for item in answer.get("items") or ():  # null where only metadata is asked for
                yield item
            token = answer.get("metadata", {}).get("continue")
            if not token:
                return
            page["continue"] = token

    async def list_all(self, path: str, **query: str) -> list[Body]:
        """Every item of a list, at once."""
        return [item async for item in self.each(path, **query)]

    async def patch_status(self, namespace: str, name: str, version: str, patch: Body) -> Body:
        """Merge into a VideoJob's status, only if it is still at that resourceVersion."""
        body = {"metadata": {"resourceVersion": version}, "status": patch}
        path = f"{_custom('videojobs', namespace, name)}/status"
        return await self.request(
            "PATCH", path, body=body, content_type="application/merge-patch+json"
        )

    async def patch_finalizers(
        self, namespace: str, name: str, version: str, finalizers: tuple[str, ...]
    ) -> Body:
        """Replace a VideoJob's finalizers, only if it is still at that resourceVersion."""
        body = {"metadata": {"resourceVersion": version, "finalizers": list(finalizers)}}
        path = _custom("videojobs", namespace, name)
        return await self.request(
            "PATCH", path, body=body, content_type="application/merge-patch+json"
        )

    async def delete_videojob(self, namespace: str, name: str, uid: str, version: str) -> None:
        """Delete exactly that VideoJob, only if it is still at that resourceVersion."""
        preconditions = {"uid": uid, "resourceVersion": version}
        path = _custom("videojobs", namespace, name)
        await self.request("DELETE", path, body={"preconditions": preconditions})

    async def get_store(self, namespace: str, name: str) -> Body:
        """A VideoStore."""
        return await self.request("GET", _custom("videostores", namespace, name))

    async def get_template(self, kind: TemplateKind, namespace: str, name: str) -> Body:
        """A VideoTemplate of a namespace, or a ClusterVideoTemplate."""
        if kind is TemplateKind.NAMESPACED:
            return await self.request("GET", _custom("videotemplates", namespace, name))
        path = f"/apis/{names.GROUP}/{names.VERSION}/clustervideotemplates/{name}"
        return await self.request("GET", path)

    async def each_unfinished(self, namespace: str) -> AsyncIterator[Body]:
        """The VideoJobs that have not ended, of a namespace, or of all of them when it is empty."""
        path = _collection("videojobs", namespace)
        try:
            async for body in self.each(path, fieldSelector=names.UNFINISHED):
                yield body
        except (Gone, Invalid) as error:
            older = "the CRD of VideoJobs is missing or older than this operator; apply its crds/"
            raise ClusterError(f"{older}: {error}") from error

    async def find_videojobs(self) -> None:
        """Make sure that discovery tells of VideoJobs, which it does a moment after they can be listed.

        Raises:
            ClusterError: one that may pass, as long as it does not.
        """
        version = _GROUPS["videojobs"]
        with suppress(Gone):
            groups = await self.request("GET", "/apis")
            kinds = await self.request("GET", version)
            has_group = names.GROUP in {group["name"] for group in groups["groups"]}
            if has_group and "videojobs" in {kind["name"] for kind in kinds["resources"]}:
                return
        raise ClusterError(f"VideoJobs are not served at {version} yet")

    def each_job(self, namespace: str) -> AsyncIterator[Body]:
        """All our Jobs of a namespace, or of all of them when it is empty."""
        return self.each(_collection("jobs", namespace), labelSelector=names.LABEL_UID)

    def each_job_of(self, namespace: str, uid: str) -> AsyncIterator[Body]:
        """All Jobs of a VideoJob, by its uid."""
        return self.each(_collection("jobs", namespace), labelSelector=f"{names.LABEL_UID}={uid}")

    def each_metadata(self, plural: str, namespace: str) -> AsyncIterator[Body]:
        """The metadata of VideoJobs, of our Jobs, or of our pods that have not ended.

        Args:
            plural: ``videojobs``, ``jobs`` or ``pods``.
            namespace: whose; of all of them when it is empty.
        """
        selectors: dict[str, str] = {}
        if plural != "videojobs":
            selectors["labelSelector"] = names.LABEL_UID
        if plural == "pods":
            selectors["fieldSelector"] = names.LIVE_PODS
        return self.each(_collection(plural, namespace), accept=_METADATA, **selectors)

    async def get_listed(self, plural: str, namespace: str, name: str) -> Body:
        """A VideoJob, Job or pod."""
        return await self.request("GET", f"{_collection(plural, namespace)}/{name}")

    async def list_live_pods_of(self, namespace: str, uid: str) -> list[Body]:
        """The pods of one VideoJob that have not ended."""
        label = f"{names.LABEL_UID}={uid}"
        path = f"/api/v1/namespaces/{namespace}/pods"
        return await self.list_all(path, labelSelector=label, fieldSelector=names.LIVE_PODS)

    async def get_namespace(self, name: str) -> Body:
        """A namespace."""
        return await self.request("GET", f"/api/v1/namespaces/{name}")

    async def get_job(self, namespace: str, name: str) -> Body:
        """A Job."""
        return await self.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}")

    async def create_job(self, body: Body) -> Body:
        """Make a Job."""
        namespace = body["metadata"]["namespace"]
        return await self.request("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", body=body)

    async def delete_job(self, namespace: str, name: str, uid: str, *, foreground: bool) -> None:
        """Delete exactly that Job, after its pods or (in the background) before them."""
        policy = "Foreground" if foreground else "Background"
        body = {"propagationPolicy": policy, "preconditions": {"uid": uid}}
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"
        await self.request("DELETE", path, body=body)

    async def create_config_map(self, body: Body) -> Body:
        """Make a ConfigMap."""
        namespace = body["metadata"]["namespace"]
        return await self.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body=body)

    async def delete_config_map(self, namespace: str, name: str) -> None:
        """Delete a ConfigMap."""
        path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        await self.request("DELETE", path)

    async def create_event(self, body: Body) -> Body:
        """Make an Event."""
        namespace = body["metadata"]["namespace"]
        return await self.request("POST", f"/api/v1/namespaces/{namespace}/events", body=body)

    async def list_warnings_about(self, namespace: str, name: str) -> list[Body]:
        """Events of the type Warning about an object of that name, of whatever kind."""
        query = {"fieldSelector": f"involvedObject.name={name},type=Warning"}
        found = await self.request("GET", f"/api/v1/namespaces/{namespace}/events", query=query)
        items: list[Body] = found["items"]
        return items

    async def get_lease(self, namespace: str, name: str) -> Body:
        """A Lease."""
        return await self.request("GET", f"{_LEASES.format(namespace)}/{name}")

    async def create_lease(self, body: Body) -> Body:
        """Make a Lease."""
        path = _LEASES.format(body["metadata"]["namespace"])
        return await self.request("POST", path, body=body)

    async def put_lease(self, body: Body) -> Body:
        """Write a Lease, only if it is still as it was read."""
        meta = body["metadata"]
        path = f"{_LEASES.format(meta['namespace'])}/{meta['name']}"
        return await self.request("PUT", path, body=body)

    async def list_pods_of_job(self, namespace: str, job: str) -> list[Body]:
        """All pods of a Job, ended ones included."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        return await self.list_all(path, labelSelector=f"batch.kubernetes.io/job-name={job}")

    async def get_pod(self, namespace: str, name: str) -> Body:
        """A pod."""
        return await self.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")

    async def fail_pod(self, namespace: str, name: str, uid: str) -> None:
        """Declare exactly that pod failed, as disrupted: no try of its Job is used up."""
        message = "It hangs on a node that does not answer."
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "NodeLost",
            "message": message,
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        status = {
            "phase": "Failed",
            "reason": "NodeLost",
            "message": message,
            "conditions": [condition],
        }
        await self.request(
            "PATCH",
            f"/api/v1/namespaces/{namespace}/pods/{name}/status",
            body={"metadata": {"uid": uid}, "status": status},
            content_type="application/strategic-merge-patch+json",
        )

    async def mark_pod(self, namespace: str, name: str, uid: str, now: datetime) -> None:
        """Write the time on exactly that pod, so that whoever watches it looks at it again."""
        note = {names.ANNOTATION_SEEN: now.isoformat(timespec="seconds")}
        await self.request(
            "PATCH",
            f"/api/v1/namespaces/{namespace}/pods/{name}/status",
            body={"metadata": {"uid": uid, "annotations": note}},
            content_type="application/merge-patch+json",
        )

    async def force_delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """Delete exactly that pod without asking its kubelet."""
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        await self.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", body=body)

    def each_node(self) -> AsyncIterator[Body]:
        """Every node; few at a time, since each names all the images that it has."""
        return self.each("/api/v1/nodes", limit="100")

    async def review_token(self, token: str, audience: str) -> Body:
        """Ask the API server whose token this is; the review's status."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        answer = await self.request(
            "POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=body
        )
        status: Body = answer.get("status", {})
        return status

    async def get_token_keys(self) -> Body:
        """The public keys that service-account tokens are signed with (a JWKS)."""
        return await self.request("GET", "/openid/v1/jwks", accept="application/jwk-set+json")

    async def get_secret(self, namespace: str, name: str) -> Body:
        """A Secret; the operator may read exactly one, its own certificate's."""
        return await self.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")

    async def replace_secret(self, body: Body) -> Body:
        """Write that Secret, only if it is still as it was read."""
        meta = body["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/secrets/{meta['name']}"
        return await self.request("PUT", path, body=body)


def _as_ours(status: int | None, text: object) -> ClusterError:
    message = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    with suppress(ValueError, AttributeError):  # no Status object: the text itself will do
        message = json.loads(message).get("message", message)
    return _ERRORS.get(status or 0, ClusterError)(message[:2000], status or 0)
