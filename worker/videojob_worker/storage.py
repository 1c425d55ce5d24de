"""S3 as a store, and the choice of a store for a work order.

The only module that knows minio and S3's errors; ``fetch`` and ``publish`` use it through
``objects.Storage``. What a store answers becomes one of five things: an object, NotThere, Replaced,
StorageRefused (a person must act) or StorageUnreachable (may pass; given up after retries).
"""

from __future__ import annotations

import io
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from videojob_api import names
from videojob_api.clean_up import CleanUpOrder
from videojob_api.videostore import AddressingStyle
from videojob_api.work_order import S3Target, WorkOrder

from .errors import NotDoable, StorageRefused, StorageUnreachable, WorkerError
from .objects import CHUNK_BYTES, NotThere, ObjectInfo, Replaced, Storage
from .stop import Stop

if TYPE_CHECKING:
    from minio import Minio

T = TypeVar("T")
PART_BYTES = 16 << 20
"""Size of a part of a multipart upload; so much of each file in transfer is held in memory."""
MAX_ATTEMPTS = 5
_SUM_HEADER = "x-amz-meta-sha256"
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_POOL_SIZE = 16

_WHAT_TO_DO = {
    "NoSuchBucket": "there is no such bucket; create it, or name another in the VideoStore",
    "InvalidBucketName": "that is no bucket name; mend it in the VideoStore",
    "InvalidAccessKeyId": "the access key is not known there; mend the VideoStore's Secret",
    "SignatureDoesNotMatch": "the secret key is wrong; mend the VideoStore's Secret",
    "AccessDenied": "access is denied; allow the VideoStore's credentials to read inputs and to "
    "write results there",
    "ExpiredToken": "the credentials have expired; renew the VideoStore's Secret",
    "AuthorizationHeaderMalformed": "the region is not the bucket's; mend it in the VideoStore",
    "PermanentRedirect": "the bucket is elsewhere; mend endpoint and region in the VideoStore",
    "XMinioStorageFull": "the store is full; free space in it, or give it more",
    "RequestTimeTooSkewed": "this node's clock and the store's differ; set the clock",
}
_MAY_PASS = ("SlowDown", "RequestTimeout", "ServiceUnavailable", "NoSuchUpload")


class _Passing(Exception):
    """A failure that may pass."""


