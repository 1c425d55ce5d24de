"""After the end, on the cluster: time to live, outputs that go too, somebody who is told."""

from __future__ import annotations

import base64
import json
import shlex
import time
from typing import Any

import places
import pytest
import yaml
from minio import Minio
from on_cluster import (
    Kubectl,
    a_python_pod,
    a_secret,
    a_store,
    a_videojob,
    eventually,
    published,
    upload,
)
from standardwebhooks import Webhook

EXAMPLES = places.REPOSITORY / "examples"
SIGNING_KEY = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
RECEIVER = """
import base64, http.server, json
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = base64.b64encode(body).decode()
        print(json.dumps({"headers": dict(self.headers), "body": text}), flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("", 8000), Receiver).serve_forever()
"""


def the_example(folder: str, clip: str, prefix: str, **spec: Any) -> dict[str, Any]:
    """An example's manifest, with input and prefix of the test's own."""
    (path,) = EXAMPLES.glob(f"{folder}-*/videojob.yaml")
    body: dict[str, Any] = yaml.safe_load(path.read_text())
    body["spec"]["inputs"][0]["key"] = clip
    body["spec"]["output"]["prefix"] = prefix
    body["spec"] |= spec
    return body


def is_gone(kube: Kubectl, name: str) -> bool:
    return "NotFound" in kube.run("get", "videojob", name).stderr


def reasons(kube: Kubectl) -> dict[str, str]:
    """Reason → message of the Events about VideoJobs."""
    events = kube.items("events", "--field-selector=involvedObject.kind=VideoJob")
    return {event["reason"]: event["message"] for event in events}


