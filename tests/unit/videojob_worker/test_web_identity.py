"""Asking an STS service: how its answers are told apart, and that the token is never in a sentence."""

from __future__ import annotations

import datetime
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import urllib3

from videojob_api.work_order import TokenLogin
from videojob_worker.errors import StorageRefused
from videojob_worker.s3_answers import Passing
from videojob_worker.web_identity import WebIdentity

TOKEN = "header.claims.signature"
ROLE = "arn:aws:iam::123456789012:role/videojob"
STS = "https://sts.example.com"
GOOD = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>key{number}</AccessKeyId>
<SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken>
<Expiration>{until}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


def good(number: int = 0, seconds: float = 3600) -> bytes:
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return GOOD.format(number=number, until=until.strftime("%Y-%m-%dT%H:%M:%SZ")).encode()


def error(code: str, message: str = "") -> bytes:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<ErrorResponse>{text}</ErrorResponse>".encode()


class Pool:
    """Answers in order, the last one again and again; keeps what was asked."""

    def __init__(self, *answers: tuple[int, bytes] | Exception) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, str, Any]]()

    def urlopen(self, method: str, url: str, *, body: str, **_: Any) -> Any:
        self.asked.append((method, url, parse_qs(body)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return _Response(*answer)


class _Response:
    def __init__(self, status: int, data: bytes) -> None:
        self.status, self._data = status, data

    def read(self, amount: int) -> bytes:
        return self._data[:amount]

    def close(self) -> None:
        pass

    def release_conn(self) -> None:
        pass


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


def ask(pool: Pool, token: Path) -> WebIdentity:
    login = TokenLogin(role_arn=ROLE, sts_endpoint=STS, token_path=str(token))
    return WebIdentity(login, "film-1-abcde" * 9, pool)


def test_the_token_goes_into_the_body_and_credentials_are_kept(token: Path) -> None:
    pool = Pool((200, good()))
    identity = ask(pool, token)
    assert identity.retrieve().session_token == "session"
    assert identity.retrieve().access_key == "key0"
    ((method, url, form),) = pool.asked
    assert (method, url) == ("POST", STS)
    assert form["Action"] == ["AssumeRoleWithWebIdentity"]
    assert (form["WebIdentityToken"], form["RoleArn"]) == ([TOKEN], [ROLE])
    assert form["RoleSessionName"] == [("film-1-abcde" * 9)[:64]]


def test_what_expires_is_asked_for_anew_with_the_token_of_the_day(token: Path) -> None:
    pool = Pool((200, good(1, seconds=9)), (200, good(2)))
    identity = ask(pool, token)
    assert identity.retrieve().access_key == "key1"
    token.write_text("renewed")
    assert identity.retrieve().access_key == "key2"
    assert [form["WebIdentityToken"] for *_, form in pool.asked] == [[TOKEN], ["renewed"]]


def test_many_threads_ask_once(token: Path) -> None:
    pool, barrier = Pool((200, good())), threading.Barrier(8)
    slow = threading.Event()
    urlopen = pool.urlopen

    def linger(*arguments: Any, **named: Any) -> Any:
        slow.wait(0.05)
        return urlopen(*arguments, **named)

    pool.urlopen = linger  # type: ignore[method-assign]
    identity = ask(pool, token)

    def retrieve() -> None:
        barrier.wait(5)
        identity.retrieve()

    threads = [threading.Thread(target=retrieve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(pool.asked) == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            (403, error("AccessDenied", "Not authorized to perform it.")),
            r"AccessDenied.*no credentials for role 'arn:aws.*\(Not authorized.*trust policy",
        ),
        ((400, error("InvalidIdentityToken")), "issuer known there, with the audience"),
        ((400, error("ExpiredTokenException")), "clock"),
        (
            (400, error("InvalidParameterValue", f"no &apos;role&apos; in {TOKEN}")),
            "no 'role' in ….*mend the VideoStore's webIdentity",
        ),
        ((404, b"<html>"), "HTTP 404"),
        ((302, b""), "HTTP 302"),
        ((200, b"<html>"), r"does not speak STS.*stsEndpoint"),
        ((200, b"<html/>"), "does not speak STS"),
        ((200, good().replace(b"key0", b"")), "does not speak STS"),
        ((200, b"\xff\xfe"), "does not speak STS"),
        (
            urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("unknown CA")),
            r"certificate of the STS service.*caConfigMapRef",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_refusal_says_who_refused_and_what_to_do(answer: Any, sentence: str, token: Path) -> None:
    with pytest.raises(StorageRefused, match=f"(?s){sentence}") as caught:
        ask(Pool(answer), token).retrieve()
    assert_tokenless(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        (500, error("InternalError")),
        (503, b""),
        (429, b""),
        (400, error("IDPCommunicationError")),
        (400, error("Throttling")),
        urllib3.exceptions.ProtocolError("Connection aborted."),
        urllib3.exceptions.ReadTimeoutError(None, STS, "timed out"),  # type: ignore[arg-type]
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_may_pass_is_tried_again(answer: Any, token: Path) -> None:
    identity = ask(Pool(answer, (200, good())), token)
    with pytest.raises(Passing) as caught:
        identity.retrieve()
    assert_tokenless(caught.value)
    assert identity.retrieve().access_key == "key0"


def test_a_token_that_is_not_there_is_no_crash(tmp_path: Path) -> None:
    with pytest.raises(StorageRefused, match=r"no token for the STS service at .*missing"):
        ask(Pool((200, good())), tmp_path / "missing").retrieve()


def assert_tokenless(error: BaseException | None) -> None:
    while error is not None:
        assert TOKEN not in f"{error} {error.args}"
        error = error.__cause__ or error.__context__
