"""S3 as a store, and the choice of a store for a work order.

The only module that asks minio (``s3_client`` makes it ready, and what its errors mean is in
``s3_answers``); ``fetch`` and
``publish`` use it through ``objects.Storage``. What a store answers becomes one of five things: an
object, NotThere, Replaced, StorageRefused (a person must act) or StorageUnreachable (may pass; given
up after retries).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from videojob_api.clean_up import CleanUpOrder
from videojob_api.work_order import S3Target, WorkOrder

from .errors import NotDoable, StorageRefused, StorageUnreachable
from .multipart import PART_BYTES, PARTS_AT_ONCE, send_in_parts
from .objects import CHUNK_BYTES, NotThere, ObjectInfo, Replaced, Storage
from .s3_answers import Passing, Translation, UploadGone
from .s3_client import connect, describe
from .stop import Stop

if TYPE_CHECKING:
    from minio import Minio

T = TypeVar("T")
MAX_ATTEMPTS = 5
_SUM_HEADER = "x-amz-meta-sha256"


def open_storage(order: WorkOrder | CleanUpOrder, stop: Stop) -> Storage:
    """The store that an order names.

    Raises:
        NotDoable: if it names none.
        StorageRefused: if there are no credentials, no such CA, or no such folder.
    """
    if order.s3 is not None:
        return S3Storage(order.s3, os.environ, stop)
    if order.folder is not None:
        from .folder import FolderStorage

        return FolderStorage(Path(order.folder.path), order.folder.prefix, stop.check)
    raise NotDoable("The work order names no store: it needs s3 or folder.")


class S3Storage:
    """A bucket of any S3-compatible service."""

    def __init__(self, target: S3Target, environment: Any, stop: Stop) -> None:
        self._target = target
        self._stop = stop
        self._room = threading.BoundedSemaphore(PARTS_AT_ONCE)
        """For bodies in memory, over all files that are sent at the time."""
        self._sizes: dict[tuple[str, str], int] = {}
        """Of objects by key and ETag, as was said when they were looked at."""
        self._client: Minio = connect(target, environment)

    def stat(self, key: str) -> ObjectInfo:
        """See ``Storage.stat``."""

        def look() -> ObjectInfo:
            found = self._client.stat_object(self._target.bucket, self._whole(key))
            size = int(found.size or 0)
            info = ObjectInfo(size, f'"{found.etag}"')
            self._sizes[key, info.etag] = size
            return info

        def ask_why() -> ObjectInfo:
            # The answer to HEAD has no body: only GET tells a missing bucket from a missing key.
            response = self._get(key, {}, 0, 1)
            response.close()
            response.release_conn()
            return look()

        try:
            return self._ask(look)
        except (NotThere, StorageRefused):
            return self._ask(ask_why)

    def exists(self, key: str) -> bool:
        """See ``Storage.exists``."""
        try:
            self._ask(lambda: self._client.stat_object(self._target.bucket, self._whole(key)))
        except NotThere:
            return False
        return True

    def holds(self, key: str, size_bytes: int, sha256: str) -> bool:
        """See ``Storage.holds``: the sum was stored with the object, in the same request."""
        try:
            found = self._ask(
                lambda: self._client.stat_object(self._target.bucket, self._whole(key))
            )
        except (NotThere, StorageRefused):  # who may not list gets 403 for what isn't there
            return False
        return found.size == size_bytes and (found.metadata or {}).get(_SUM_HEADER) == sha256

    def read_result(self, key: str, max_bytes: int) -> bytes:
        """See ``Storage.read_result``."""
        whole = self._whole(key)

        def read() -> bytes:
            response = self._client.get_object(self._target.bucket, whole)
            try:
                if int(response.headers.get("Content-Length", 0)) > max_bytes:
                    raise NotThere(f"{whole} is larger than {max_bytes} bytes")
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

        return self._ask(read)

    def read(self, key: str, etag: str, offset: int, length: int) -> Iterator[bytes]:
        """See ``Storage.read``; a connection that breaks is taken up where it broke."""
        end, failures = offset + length, 0
        while offset < end:
            start = offset
            try:
                with self._translated():
                    response = self._get(key, {"If-Match": etag}, offset, end - offset)
                    try:
                        said = response.headers.get("Content-Range", "")
                        is_said = said or response.status != HTTPStatus.PARTIAL_CONTENT
                        if offset and is_said and not said.startswith(f"bytes {offset}-"):
                            raise Passing("other bytes came than were asked for")
                        self._check_size(key, etag, said)
                        for chunk in response.stream(CHUNK_BYTES):
                            self._stop.check()
                            if offset + len(chunk) > end:
                                raise Passing("more bytes came than were asked for")
                            offset += len(chunk)
                            yield chunk
                        if offset < end:
                            raise Passing("the answer ended early")
                    finally:
                        response.close()
                        response.release_conn()
            except Passing as passing:
                failures = 1 if offset > start else failures + 1
                if failures >= MAX_ATTEMPTS:
                    raise self._gave_up(passing) from passing
                self._stop.sleep(0.1 * 2**failures)

    def _check_size(self, key: str, etag: str, content_range: str) -> None:
        """Whoever answers with a wrong length once is not to decide where the film ends."""
        total = content_range.rpartition("/")[2]
        if total.isdigit() and self._sizes.get((key, etag), int(total)) != int(total):
            raise Replaced

    def copy_out(
        self, key: str, info: ObjectInfo, target: Path, arrived: Callable[[int], None]
    ) -> bool:
        """See ``Storage.copy_out``: a bucket can't."""
        return False

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        content_type: str,
        cache_control: str,
        check: Callable[[], None],
        sha256: str | None = None,
    ) -> None:
        """See ``Storage.put``; large files go in parts, and no part stays behind."""
        headers = {"Cache-Control": cache_control, "Content-Type": content_type}
        if sha256 is not None:
            headers[_SUM_HEADER] = sha256
        size = len(source) if isinstance(source, bytes) else source.stat().st_size

        def send_whole() -> None:
            check()
            with self._room:
                body = source if isinstance(source, bytes) else source.read_bytes()
                self._client._put_object(self._target.bucket, self._whole(key), body, {**headers})

        def send_parts(file: Path) -> None:
            try:
                send_in_parts(_Parts(self, key, size, headers), file, self._room, check)
            except UploadGone as gone:
                raise Passing("its parts are gone") from gone

        if isinstance(source, bytes) or size <= PART_BYTES:
            self._ask(send_whole)
        else:
            with suppress(StorageRefused):  # who may write need not be allowed to look for remains
                self._ask(lambda: self._abort_uploads(key))
            self._ask(lambda: send_parts(source))

    def prepare(self, folder: str) -> None:
        """See ``Storage.prepare``; only an upload shows what a bucket refuses."""

    def locate(self, key: str) -> str:
        """See ``Storage.locate``."""
        return f"s3://{self._target.bucket}/{self._whole(key)}"

    def delete(self, key: str) -> None:
        """See ``Storage.delete``."""
        self._ask(lambda: self._client.remove_object(self._target.bucket, self._whole(key)))

    def list_keys(self, folder: str) -> Iterator[str]:
        """See ``Storage.list_keys``."""

        def look() -> list[str]:
            found = self._client.list_objects(
                self._target.bucket, prefix=self._whole(folder), recursive=True
            )
            return [str(item.object_name).removeprefix(self._target.prefix) for item in found]

        return iter(self._ask(look))

    def tidy(self, folder: str) -> None:
        """See ``Storage.tidy``."""

    def _abort_uploads(self, key: str) -> None:
        """Remove the parts of an object that a killed worker has left, for nobody else will.

        Asked for one object at a time: MinIO lists uploads by whole keys only.
        """
        bucket, client, whole = self._target.bucket, self._client, self._whole(key)
        for upload in client._list_multipart_uploads(bucket, prefix=whole).uploads:
            if upload.object_name == whole:
                with suppress(UploadGone), self._translated():
                    client._abort_multipart_upload(bucket, whole, str(upload.upload_id))

    def _get(self, key: str, headers: dict[str, str], offset: int, length: int) -> Any:
        # Ranges are written by hand: the client leaves out offset 0 of a length it is given.
        whole: dict[str, Any] = {**headers, "Range": f"bytes={offset}-{offset + length - 1}"}
        return self._client.get_object(self._target.bucket, self._whole(key), request_headers=whole)

    def _whole(self, key: str) -> str:
        return self._target.prefix + key

    def _where(self) -> str:
        return describe(self._target)

    def _ask(self, operation: Callable[[], T]) -> T:
        """Do one request; what may pass is tried again with back-off."""

        def attempt() -> T:
            with self._translated():
                return operation()

        try:
            return attempt()
        except Passing:
            import tenacity  # only now: most runs never need it

            try:
                return tenacity.Retrying(
                    retry=tenacity.retry_if_exception_type(Passing),
                    stop=tenacity.stop_after_attempt(MAX_ATTEMPTS - 1),
                    wait=tenacity.wait_random_exponential(0.2, max=5),
                    sleep=self._stop.sleep,
                    reraise=True,
                )(attempt)
            except Passing as passing:
                raise self._gave_up(passing) from passing

    def _translated(self) -> Translation:
        return Translation(self._where())

    def _gave_up(self, passing: Exception) -> StorageUnreachable:
        return StorageUnreachable(
            f"The store did not answer as it should: {self._where()}, tried {MAX_ATTEMPTS} times "
            f"({passing}). Is the endpoint right, and can this pod reach it?"
        )


