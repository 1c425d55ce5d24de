"""Speech becomes text by a server: a real one, behind a proxy that does what servers and networks do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from media_bench import Bench
from speaking import SENTENCES, a_talk, word_error_rate
from whisper_server import KEY, Fault, Proxy, serve_whisper

from videojob_worker.errors import EndpointUnreachable, Interrupted, NotDoable
from videojob_worker.ffmpeg import Tools
from videojob_worker.outputs import Finished
from videojob_worker.progress import Way
from videojob_worker.scratch import Scratch
from videojob_worker.speech import endpoint
from videojob_worker.steps import Means, Workbench
from videojob_worker.work import work_through

pytestmark = pytest.mark.ffmpeg
HERE = ("127.0.0.0/8",)
SHORT = SENTENCES[:1]


@pytest.fixture(scope="module")
def whisper() -> Iterator[Proxy]:
    """The server behind its proxy."""
    with serve_whisper() as proxy:
        yield proxy


@pytest.fixture
def server(whisper: Proxy) -> Proxy:
    """The same, with nothing left of the test before."""
    whisper.faults.clear()
    whisper.asked.clear()
    whisper.sizes.clear()
    return whisper


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of our own choosing are short."""
    import tenacity

    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda *_, **__: lambda _: 0.01)


@pytest.fixture
def hear(scratch: Scratch, tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Have a talk transcribed by a server."""
    folder = tmp_path_factory.getbasetemp()

    def heard(
        url: str,
        *,
        sentences: tuple[str, ...] = SHORT,
        key: str = KEY,
        allowed: tuple[str, ...] = HERE,
        **fields: Any,
    ) -> Finished:
        film = a_talk(folder / f"talk-{len(sentences)}.mp4", sentences)
        server = {"url": url, "model": "whisper-1", "secretRef": {"name": "whisper"}, **fields}
        step = {"name": "my-words", "transcribe": {"endpoint": server, "formats": ["TXT", "JSON"]}}
        media, plan = Bench(scratch, tools).plan(film, step)
        means = Means(2, None, allowed, {"VIDEOJOB_API_KEY_MY_WORDS": key})
        way = Way(plan.weights, lambda *_, **__: None)
        return work_through(plan.passes[0], Workbench(tools, media, means=means), way)

    return heard


def text_of(finished: Finished) -> str:
    (path,) = (file.path for file in finished.produced if file.path.suffix == ".txt")
    return path.read_text()


def test_long_sound_goes_in_pieces_and_comes_back_as_one(server: Proxy, hear: Any) -> None:
    finished = hear(server.url, sentences=SENTENCES, maxBytes="400k")
    assert len(server.sizes) >= 2
    assert max(server.sizes) <= 400_000
    assert word_error_rate(" ".join(SENTENCES), text_of(finished)) <= 0.2
    measured = finished.measured["my-words"]
    assert (measured["language"], measured["wordTimes"]) == ("en", "estimated")
    assert measured["recogniser"] == {"model": "whisper-1", "endpoint": server.url}


def test_what_passes_is_waited_for_as_long_as_the_server_asks(
    server: Proxy, hear: Any, at_once: None
) -> None:
    server.faults += [Fault(429, "1"), Fault(500), Fault(0), Fault(503, "0")]
    finished = hear(server.url)
    assert word_error_rate(SHORT[0], text_of(finished)) <= 0.3
    waits = [b - a for a, b in pairwise(server.asked)]
    assert len(waits) == 4
    assert waits[0] >= 1.0


def test_what_does_not_pass_is_told(server: Proxy, hear: Any, at_once: None) -> None:
    server.faults += [Fault(502)] * endpoint.MAX_ATTEMPTS
    with pytest.raises(EndpointUnreachable, match=r"tried 6 times \(HTTP 502: .*as asked"):
        hear(server.url)
    assert len(server.asked) == endpoint.MAX_ATTEMPTS


@pytest.mark.parametrize(
    ("status", "says"),
    [(400, "verbose_json"), (404, "check endpoint.url"), (413, "lower endpoint.maxBytes")],
)
def test_what_no_retry_can_help_is_asked_once(
    server: Proxy, hear: Any, status: int, says: str
) -> None:
    server.faults.append(Fault(status))
    with pytest.raises(NotDoable, match=f"answered {status}.*{says}"):
        hear(server.url)
    assert len(server.asked) == 1


def test_redirects_are_not_followed(server: Proxy, hear: Any) -> None:
    server.faults.append(Fault(302))
    with pytest.raises(NotDoable, match="redirects are not followed"):
        hear(server.url)


def test_an_answer_without_segments_is_none(server: Proxy, hear: Any) -> None:
    server.faults.append(Fault(200))
    with pytest.raises(NotDoable, match="answered without segments"):
        hear(server.url)


def test_a_wrong_key_is_told_and_never_shown(server: Proxy, hear: Any, scratch: Scratch) -> None:
    with pytest.raises(NotDoable, match=r"401.*check the API key in the Secret") as caught:
        hear(server.url, key="sk-wrong")
    assert "sk-wrong" not in str(caught.value)
    written = b"".join(path.read_bytes() for path in scratch.logs.iterdir())
    assert b"sk-wrong" not in written


def test_a_key_that_is_missing_is_said_before_the_film_is_touched(
    server: Proxy, hear: Any, scratch: Scratch
) -> None:
    with pytest.raises(NotDoable, match="VIDEOJOB_API_KEY_MY_WORDS is not set"):
        hear(server.url, key="")
    assert not (scratch.work / "my-words").exists()


@pytest.mark.parametrize("allowed", [(), ("10.0.0.0/8",)], ids=["none", "another"])
def test_an_address_that_is_not_public_is_refused(
    server: Proxy, hear: Any, allowed: tuple[str, ...]
) -> None:
    with pytest.raises(NotDoable, match=r"127\.0\.0\.1, which is not a public.*worker.allowCidrs"):
        hear(server.url, allowed=allowed)
    assert server.asked == []


def test_a_name_that_leads_inside_is_refused_too(server: Proxy, hear: Any) -> None:
    with pytest.raises(NotDoable, match="localhost is at"):
        hear(server.url.replace("127.0.0.1", "localhost"), allowed=())
    assert server.asked == []


def test_a_request_to_stop_ends_the_wait(
    server: Proxy, hear: Any, tools: Tools, tmp_path: Path
) -> None:
    server.faults += [Fault(503, "60")]
    import threading

    timer = threading.Timer(1.5, tools.stop.request)
    timer.start()
    with pytest.raises(Interrupted):
        hear(server.url)
    timer.join()
