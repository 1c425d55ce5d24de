"""A few requests to the cluster's API server, as its administrator.

Called by the modules that wait for the cluster and put objects in it. Knows no kinds and keeps
no state. Must not be used by tests of the project, which have a real client.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Api:
    """The API server a kubeconfig names."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._server = urlsplit(cluster["server"])
        with tempfile.TemporaryDirectory() as folder:

            def file(entry: dict[str, str], key: str) -> str:
                if key in entry:
                    return entry[key]
                path = Path(folder) / key
                path.write_bytes(base64.b64decode(entry[f"{key}-data"]))
                return str(path)

            self._tls = ssl.create_default_context(cafile=file(cluster, "certificate-authority"))
            self._tls.load_cert_chain(file(user, "client-certificate"), file(user, "client-key"))

    def text(self, method: str, path: str, body: str = "", content_type: str = "") -> str:
        """The body of the answer; ApiError when it is no success, OSError when there is none."""
        host, port = self._server.hostname or "", self._server.port or 443
        connection = http.client.HTTPSConnection(host, port, timeout=20, context=self._tls)
        try:
            headers = {"Content-Type": content_type} if content_type else {}
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            received = answer.read().decode()
        except http.client.HTTPException as error:
            raise OSError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise ApiError(answer.status, f"{method} {path}: {received[:500]}")
        return received

    def get(self, path: str) -> dict[str, Any]:
        """One object or list."""
        found: dict[str, Any] = json.loads(self.text("GET", path))
        return found

    def merge(self, path: str, patch: dict[str, Any]) -> None:
        """A JSON merge patch."""
        self.text("PATCH", path, json.dumps(patch), "application/merge-patch+json")

    def apply(self, manifests: str) -> None:
        """Server-side apply of YAML documents, in their order."""
        for document in yaml.safe_load_all(manifests):
            if document:
                name = document["metadata"]["name"]
                query = "fieldManager=videojob-cluster&force=true"
                path = f"{self._collection(document)}/{name}?{query}"
                self.text("PATCH", path, json.dumps(document), "application/apply-patch+yaml")

    def _collection(self, document: dict[str, Any]) -> str:
        version = document["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        # Asked for rather than guessed: plural and scope are the server's to say.
        for resource in self.get(root)["resources"]:
            if resource["kind"] == document["kind"] and "/" not in resource["name"]:
                namespace = document["metadata"].get("namespace", "default")
                scope = f"/namespaces/{namespace}" if resource["namespaced"] else ""
                return f"{root}{scope}/{resource['name']}"
        raise ApiError(404, f"{version} {document['kind']} is not served")


def wait_until(check: Callable[[], bool], seconds: float, interval: float = 0.1) -> bool:
    """Whether the check came true in time; requests that fail count as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if check():
                return True
        except (OSError, ApiError):
            pass
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
