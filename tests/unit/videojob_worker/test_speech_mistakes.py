"""Word error rate: the fewest changes, over what people would call words."""

from __future__ import annotations

from fractions import Fraction

import pytest

from videojob_worker.speech.mistakes import Mistakes, count_mistakes, split_words
from videojob_worker.webvtt import Cue, build_webvtt, read_texts


@pytest.mark.parametrize(
    ("said", "heard", "errors", "words"),
    [
        ("The quick brown fox.", "the QUICK, brown fox", 0, 4),
        ("the quick brown fox", "the quick fox", 1, 4),
        ("the quick brown fox", "the very quick brown fox", 1, 4),
        ("the quick brown fox", "a quick brown dog", 2, 4),
        ("one two three", "", 3, 3),
        ("one", "two three four", 3, 1),
        ("kitten on a mat", "a kitten on mat", 2, 4),
        ("", "", 0, 0),
    ],
)
def test_the_fewest_changes_count(said: str, heard: str, errors: int, words: int) -> None:
    assert count_mistakes(said, heard) == Mistakes(errors, words)


def test_a_rate_is_of_what_was_said() -> None:
    assert count_mistakes("one two three four", "one").rate == 0.75
    assert count_mistakes("one", "two three four").rate == 3
    assert count_mistakes("", "made up").rate is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "Don\u2019t \u2018stop\u2019 \u2013 it's 5,000_metres!",
            ["don't", "stop", "it's", "5", "000", "metres"],
        ),
        ("STRASSE stra\u00dfe", ["strasse", "strasse"]),
        ("\u4eca\u65e5\u306f OK", ["\u4eca", "\u65e5", "\u306f", "ok"]),
    ],
)
def test_words_are_what_people_call_so(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_an_hour_of_speech_is_compared_at_once() -> None:
    said = " ".join(str(number % 997) for number in range(9000))
    heard = said.replace(" 13 ", " ")
    assert count_mistakes(said, heard).errors == said.split().count("13")


def test_texts_of_a_track_come_back() -> None:
    cues = [
        Cue(Fraction(0), Fraction(1), "a &amp; b\nsecond line"),
        Cue(Fraction(1), Fraction(2), "c"),
    ]
    assert read_texts(build_webvtt(cues)) == ["a & b\nsecond line", "c"]
    assert read_texts(build_webvtt([])) == []
