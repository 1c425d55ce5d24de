"""Uploads what was made: objects first, their logs, and the manifest last.

The last stage of ``run``. Results come from a folder that children could write to, so nothing is
followed out of it. It must not publish anything that wasn't checked, nor the manifest of anything
that isn't there.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from videojob_api import names
from videojob_api.manifest import Manifest
from videojob_api.status import OutputStatus

from .errors import Interrupted, StorageRefused, Unverified
from .fetch import hash_file
from .objects import Storage
from .outputs import Produced
from .scratch import Scratch
from .stop import Stop

UPLOADS = 4
WORTH_ASKING_BYTES = 1 << 20
"""From this size on it is asked first whether an interrupted run has sent the same bytes."""
FRESH = "no-cache"
"""For what points to other objects: ask each time whether it changed."""
CACHED = "max-age=3600"
_PLAYLISTS = frozenset({"application/vnd.apple.mpegurl", "application/dash+xml"})


@dataclass(frozen=True)
class Destination:
    """Where the results of one input go."""

    store: Storage
    folder: str
    """Key prefix of that input's results, with a slash at the end."""
    input_name: str
    scratch: Scratch
    """Where the files to publish must be."""
    stop: Stop
    """Ends all transfers when requested."""


def publish(
    produced: Sequence[Produced],
    to: Destination,
    on_progress: Callable[[float], None] = lambda _: None,
) -> list[OutputStatus]:
    """Upload finished files, several at once; playlists after what they point to.

    A manifest that an earlier run left is removed first: it would speak of objects that change.

    Args:
        produced: the files; each becomes ``<folder><step>/<name>``.
        to: where they go.
        on_progress: is told the fraction of bytes done.

    Returns:
        What is there now, in the order of ``produced``.
    """
    _remove_manifest(to)
    total, done = max(1, sum(p.path.stat().st_size for p in produced)), 0
    statuses: dict[Produced, OutputStatus] = {}
    media = [p for p in produced if p.mime_type not in _PLAYLISTS]
    playlists = [p for p in produced if p.mime_type in _PLAYLISTS]

    def upload(item: Produced, check: Callable[[], None]) -> OutputStatus:
        path = _own_file(item.path, to.scratch)
        key, sha256 = f"{to.folder}{item.step}/{item.name}", hash_file(path)
        status = OutputStatus(
            name=item.name,
            input=to.input_name,
            step=item.step,
            key=key,
            bytes=path.stat().st_size,
            sha256=sha256,
            mime_type=item.mime_type,
            width=item.width,
            height=item.height,
            duration_seconds=item.duration_seconds,
        )
        cache_control = FRESH if item.mime_type in _PLAYLISTS else CACHED
        if status.bytes < WORTH_ASKING_BYTES or not to.store.holds(key, status.bytes, sha256):
            to.store.put(
                key,
                path,
                content_type=item.mime_type,
                cache_control=cache_control,
                check=check,
                sha256=sha256,
            )
        return status

    for group in (media, playlists):
        for item, status in _at_once(group, upload, to.stop):
            statuses[item] = status
            done += status.bytes
            on_progress(done / total)
    return [statuses[item] for item in produced]


def publish_logs(to: Destination) -> str | None:
    """Upload the children's logs and the exact commands; the key of the largest log."""
    found = sorted(p for p in to.scratch.logs.iterdir() if p.is_file() and not p.is_symlink())
    for path in found:
        to.store.put(
            _log_key(to.folder, path),
            path,
            content_type="text/plain; charset=utf-8",
            cache_control=FRESH,
            check=to.stop.check,
        )
    logs = [p for p in found if p.suffix == ".log"]
    return _log_key(to.folder, max(logs, key=lambda p: p.stat().st_size)) if logs else None


def publish_manifest(manifest: Manifest, to: Destination) -> str:
    """Upload the manifest, which means *done*; its sha256."""
    body = manifest.model_dump_json(by_alias=True, exclude_none=True, indent=2).encode() + b"\n"
    to.store.put(
        f"{to.folder}{names.MANIFEST_FILE}",
        body,
        content_type="application/json",
        cache_control=FRESH,
        check=to.stop.check,
    )
    return hashlib.sha256(body).hexdigest()


def publish_marker(step: str, body: bytes, to: Destination) -> None:
    """Note that a step is finished; all its objects must be there."""
    to.store.put(
        names.marker_key(to.folder, step),
        body,
        content_type="application/json",
        cache_control=FRESH,
        check=to.stop.check,
    )


def _remove_manifest(to: Destination) -> None:
    key = f"{to.folder}{names.MANIFEST_FILE}"
    try:
        if to.store.exists(key):
            to.store.delete(key)
    except StorageRefused:
        # Credentials that can write but neither look nor delete: the new manifest replaces it.
        return


def _log_key(folder: str, path: Path) -> str:
    return f"{folder}{names.LOGS_FOLDER}/{path.name}"


def _own_file(path: Path, scratch: Scratch) -> Path:
    """The path, if it is a plain file of the scratch folder and no link on the way to it."""
    if path.is_symlink() or not path.is_file() or path.resolve() != path:
        raise Unverified(f"{path.name} is not a plain file in the scratch folder; not published.")
    if not path.is_relative_to(scratch.root):
        raise Unverified(f"{path} is outside of the scratch folder; not published.")
    return path


def _at_once(
    items: Sequence[Produced],
    upload: Callable[[Produced, Callable[[], None]], OutputStatus],
    stop: Stop,
) -> Iterator[tuple[Produced, OutputStatus]]:
    """Upload several items at a time; the first failure ends the others."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    abandoned = threading.Event()

    def check() -> None:
        stop.check()
        if abandoned.is_set():
            raise Interrupted("Another upload failed.")

    with ThreadPoolExecutor(UPLOADS, thread_name_prefix="publish") as pool:
        futures = {pool.submit(upload, item, check): item for item in items}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            abandoned.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
