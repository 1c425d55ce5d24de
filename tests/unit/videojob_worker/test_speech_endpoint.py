"""Answers of servers, as they may come: words or none, odd times, names of languages, Retry-After."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from videojob_api.steps import SpeechEndpoint
from videojob_worker.errors import NotDoable
from videojob_worker.outbound import parse_retry_after
from videojob_worker.speech.endpoint import EndpointRecogniser, parse_answer
from videojob_worker.speech.languages import language_code
from videojob_worker.stop import Stop

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SEGMENTS = [
    {"start": 0.0, "end": 2.0, "text": " Good morning."},
    {"start": 3.0, "end": 9.5, "text": " How are you?"},
]


def test_words_go_to_the_segments_they_lie_in() -> None:
    words = [("Good", 0.1, 0.4), ("morning.", 0.5, 2.2), ("How", 2.8, 3.3), ("are you?", 3.4, 5)]
    answer = {
        "language": "english",
        "segments": SEGMENTS,
        "words": [{"word": w, "start": s, "end": e} for w, s, e in words],
    }
    heard = parse_answer(answer, 10.0)
    assert heard.language == "en"
    texts = [[word.text for word in segment.words] for segment in heard.segments]
    assert texts == [[" Good", " morning."], [" How", " are you?"]]


def test_without_words_their_times_are_estimated() -> None:
    first, second = parse_answer({"segments": SEGMENTS}, 10.0).segments
    assert [word.text for word in first.words] == [" Good", " morning."]
    assert (second.words[0].start, second.words[-1].end) == (3.0, 9.5)


def test_nothing_lies_outside_of_the_piece() -> None:
    odd = [{"start": -1, "end": 99.0, "text": "All"}, {"start": 12, "end": 11, "text": "Late"}]
    first, second = parse_answer({"segments": odd}, 10.0).segments
    assert (first.start, first.end) == (0.0, 10.0)
    assert (second.start, second.end) == (10.0, 10.0)


@pytest.mark.parametrize(
    "answer",
    [
        {"segments": [{"text": "no times"}]},
        {"segments": ["text"]},
        {"segments": [{"start": "soon", "end": 1, "text": ""}]},
        {"segments": [], "words": [{"start": 0, "end": 1}]},
    ],
)
def test_what_can_not_be_understood_is_said(answer: dict[str, Any]) -> None:
    with pytest.raises(NotDoable, match="can't be understood"):
        parse_answer(answer, 10.0)


@pytest.mark.parametrize(
    ("told", "code"),
    [("English", "en"), ("en", "en"), ("jw", "jv"), ("haw", "haw"), ("klingon", None), ("", None)],
)
def test_languages_by_name_or_by_code(told: str, code: str | None) -> None:
    assert language_code(told) == code
    assert language_code(None) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:04:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    ("largest", "seconds"), [("25M", 600.0), ("3204096", 100.0), ("1Mi", 32.6)]
)
def test_pieces_stay_below_what_the_server_takes(largest: str, seconds: float) -> None:
    assert a_recogniser(largest).longest_seconds == pytest.approx(seconds, abs=0.1)


def test_a_server_that_takes_next_to_nothing_is_of_no_use() -> None:
    with pytest.raises(NotDoable, match="at least 324096 bytes"):
        a_recogniser("100k")


def a_recogniser(largest: str) -> EndpointRecogniser:
    spec = SpeechEndpoint(url="https://host/v1", model="m", max_bytes=largest)
    return EndpointRecogniser(spec, None, key=None, allowed=(), stop=Stop())
