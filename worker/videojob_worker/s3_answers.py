"""What answers of an S3 store mean: NotThere, Replaced, refused for good, or what may pass.

Used by ``storage`` and ``web_identity``, around each request. The only module that knows the client's
errors; it asks for nothing itself.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from .errors import StorageRefused, WorkerError
from .objects import NotThere, Replaced
from .outbound import is_tls_refused

_WHAT_TO_DO = {
    "NoSuchBucket": "there is no such bucket; create it, or name another in the VideoStore",
    "InvalidBucketName": "that is no bucket name; mend it in the VideoStore",
    "InvalidAccessKeyId": "the access key is not known there; mend the VideoStore's Secret (or "
    "webIdentity)",
    "SignatureDoesNotMatch": "the secret key is wrong; mend the VideoStore's Secret",
    "AccessDenied": "access is denied; allow the VideoStore's credentials to read inputs and to "
    "write results there",
    "ExpiredToken": "they have expired; renew the VideoStore's credentials",
    "AuthorizationHeaderMalformed": "the region is not the bucket's; mend it in the VideoStore",
    "PermanentRedirect": "the bucket is elsewhere; mend endpoint and region in the VideoStore",
    "XMinioStorageFull": "the store is full; free space in it, or give it more",
    "RequestTimeTooSkewed": "this node's clock and the store's differ; set the clock",
}
_MAY_PASS = ("SlowDown", "RequestTimeout", "ServiceUnavailable", "OperationAborted")
_PASSING_STATUSES = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Passing(Exception):
    """A failure that may pass."""


class UploadGone(Exception):
    """The store does not know the upload (any more): its parts have to be sent anew."""


class Translation:
    """Turns the client's exceptions into ours, for the length of a block."""

    def __init__(self, where: str) -> None:
        """``where``: bucket and endpoint, for sentences."""
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(
            error, (WorkerError, NotThere, Replaced, UploadGone, Passing)
        ):
            return
        import minio.error
        import urllib3.exceptions

        if isinstance(error, minio.error.S3Error):
            raise self._from_s3(error) from error
        if isinstance(error, minio.error.InvalidResponseError):
            status = int(getattr(error, "_code", 0) or 0)
            if status == 412:
                raise Replaced from error
            if 400 <= status < 500 and status not in _PASSING_STATUSES:
                raise StorageRefused(
                    f"What answers at {self._where} does not speak S3 (HTTP {status}); mend the "
                    "endpoint in the VideoStore."
                ) from error
            raise Passing(f"HTTP {status}") from error
        if isinstance(error, urllib3.exceptions.SSLError) and is_tls_refused(error):
            raise StorageRefused(
                f"The certificate of {self._where} is not trusted here ({error}); mend it, or name its "
                "CA in the VideoStore's caConfigMapRef."
            ) from error
        if isinstance(error, (urllib3.exceptions.HTTPError, minio.error.MinioException)):
            raise Passing(_short(error)) from error

    def _from_s3(self, error: Any) -> Exception:
        code, status = str(error.code), int(getattr(error.response, "status", 0) or 0)
        if code == "NoSuchKey":
            what = repr(error.object_name) if error.object_name else "of that key"  # not all say it
            return NotThere(f"there is no object {what} in {self._where}")
        if code == "PreconditionFailed":
            return Replaced()
        if code == "InvalidRange":  # asked of an empty object
            return Replaced()
        if code == "NoSuchUpload":
            return UploadGone(code)
        may_pass = status >= 500 or status in _PASSING_STATUSES or code in _MAY_PASS
        if code not in _WHAT_TO_DO and may_pass:
            return Passing(code)
        what = _WHAT_TO_DO.get(code, f"it answers {code}: {error.message}")
        return StorageRefused(f"The store refused ({code}): {self._where}: {what}.")


def _short(error: Exception) -> str:
    text = str(error)
    return text.rpartition(": ")[2] if len(text) > 160 else text
