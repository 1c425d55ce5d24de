"""Short-lived credentials for a token of Kubernetes, by AssumeRoleWithWebIdentity.

Used by ``s3_client`` for stores that ask for it. minio's provider makes the request, reads the answer
and asks anew before the credentials expire, from any thread of a fetch or an upload. What is added here:
the token travels in the body, since URLs are what logs and errors are made of; and whatever goes wrong
is told apart as for the store itself.
"""

from __future__ import annotations

import html
import re
import threading
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from minio.credentials.credentials import Credentials
from minio.credentials.providers import Provider, WebIdentityProvider

from videojob_api.work_order import TokenLogin

from .errors import StorageRefused
from .s3_answers import Passing, Translation

_MAX_ANSWER_BYTES = 64 << 10
_MAX_SAID = 300
_MAX_SESSION = 64
_MAY_PASS = ("IDPCommunicationError", "Throttling", "ThrottlingException")
_WHAT_TO_DO = {
    "AccessDenied": "let the role's trust policy allow this namespace's ServiceAccount",
    "InvalidIdentityToken": "make the cluster's issuer known there, with the audience that the "
    "VideoStore's webIdentity names",
    "ExpiredTokenException": "if this node's clock is wrong, set it",
    "ExpiredToken": "if this node's clock is wrong, set it",
}


class WebIdentity(Provider):
    """Credentials of a role, as long as a token of this pod's is good for them."""

    def __init__(self, login: TokenLogin, session: str, pool: Any) -> None:
        """Ask nothing yet.

        Args:
            login: the role, where to ask, and where the token is.
            session: who asks, for the logs of the STS service.
            pool: a ``urllib3.PoolManager`` that trusts whom the store's connections trust.
        """
        self._login = login
        self._lock = threading.Lock()
        self._provider = WebIdentityProvider(
            jwt_provider_func=self._read_token,
            sts_endpoint=login.sts_endpoint,
            role_arn=login.role_arn,
            role_session_name=session[:_MAX_SESSION],
            http_client=_Sender(login, pool),  # type: ignore[arg-type]
        )

    def retrieve(self) -> Credentials:
        """Credentials that are good for ten seconds at the least, new ones if need be.

        Raises:
            StorageRefused: if the STS service says no.
            Passing: if it does not answer as it should.
        """
        with self._lock:  # many threads find them expired at the same time
            try:
                return self._provider.retrieve()
            except (ValueError, SyntaxError) as error:  # SyntaxError: of the XML
                raise StorageRefused(
                    f"What answers at {self._login.sts_endpoint} does not speak STS "
                    f"({type(error).__name__}); mend webIdentity.stsEndpoint in the VideoStore."
                ) from None

    def _read_token(self) -> dict[str, str]:
        path = self._login.token_path
        try:
            return {"access_token": Path(path).read_text().strip()}
        except OSError as error:
            raise StorageRefused(
                f"There is no token for the STS service at {path} ({error.strerror}); is the operator "
                "another version?"
            ) from error


class _Answer(NamedTuple):
    status: int
    data: bytes


class _Sender:
    """What minio's provider takes for a pool of connections."""

    def __init__(self, login: TokenLogin, pool: Any) -> None:
        self._login, self._pool = login, pool

    def urlopen(self, method: str, url: str, **_none: Any) -> _Answer:
        """Send the query of the URL as a form; only a good answer comes back."""
        endpoint, _, form = url.partition("?")
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        with Translation(f"the STS service at {endpoint}"):
            response = self._pool.urlopen(
                method, endpoint, body=form, headers=headers, redirect=False, preload_content=False
            )
            try:
                answer = _Answer(response.status, response.read(_MAX_ANSWER_BYTES))
            finally:
                response.close()
                response.release_conn()
        if answer.status != 200:
            raise self._explain(answer, token=parse_qs(form)["WebIdentityToken"][0])
        return answer

    def _explain(self, answer: _Answer, *, token: str) -> Exception:
        text = answer.data.decode(errors="replace")
        code = _between("Code", text) or f"HTTP {answer.status}"
        where = f"the STS service at {self._login.sts_endpoint}"
        if answer.status >= 500 or answer.status in (408, 429) or code in _MAY_PASS:
            return Passing(f"{where} answers {code}")
        said = _between("Message", text).replace(token, "…")[:_MAX_SAID].rstrip(".")
        what = _WHAT_TO_DO.get(
            code,
            "mend the VideoStore's webIdentity, or what is known there of this cluster's tokens",
        )
        return StorageRefused(
            f"The store refused ({code}): {where} gives no credentials for role "
            f"{self._login.role_arn!r}{f' ({said})' if said else ''}; {what}."
        )


def _between(tag: str, text: str) -> str:
    found = re.search(rf"<{tag}>([^<]*)</{tag}>", text)
    return html.unescape(found[1]).strip() if found else ""
