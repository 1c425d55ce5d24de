"""Deletes the outputs of a VideoJob that is being deleted: exactly what its manifests list.

Started by ``__main__`` as ``python -m videojob_worker clean-up``, in a Job that the operator makes for
``output.deletionPolicy: Delete``. Whoever can write to the bucket can write a manifest, so one is
believed only about its own input's folder, and only if it says that it is of this VideoJob.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from videojob_api import names
from videojob_api.base import Tolerant
from videojob_api.clean_up import MAX_TEXT, CleanUpOrder, CleanUpResult
from videojob_api.manifest import Manifest

from .errors import NotDoable, StorageRefused, WorkerError
from .log import log_as_json, say, say_error
from .objects import NotThere, Replaced, Storage
from .reporting import write_termination_text
from .stop import Stop
from .storage import open_storage

A = TypeVar("A")
B = TypeVar("B")

AT_ONCE = 8
MAX_MANIFEST_BYTES = 64 << 20


class _Marker(Tolerant):
    """What counts here of a note that a step is finished."""

    job: dict[str, Any]


@dataclass(frozen=True)
class Listing:
    """What is to be deleted of one input."""

    folder: str
    keys: tuple[str, ...] = ()
    """The manifest itself excepted."""
    has_manifest: bool = False
    kept: tuple[str, ...] = ()
    """Sentences about what is left alone, and why."""
    refused: StorageRefused | None = None
    """Where the store would not say whether there is a manifest."""


def main(environment: Mapping[str, str], stop: Stop) -> int:
    """Delete what the order in the environment says; the exit code."""
    log_as_json()
    code = 0
    try:
        order = _read_order(environment)
        result = clean_up(order, open_storage(order, stop), stop)
    except WorkerError as error:
        code = int(error.exit_code)
        result = CleanUpResult(complete=False, message=str(error)[:MAX_TEXT])
    tell = say if result.complete else say_error
    tell("clean-up ends", deleted=result.deleted, said=result.message)
    write_termination_text(result.model_dump_json(by_alias=True))
    return code


def clean_up(order: CleanUpOrder, store: Storage, stop: Stop) -> CleanUpResult:
    """Delete the objects first and their manifests last, so that it can be done again.

    Raises:
        WorkerError: if the store refuses or does not answer; some objects may be gone by then.
    """
    listings = _at_once(lambda name: read_listing(order, name, store), order.inputs, stop)
    refusals = [listing.refused for listing in listings if listing.refused]
    if refusals and len(refusals) == len(listings):
        raise refusals[0]
    keys = sorted({key for listing in listings for key in listing.keys})
    manifests = [f"{x.folder}{names.MANIFEST_FILE}" for x in listings if x.has_manifest]
    for group in (keys, manifests):
        _at_once(store.delete, group, stop)
    for listing in listings:
        store.tidy(listing.folder)
    count = len(keys) + len(manifests)
    kept = [sentence for listing in listings for sentence in listing.kept]
    message = " ".join([f"{count} objects below {order.output_prefix} deleted.", *kept])
    return CleanUpResult(deleted=count, complete=not kept, message=message[:MAX_TEXT])


def read_listing(order: CleanUpOrder, name: str, store: Storage) -> Listing:
    """What the manifest of an input lists, and our own folders that none lists."""
    folder = names.input_folder(order.output_prefix, name)
    listed: tuple[str, ...] = ()
    try:
        manifest = read_manifest(f"{folder}{names.MANIFEST_FILE}", store)
    except NotThere:
        manifest = None  # it was not published, or has been deleted by an earlier try
    except ValueError as error:
        return Listing(folder, kept=(f"{name} was left alone: {error}.",))
    except StorageRefused as error:  # so S3 speaks of what is missing, to who may not list
        return Listing(folder, kept=(f"{name} was left alone: {error}",), refused=error)
    kept = []
    if manifest is not None:
        if (whose := manifest.job.get("uid")) != order.uid:
            sentence = f"{name} was left alone: its manifest is of another VideoJob (uid {whose})."
            return Listing(folder, kept=(sentence,))
        listed = tuple(output.key for output in manifest.outputs)
        if foreign := [key for key in listed if not names.is_inside(key, folder)]:
            kept.append(f"{name} lists {len(foreign)} objects outside of {folder}, left alone.")
    own = [key for key in listed if names.is_inside(key, folder)]
    try:
        logs, markers = (list(store.list_keys(f"{folder}{x}/")) for x in names.PRIVATE_FOLDERS)
        if manifest is None and (whose := _find_worker(markers, store)) not in (None, order.uid):
            sentence = f"{name} was left alone: another VideoJob (uid {whose}) is at work there."
            return Listing(folder, kept=(sentence,))
        own += [*logs, *markers]
    except StorageRefused as error:
        kept.append(f"The logs of {name} were left alone: {error}")
    return Listing(folder, tuple(own), manifest is not None, tuple(kept))


def _find_worker(markers: Iterable[str], store: Storage) -> str | None:
    """The uid of the VideoJob that has finished steps where it has published no manifest yet."""
    for key in markers:
        with suppress(NotThere, ValidationError):
            marker = _Marker.model_validate_json(store.read_result(key, MAX_MANIFEST_BYTES))
            return str(marker.job.get("uid"))
    return None


def read_manifest(key: str, store: Storage) -> Manifest:
    """The manifest at a key.

    Raises:
        NotThere: if there is none.
        ValueError: if it is too large, changed meanwhile, or is no manifest.
    """
    info = store.stat(key)
    size = info.size_bytes or 0
    if size > MAX_MANIFEST_BYTES:
        raise ValueError(f"its manifest has {size} bytes")
    try:
        return Manifest.model_validate_json(b"".join(store.read(key, info.etag, 0, size)))
    except Replaced:
        raise ValueError("its manifest was replaced meanwhile") from None
    except ValidationError as error:
        first = error.errors()[0]["msg"]
        raise ValueError(f"its manifest is not understood ({first})") from error


def _at_once(work: Callable[[A], B], items: Sequence[A], stop: Stop) -> list[B]:
    """Several at a time, in order; the first failure ends the others."""

    def check_and_work(item: A) -> B:
        stop.check()
        return work(item)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="clean-up") as pool:
        try:
            return list(pool.map(check_and_work, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _read_order(environment: Mapping[str, str]) -> CleanUpOrder:
    try:
        return CleanUpOrder.model_validate_json(environment.get(names.ENV_ORDER, ""))
    except ValidationError as error:
        raise NotDoable(
            f"The clean-up order in {names.ENV_ORDER} can't be read; is the operator another "
            f"version? {error.errors()[0]['msg']}"
        ) from error