def test_it_goes_when_its_time_is_over_and_its_outputs_stay(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    prefix = f"results/{kube.namespace}/"
    kube.apply(the_example("25", clip, prefix))
    assert kube.wait_end("short-lived")["phase"] == "Succeeded"
    time.sleep(1)
    assert not is_gone(kube, "short-lived"), "a week is not over"
    patch = json.dumps({"spec": {"ttl": {"secondsAfterSucceeded": 2}}})
    kube.ok("patch", "videojob", "short-lived", "--type=merge", "-p", patch)
    eventually(lambda: is_gone(kube, "short-lived"), seconds=30)
    assert f"{prefix}bunny/manifest.json" in published(media, prefix)
    eventually(lambda: not kube.items("jobs") and not kube.items("pods"), seconds=60)


def test_a_bad_end_has_a_time_of_its_own(kube: Kubectl, media: Minio) -> None:
    ttl = {"secondsAfterSucceeded": 86400, "secondsAfterFailed": 2}
    kube.apply(a_videojob("bad", "uploads/nowhere.mp4", ttl=ttl))
    assert kube.wait("bad", lambda s: "finishedAt" in s, seconds=60)["phase"] == "Rejected"
    eventually(lambda: is_gone(kube, "bad"), seconds=30)


def test_outputs_go_with_their_videojob_and_nothing_else_does(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    prefix = f"results/{kube.namespace}/"
    kube.apply(the_example("26", clip, prefix))
    status = kube.wait_end("preview")
    assert status["phase"] == "Succeeded"
    others = {f"{prefix}bunny/mine.txt", f"{prefix}other/manifest.json"}
    for key in others:
        upload(media, places.REPOSITORY / "LICENSE", key)
    listed = published(media, prefix) - others
    assert len(listed) > status["outputCount"]
    kube.ok("delete", "videojob", "preview", "--timeout=90s")
    assert published(media, prefix) == others
    assert reasons(kube)["OutputsDeleted"] == f"{len(listed)} objects below {prefix} deleted."
    eventually(lambda: not kube.items("jobs"), seconds=30)


def test_a_secret_that_is_gone_does_not_hold_the_deletion(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    prefix = f"results/{kube.namespace}/"
    kube.apply(the_example("26", clip, prefix))
    kube.wait_end("preview")
    kube.ok("delete", "secret", "minio-credentials")
    kube.ok("delete", "videojob", "preview", "--timeout=90s")
    assert 'secret "minio-credentials" not found' in reasons(kube)["OutputsLeft"]
    assert f"{prefix}bunny/manifest.json" in published(media, prefix)


HOLE = """
import socket, time
server = socket.create_server(("", 8000))
taken = []
while True:
    taken.append(server.accept())
"""


@pytest.mark.long
def test_a_store_that_hangs_does_not_hold_the_deletion_for_more_than_five_minutes(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    prefix = f"results/{kube.namespace}/"
    kube.apply(*a_python_pod("hole", HOLE), the_example("26", clip, prefix))
    kube.ok("wait", "pod/hole", "--for=condition=Ready", "--timeout=60s")
    assert kube.wait_end("preview")["phase"] == "Succeeded"
    kube.apply(a_store(endpoint=f"http://hole.{kube.namespace}.svc"))
    asked = time.monotonic()
    kube.ok("delete", "videojob", "preview", "--timeout=330s")
    assert time.monotonic() - asked > 60, "the store was not waited for"
    assert f"{prefix}bunny/manifest.json" in published(media, prefix)
    assert reasons(kube)["OutputsLeft"]
    eventually(
        lambda: (
            not [
                j
                for j in kube.items("jobs")
                if "preview" in j["metadata"]["name"] and j["status"].get("active")
            ]
        ),
        seconds=60,
    )


def test_a_change_to_retain_lets_the_outputs_stay(kube: Kubectl, media: Minio, clip: str) -> None:
    prefix = f"results/{kube.namespace}/"
    kube.apply(the_example("26", clip, prefix))
    kube.wait_end("preview")
    assert kube.get("videojob", "preview")["metadata"]["finalizers"] == ["videojob.dev/outputs"]
    patch = json.dumps({"spec": {"output": {"deletionPolicy": "Retain"}}})
    kube.ok("patch", "videojob", "preview", "--type=merge", "-p", patch)
    eventually(
        lambda: not kube.get("videojob", "preview")["metadata"].get("finalizers"), seconds=20
    )
    kube.ok("delete", "videojob", "preview", "--timeout=30s")
    assert f"{prefix}bunny/manifest.json" in published(media, prefix)


def test_a_namespace_is_never_held_up(kube: Kubectl, store: Minio, clip: str) -> None:
    going = Kubectl(f"{kube.namespace}-going"[:63])
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": going.namespace}}
    kube.apply(namespace)
    output = {"prefix": f"results/{kube.namespace}/", "deletionPolicy": "Delete"}
    going.apply(a_secret(), a_store(), a_videojob("doomed", clip, output=output))
    going.wait_end("doomed")
    kube.ok("delete", "namespace", going.namespace, "--timeout=90s")


# ---- notifications


def told(kube: Kubectl, name: str) -> dict[str, Any]:
    """The only notification on a VideoJob's status, once an attempt was made."""
    status = kube.wait(name, lambda s: bool(s.get("notifications")), seconds=30)
    (one,) = status["notifications"]
    found: dict[str, Any] = one
    return found


def test_a_signed_notification_comes_once_the_operator_may_read_its_key(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    url = f"http://receiver.{kube.namespace}.svc/videos"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hook"},
        "stringData": {"secret": SIGNING_KEY},
    }
    notify = [{"url": url, "secretRef": {"name": "hook"}}]
    prefix = f"results/{kube.namespace}/"
    kube.apply(
        *a_python_pod("receiver", RECEIVER), secret, the_example("27", clip, prefix, notify=notify)
    )
    assert kube.wait_end("told")["phase"] == "Succeeded"
    waiting = told(kube, "told")
    assert waiting["state"] == "Pending", waiting
    command = waiting["message"].partition("let it: ")[2]
    for one in command.split(" && "):
        tool, *arguments = shlex.split(one)
        assert tool == "kubectl"
        kube.ok(*arguments)
    kube.wait("told", lambda s: s["notifications"][0]["state"] == "Delivered", seconds=60)
    (line,) = kube.ok("logs", "receiver").splitlines()
    got = json.loads(line)
    event = Webhook(SIGNING_KEY).verify(base64.b64decode(got["body"]), got["headers"])
    assert event["id"] == waiting["id"]
    assert event["type"] == "videojob.dev.videojob.succeeded"
    assert event["data"]["subjectRefs"] == [{"kind": "vacancy", "id": "42"}]
    assert event["data"]["outputs"][0]["key"].startswith(f"{prefix}bunny/poster/")


def test_a_private_address_is_refused(kube: Kubectl, media: Minio, clip: str) -> None:
    url = "http://169.254.169.254/latest/"
    notify = [{"url": url}, {"url": f"{url}failed", "events": ["Failed", "Cancelled"]}]
    kube.apply(a_videojob("curious", clip, notify=notify))
    ended = kube.wait_end("curious")
    one = told(kube, "curious")  # who asks for other ends is not told of this one
    assert (one["event"], one["receiver"]) == ("Succeeded", "169.254.169.254")
    assert (one["state"], one["attempts"]) == ("Pending", 1)
    assert one["nextAttemptAt"] > ended["finishedAt"]
    assert "is not public, so it is refused" in one["message"]
    assert (one["runID"], one["endedAt"]) == (ended["runID"], ended["finishedAt"])

    # Another run does not keep anybody from being told of this one.
    kube.ok("patch", "videojob", "curious", "--type=merge", "-p", '{"spec": {"runToken": "2"}}')
    kube.wait("curious", lambda s: s.get("observedRunToken") == "2")
    again = kube.wait_end("curious")
    known = kube.wait("curious", lambda s: len(s["notifications"]) == 2, seconds=30)
    assert [n["runID"] for n in known["notifications"]] == [ended["runID"], again["runID"]]
    assert known["notifications"][0]["id"] == one["id"]