class _Parts:
    """The upload of one large object, as ``multipart`` wants it."""

    def __init__(
        self, store: S3Storage, key: str, size_bytes: int, headers: dict[str, str]
    ) -> None:
        self._store, self._key, self._size_bytes, self._headers = store, key, size_bytes, headers
        self._client, self._where = store._client, (store._target.bucket, store._whole(key))

    def begin(self) -> str:
        """See ``Upload.begin``."""
        return self._client._create_multipart_upload(*self._where, {**self._headers})

    def send(self, upload: str, number: int, data: bytes) -> str:
        """See ``Upload.send``; a part that fails is sent again, and not the whole."""
        return self._store._ask(
            lambda: self._client._upload_part(*self._where, data, None, upload, number)
        )

    def complete(self, upload: str, etags: list[str]) -> None:
        """See ``Upload.complete``."""
        from minio.datatypes import Part

        parts = [Part(number, etag) for number, etag in enumerate(etags, start=1)]

        def ask() -> None:
            answer = self._client._complete_multipart_upload(*self._where, upload, parts)
            if not answer.etag:  # S3 may say 200, and then what went wrong
                raise Passing("the parts were not joined")

        try:
            self._store._ask(ask)
        except UploadGone:  # by a try whose answer was lost?
            sha256 = self._headers.get(_SUM_HEADER)
            if sha256 is None or not self._store.holds(self._key, self._size_bytes, sha256):
                raise

    def abort(self, upload: str) -> None:
        """See ``Upload.abort``."""
        self._store._ask(lambda: self._client._abort_multipart_upload(*self._where, upload))
