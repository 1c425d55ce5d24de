"""The CloudEvent that tells how a VideoJob ended: what a receiver needs, and never a signed link.

Pure. Called by the courier when a letter is about to be sent.
"""

from __future__ import annotations

from typing import Any

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from videojob_api import names

from .clock import parse_time
from .observed import Letter, Observed

CONTENT_TYPE = "application/cloudevents+json"
_STATUS_FIELDS = frozenset(
    {"phase", "message", "accepted_at", "started_at", "finished_at", "input_counts", "inputs"}
    | {"outputs", "outputs_truncated", "output_count", "output_bytes", "usage", "warnings"}
)


def build_cloud_event(observed: Observed, letter: Letter) -> bytes:
    """The event in CloudEvents' JSON, the same bytes for every attempt while the run is the newest."""
    namespace, name = observed.key
    attributes = {
        "specversion": "1.0",
        "id": letter.id,
        "type": f"{names.GROUP}.videojob.{letter.event.lower()}",
        "source": f"/apis/{names.API_VERSION}/namespaces/{namespace}/videojobs/{name}",
        "subject": f"{namespace}/{name}",
        "time": parse_time(letter.ended_at),
        "datacontenttype": "application/json",
    }
    data = _data(observed) if letter.run_id == observed.run_id else _data_of_before(letter)
    event = CloudEvent(
        {k: v for k, v in attributes.items() if v is not None}, {**_about(observed, letter), **data}
    )
    return JSONFormat().write(event)


def _about(observed: Observed, letter: Letter) -> dict[str, Any]:
    spec = observed.spec
    return {
        "name": observed.key.name,
        "namespace": observed.key.namespace,
        "uid": observed.uid,
        "runID": letter.run_id,
        "subjectRefs": [ref.wire() for ref in spec.subject_refs] if spec else [],
        "userMetadata": spec.user_metadata if spec else {},
    }


def _data(observed: Observed) -> dict[str, Any]:
    status, spec = observed.status, observed.spec
    told = status.model_dump(
        mode="json", by_alias=True, exclude_none=True, include=set(_STATUS_FIELDS)
    )
    failure = {"failure": _brief(status.failure.wire())} if status.failure else {}
    return {**told, **failure, "prefix": spec.output.prefix if spec else ""}


def _data_of_before(letter: Letter) -> dict[str, Any]:
    """What is still known of a run that another one has replaced."""
    message = "Another run has begun since; what this one made may have been replaced."
    return {"phase": letter.event, "finishedAt": letter.ended_at, "message": message}


def _brief(failure: dict[str, Any]) -> dict[str, Any]:
    """Without the log's end: it may hold more than a stranger should see."""
    return {name: value for name, value in failure.items() if name != "logTail"}