def open_storage(order: WorkOrder | CleanUpOrder, stop: Stop) -> Storage:
    """The store that an order names.

    Raises:
        NotDoable: if it names none.
        StorageRefused: if there are no credentials, or no such folder.
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
        self._sizes: dict[tuple[str, str], int] = {}
        """Of objects by key and ETag, as was said when they were looked at."""
        key, secret = (environment.get(n) for n in (names.ENV_ACCESS_KEY, names.ENV_SECRET_KEY))
        if not key or not secret:
            raise StorageRefused(
                f"There are no credentials for {self._where()}; put accessKeyID and "
                "secretAccessKey into the VideoStore's Secret."
            )
        self._client: Minio = _connect(target, key, secret)

    def stat(self, key: str) -> ObjectInfo:
        """See ``Storage.stat``."""

        def look() -> ObjectInfo:
            found = self._client.stat_object(self._target.bucket, self._whole(key))
            info = ObjectInfo(int(found.size or 0), f'"{found.etag}"')
            self._sizes[key, info.etag] = info.size_bytes
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
                        self._check_size(key, etag, response.headers.get("Content-Range", ""))
                        for chunk in response.stream(CHUNK_BYTES):
                            self._stop.check()
                            offset += len(chunk)
                            if offset > end:
                                raise _Passing("more bytes came than were asked for")
                            yield chunk
                        if offset < end:
                            raise _Passing("the answer ended early")
                    finally:
                        response.close()
                        response.release_conn()
            except _Passing as passing:
                failures = 1 if offset > start else failures + 1
                if failures >= MAX_ATTEMPTS:
                    raise self._gave_up(passing) from passing
                self._stop.sleep(0.1 * 2**failures)

    def _check_size(self, key: str, etag: str, content_range: str) -> None:
        """Whoever answers with a wrong length once is not to decide where the film ends."""
        total = content_range.rpartition("/")[2]
        if total.isdigit() and self._sizes.get((key, etag), int(total)) != int(total):
            raise Replaced

    def copy_out(self, key: str, etag: str, target: Path) -> bool:
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
        headers: dict[str, Any] = {"Cache-Control": cache_control}
        if sha256 is not None:
            headers[_SUM_HEADER] = sha256

        def send() -> None:
            with _Watched(source, check) as data:
                if data.size_bytes > PART_BYTES:
                    self._abort_uploads(self._whole(key))
                self._client.put_object(
                    self._target.bucket,
                    self._whole(key),
                    cast("BinaryIO", data),
                    length=data.size_bytes,
                    part_size=PART_BYTES if data.size_bytes > PART_BYTES else 0,
                    num_parallel_uploads=1,  # a part still on its way would survive the abort
                    content_type=content_type,
                    metadata=headers,
                )

        self._ask(send)

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

    def _abort_uploads(self, whole: str) -> None:
        """Remove the parts of an object that a killed worker has left, for nobody else will.

        Asked for one object at a time: MinIO lists uploads by whole keys only.
        """
        bucket, client = self._target.bucket, self._client
        for upload in client._list_multipart_uploads(bucket, prefix=whole).uploads:
            if upload.object_name == whole:
                client._abort_multipart_upload(bucket, whole, str(upload.upload_id))

    def _get(self, key: str, headers: dict[str, str], offset: int, length: int) -> Any:
        # Ranges are written by hand: the client leaves out offset 0 of a length it is given.
        whole: dict[str, Any] = {**headers, "Range": f"bytes={offset}-{offset + length - 1}"}
        return self._client.get_object(self._target.bucket, self._whole(key), request_headers=whole)

    def _whole(self, key: str) -> str:
        return self._target.prefix + key

    def _where(self) -> str:
        return f"bucket {self._target.bucket!r} at {self._target.endpoint}"

    def _ask(self, operation: Callable[[], T]) -> T:
        """Do one request; what may pass is tried again with back-off."""

        def attempt() -> T:
            with self._translated():
                return operation()

        try:
            return attempt()
        except _Passing:
            import tenacity  # only now: most runs never need it

            try:
                return tenacity.Retrying(
                    retry=tenacity.retry_if_exception_type(_Passing),
                    stop=tenacity.stop_after_attempt(MAX_ATTEMPTS - 1),
                    wait=tenacity.wait_random_exponential(0.2, max=5),
                    sleep=self._stop.sleep,
                    reraise=True,
                )(attempt)
            except _Passing as passing:
                raise self._gave_up(passing) from passing

    def _translated(self) -> _Translation:
        return _Translation(self._where())

    def _gave_up(self, passing: Exception) -> StorageUnreachable:
        return StorageUnreachable(
            f"The store did not answer as it should: {self._where()}, tried {MAX_ATTEMPTS} times "
            f"({passing}). Is the endpoint right, and can this pod reach it?"
        )


class _Watched(io.RawIOBase):
    """A file or bytes to send, that gives way to whatever ``check`` raises."""

    def __init__(self, source: Path | bytes, check: Callable[[], None]) -> None:
        self._file = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        self._check = check
        self.size_bytes = len(source) if isinstance(source, bytes) else source.stat().st_size

    def read(self, size: int = -1) -> bytes:
        self._check()
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Translation:
    """Turns the client's exceptions into ours."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (WorkerError, NotThere, Replaced, _Passing)):
            return
        import minio.error
        import urllib3.exceptions

        if isinstance(error, minio.error.S3Error):
            raise self._from_s3(error) from error
        if isinstance(error, minio.error.InvalidResponseError):
            status = int(getattr(error, "_code", 0) or 0)
            if status == 412:
                raise Replaced from error
            if 400 <= status < 500 and status not in (408, 429):
                raise StorageRefused(
                    f"What answers at {self._where} does not speak S3 (HTTP {status}); mend the "
                    "endpoint in the VideoStore."
                ) from error
            raise _Passing(f"HTTP {status}") from error
        if isinstance(error, urllib3.exceptions.SSLError):
            raise StorageRefused(
                f"The certificate of {self._where} is not trusted here ({error})."
            ) from error
        if isinstance(error, (urllib3.exceptions.HTTPError, minio.error.MinioException)):
            raise _Passing(_short(error)) from error

    def _from_s3(self, error: Any) -> Exception:
        code, status = str(error.code), int(getattr(error.response, "status", 0) or 0)
        if code == "NoSuchKey":
            what = repr(error.object_name) if error.object_name else "of that key"  # not all say it
            return NotThere(f"there is no object {what} in {self._where}")
        if code == "PreconditionFailed":
            return Replaced()
        if code == "InvalidRange":  # asked of an empty object
            return Replaced()
        if code not in _WHAT_TO_DO and (status >= 500 or code in _MAY_PASS):
            return _Passing(code)
        what = _WHAT_TO_DO.get(code, f"it answers {code}: {error.message}")
        return StorageRefused(f"The store refused ({code}): {self._where}: {what}.")


def _short(error: Exception) -> str:
    text = str(error)
    return text.rpartition(": ")[2] if len(text) > 160 else text


def _connect(target: S3Target, key: str, secret: str) -> Any:
    # The client's admin part, of no use to us, brings cffi and two libraries of cryptography:
    # a third of a second before the first byte.
    admin = types.ModuleType("minio.minioadmin")
    admin.MinioAdmin = None  # type: ignore[attr-defined]
    sys.modules.setdefault("minio.minioadmin", admin)
    import certifi
    import minio
    import urllib3

    secure, _, host = target.endpoint.rpartition("://")
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        maxsize=_POOL_SIZE,
        retries=False,
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )
    try:
        client: Any = minio.Minio(
            host.rstrip("/"),
            access_key=key,
            secret_key=secret,
            secure=secure == "https",
            region=target.region,
            http_client=pool,
        )
    except ValueError as error:
        raise NotDoable(f"{target.endpoint!r} is no endpoint: {error}.") from error
    if target.addressing_style is AddressingStyle.VIRTUAL_HOST:
        client.enable_virtual_style_endpoint()
    elif target.addressing_style is AddressingStyle.PATH:
        client.disable_virtual_style_endpoint()
    return client
