"""What `helm test` runs, in the operator's image: does this operator work on VideoJobs?

Given a store and the key of a video in it, has one thumbnail made. Given none, names a store that
does not exist and expects the operator to say so, or that others go first in its line. Removes its VideoJob
whatever happens.
"""

import asyncio
import os
import sys
import time
import uuid
from typing import Any

from kubernetes.aio import client, config

NAMESPACE = os.environ["TEST_NAMESPACE"]
STORE = os.environ["TEST_STORE"]
INPUT_KEY = os.environ["TEST_INPUT_KEY"]
TIMEOUT_SECONDS = int(os.environ["TEST_TIMEOUT_SECONDS"])
ANSWER_SECONDS = 30

NAME = f"helm-test-{uuid.uuid4().hex[:8]}"
PLACE = {
    "group": "videojob.dev",
    "version": "v1alpha1",
    "namespace": NAMESPACE,
    "plural": "videojobs",
}


def build_videojob(store: str, key: str) -> dict[str, Any]:
    """The smallest VideoJob there is."""
    return {
        "apiVersion": "videojob.dev/v1alpha1",
        "kind": "VideoJob",
        "metadata": {"name": NAME},
        "spec": {
            "storeRef": {"name": store},
            "inputs": [{"name": "film", "key": key}],
            "steps": [{"name": "poster", "thumbnails": {"count": 1}}],
            "output": {"prefix": f"{NAME}/"},
        },
    }


def is_done(status: dict[str, Any]) -> bool:
    """With a real store: whether the job has ended."""
    return status.get("phase") in ("Succeeded", "Failed", "Rejected")


def names_store(status: dict[str, Any], store: str) -> bool:
    """Without one: whether the operator took the job and says which store it misses."""
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    stalled = conditions.get("Stalled", {})
    return (
        conditions.get("Accepted", {}).get("status") == "True"
        and stalled.get("status") == "True"
        and store in stalled.get("message", "")
    )


def waits_in_line(status: dict[str, Any]) -> bool:
    """Whether the operator took the job and lets others go first: it asks for no store before that."""
    return status.get("phase") == "Queued" and "queue" in status


async def main() -> bool:
    """Whether the operator did what was expected of it."""
    configuration = client.Configuration()
    config.load_incluster_config(client_configuration=configuration)
    configuration.disable_strict_ssl_verification = True  # as the operator; CAs may be old
    store = STORE or f"{NAME}-missing"
    limit = TIMEOUT_SECONDS if STORE else ANSWER_SECONDS
    async with client.ApiClient(configuration) as connection:
        api = client.CustomObjectsApi(connection)
        await api.create_namespaced_custom_object(
            **PLACE, body=build_videojob(store, INPUT_KEY or "film.mp4")
        )
        print(f"created VideoJob {NAMESPACE}/{NAME} on store {store}; waiting up to {limit} s")
        try:
            return await watch(api, store, time.monotonic() + limit)
        finally:
            await api.delete_namespaced_custom_object(**PLACE, name=NAME)
            print("deleted it")


async def watch(api: client.CustomObjectsApi, store: str, deadline: float) -> bool:
    """Print every change until the job is where it should be, or the time is over."""
    seen = None
    while time.monotonic() < deadline:
        job: dict[str, Any] = await api.get_namespaced_custom_object(**PLACE, name=NAME)
        status = job.get("status", {})
        line = f"{status.get('phase', 'no status yet')}: {status.get('message', '')}"
        if line != seen:
            print(line)
            seen = line
        if STORE and is_done(status):
            return bool(status["phase"] == "Succeeded")
        if not STORE and (names_store(status, store) or waits_in_line(status)):
            return True
        await asyncio.sleep(1)
    print("time is over; is the operator running? See its log and the conditions:")
    print(status.get("conditions", "no conditions"))
    return False


if __name__ == "__main__":
    passed = asyncio.run(main())
    print("passed" if passed else "FAILED")
    sys.exit(0 if passed else 1)
