"""Recognises speech by a server that speaks OpenAI's API for transcriptions.

IO, made by the step. Sound goes there in pieces below the server's limit; what may pass is tried again,
as the server's Retry-After asks. The key is read from the environment when it is sent, and never told.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from videojob_api.base import parse_quantity
from videojob_api.steps import SpeechEndpoint

from ..errors import EndpointUnreachable, NotDoable
from ..outbound import PASSING, Passing, Server, Unresolved, is_tls_refused, parse_retry_after
from ..stop import Stop
from .languages import language_code
from .recording import RATE, wav_bytes
from .transcript import Heard, Segment, Word, spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_ATTEMPTS = 6
_LONGEST_SECONDS = 600.0
_SHORTEST_SECONDS = 10.0
_HEADER_BYTES = 4096
"""Of the file and of the form around it."""
_CONNECT_SECONDS = 10.0
_MAX_ANSWER_BYTES = 64 << 20
_LONGEST_WAIT_SECONDS = 120.0
_TODO = {
    400: "check that the model knows response_format verbose_json, as whisper-1 does",
    401: "check the API key in the Secret that endpoint.secretRef names",
    403: "check what the API key in endpoint.secretRef may do",
    404: "check endpoint.url (/audio/transcriptions is added to it) and endpoint.model",
    413: "lower endpoint.maxBytes to what the server takes",
}


class EndpointRecogniser:
    """A server's model."""

    def __init__(
        self,
        spec: SpeechEndpoint,
        prompt: str | None,
        *,
        key: str | None,
        allowed: Sequence[str],
        stop: Stop,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            spec: which server and which model.
            prompt: words that may be said.
            key: the API key, if there is one.
            allowed: networks that may be reached though they are not public.
            stop: ends waits.

        Raises:
            NotDoable: if the server takes next to nothing.
        """
        self._spec, self._prompt, self._key, self._stop = spec, prompt, key, stop
        self._server = Server(spec.url, allowed)
        self._all_words_measured = True
        self.longest_seconds = _longest_seconds(spec)
        """What stays below the server's limit."""

    @property
    def name(self) -> dict[str, str]:
        """The server and its model."""
        return {"model": self._spec.model, "endpoint": self._spec.url}

    @property
    def measures_words(self) -> bool:
        """Whether it told when each word was said."""
        return self._all_words_measured

    def hear(
        self, samples: NDArray[np.int16], language: str | None, tell: Callable[[float], None]
    ) -> Heard:
        """See ``Recogniser.hear``."""
        import tenacity

        tell(0.0)
        fields = self._fields(samples, language)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.wait_seconds if isinstance(error, Passing) else None
            if asked is not None:
                return min(asked, _LONGEST_WAIT_SECONDS)
            return float(tenacity.wait_random_exponential(1, max=30)(state))

        try:
            answer = tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(Passing),
                stop=tenacity.stop_after_attempt(MAX_ATTEMPTS),
                wait=wait,
                sleep=self._stop.sleep,
                reraise=True,
            )(lambda: self._ask(fields))
        except Passing as error:
            raise EndpointUnreachable(
                f"{self._spec.url} did not answer as it should, tried {MAX_ATTEMPTS} times ({error})."
                " Is it up, and can this pod reach it?"
            ) from error
        heard = parse_answer(answer, len(samples) / RATE)
        if not answer.get("words") and heard.segments:
            self._all_words_measured = False
        return heard

    def _fields(self, samples: NDArray[np.int16], language: str | None) -> list[tuple[str, Any]]:
        fields: list[tuple[str, Any]] = [
            ("file", ("sound.wav", wav_bytes(samples), "audio/wav")),
            ("model", self._spec.model),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "segment"),
            ("timestamp_granularities[]", "word"),
        ]
        if language:
            fields.append(("language", language))
        if self._prompt:
            fields.append(("prompt", self._prompt))
        return fields

    def _ask(self, fields: list[tuple[str, Any]]) -> dict[str, Any]:
        """One request.

        Raises:
            NotDoable: if trying again could not help.
            Passing: if it may.
        """
        import urllib3

        self._stop.check()
        path = urlsplit(self._spec.url).path.rstrip("/") + "/audio/transcriptions"
        body, content_type = urllib3.encode_multipart_formdata(fields)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            with self._server.connect(
                connect_seconds=_CONNECT_SECONDS, read_seconds=self._spec.timeout_seconds
            ) as pool:
                response = pool.request(
                    "POST",
                    path,
                    body=body,
                    headers={**(pool.headers or {}), **headers},
                    redirect=False,
                    retries=False,
                    preload_content=False,
                )
                data = response.read(_MAX_ANSWER_BYTES + 1)
        except (urllib3.exceptions.HTTPError, Unresolved) as error:
            if is_tls_refused(error):
                raise NotDoable(
                    f"The certificate of {self._spec.url} is not trusted: {error}."
                ) from error
            raise Passing(str(error)[-200:]) from error
        return self._read(response.status, response.headers, data)

    def _read(self, status: int, headers: Mapping[str, str], data: bytes) -> dict[str, Any]:
        said = data[:300].decode(errors="replace").strip()
        if status in PASSING:
            asked = parse_retry_after(headers.get("Retry-After"), datetime.now(UTC))
            raise Passing(f"HTTP {status}: {said}", asked)
        if status != 200:
            todo = _TODO.get(status, "check endpoint.url: redirects are not followed")
            raise NotDoable(f"{self._spec.url} answered {status}: {said!r}; {todo}.")
        try:
            answer = json.loads(data) if len(data) <= _MAX_ANSWER_BYTES else None
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("segments"), list):
            raise NotDoable(
                f"{self._spec.url} answered without segments ({said[:80]!r}); a model that knows "
                "response_format verbose_json is wanted, such as whisper-1."
            )
        return answer


def _longest_seconds(spec: SpeechEndpoint) -> float:
    room = int(parse_quantity(spec.max_bytes)) - _HEADER_BYTES
    seconds = min(_LONGEST_SECONDS, room / (RATE * 2))
    if seconds < _SHORTEST_SECONDS:
        least = int(_SHORTEST_SECONDS * RATE * 2) + _HEADER_BYTES
        raise NotDoable(
            f"endpoint.maxBytes is {spec.max_bytes}; at least {least} bytes are needed, for "
            f"{_SHORTEST_SECONDS:g} s of sound."
        )
    return seconds


def parse_answer(answer: Mapping[str, Any], seconds: float) -> Heard:
    """What a server says was said in so many seconds; it may say it oddly, but not elsewhere.

    Raises:
        NotDoable: if it can't be understood.
    """
    try:
        words = [
            Word(*_within(each["start"], each["end"], seconds), " " + str(each["word"]).strip())
            for each in answer.get("words") or ()
        ]
        told = [
            (*_within(each["start"], each["end"], seconds), str(each["text"]))
            for each in answer["segments"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise NotDoable(f"The server's answer can't be understood: {error!r}.") from error
    # Words come in one list for all segments; each belongs to the last that began before it.
    own: list[list[Word]] = [[] for _ in told]
    starts = [start for start, _, _ in told]
    for word in words if told else ():
        middle = (word.start + word.end) / 2
        own[max(0, bisect_right(starts, middle) - 1)].append(word)
    segments = (
        Segment(start, end, text, tuple(mine) or spread(start, end, text))
        for (start, end, text), mine in zip(told, own, strict=True)
    )
    return Heard(tuple(segments), language_code(answer.get("language")))


def _within(start: Any, end: Any, seconds: float) -> tuple[float, float]:
    begins = min(max(0.0, float(start)), seconds)
    return begins, min(max(begins, float(end)), seconds)
