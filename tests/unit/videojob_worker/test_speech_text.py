"""From words to subtitles and text: lines, times, breaks, escapes."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise

import pytest

from videojob_worker.speech.cues import build_cues, columns
from videojob_worker.speech.formats import build_json, build_srt, build_txt, build_vtt
from videojob_worker.speech.transcript import Segment, Transcript, Word, spread
from videojob_worker.webvtt import Cue

LONG = (
    "When in the course of human events it becomes necessary for one people to dissolve the political "
    "bands which have connected them with another, a decent respect to the opinions of mankind requires "
    "that they should declare the causes. We hold these truths to be self-evident."
)


def spoken(text: str, start: float = 0.0, words_per_second: float = 3.0) -> Segment:
    end = start + len(text.split()) / words_per_second
    return Segment(start, end, text, spread(start, end, text))


def a_transcript(*segments: Segment, language: str | None = "en") -> Transcript:
    return Transcript(segments, language, 0.98765, 60.0, {"model": "tiny"}, "measured")


def test_subtitles_fit_the_screen_and_the_eye() -> None:
    cues = build_cues(spoken(LONG).words, 60.0)
    assert len(cues) > 3
    for cue in cues:
        assert 1 <= len(cue.text.split("\n")) <= 2
        assert all(columns(line) <= 42 for line in cue.text.split("\n"))
        assert 0 < cue.end - cue.start <= 8
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == LONG
    for cue, following in pairwise(cues):
        assert cue.end <= following.start


def test_two_lines_are_about_equally_long() -> None:
    (cue,) = build_cues(spoken("The quick brown fox jumps over the lazy dogs").words, 60.0)
    assert cue.text == "The quick brown fox\njumps over the lazy dogs"


def test_a_pause_ends_what_is_shown() -> None:
    cues = build_cues((*spoken("Good morning.").words, *spoken("Hello again", 8.0).words), 60.0)
    assert [cue.text for cue in cues] == ["Good morning.", "Hello again"]
    assert cues[0].end < 2.0
    assert cues[1].start == 8


def test_a_short_word_is_shown_for_a_second() -> None:
    (cue,) = build_cues([Word(2.0, 2.1, " Yes.")], 60.0)
    assert cue == Cue(Fraction(2), Fraction(3), "Yes.")


def test_what_hangs_on_a_word_stays_with_it() -> None:
    words = [*spread(0, 3, "These truths which they hold to be so self"), Word(3, 4, "-evident.")]
    assert "self-evident." in build_cues(words, 60.0)[0].text.replace("\n", " ")


def test_wide_characters_take_two_columns() -> None:
    text = "今日は天気がいいから散歩しましょうと彼女は言いましたが外に出ると雨が降っていました"
    cues = build_cues([Word(n / 5, (n + 1) / 5, c) for n, c in enumerate(text)], 60.0)
    assert "".join(cue.text.replace("\n", "") for cue in cues) == text
    assert all(columns(line) <= 42 for cue in cues for line in cue.text.split("\n"))


def test_a_word_longer_than_a_line_is_broken() -> None:
    (cue,) = build_cues([Word(0.0, 2.0, " " + "9" * 60)], 60.0)
    assert cue.text == "9" * 42 + "\n" + "9" * 18


def test_vtt_escapes_what_players_would_read_as_markup() -> None:
    text = build_vtt(a_transcript(spoken("Is a<b & b>c --> true")))
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:0")
    assert "Is a&lt;b &amp; b&gt;c --&gt; true" in text


def test_srt_is_numbered_and_has_commas() -> None:
    text = build_srt(a_transcript(spoken("Good morning."), spoken("Hello <again>", 8.0)))
    assert text == (
        "1\n00:00:00,000 --> 00:00:01,167\nGood morning.\n\n"
        "2\n00:00:08,000 --> 00:00:09,167\nHello <again>\n"
    )


def test_txt_has_a_paragraph_for_each_longer_pause() -> None:
    told = a_transcript(spoken(" One two."), spoken(" Three.", 1.0), spoken(" Four.", 20.0))
    assert build_txt(told) == "One two. Three.\n\nFour.\n"


def test_json_has_a_version_and_the_time_of_every_word() -> None:
    word = Word(1.00049, 1.5, " Hi.", 0.91234)
    told = json.loads(build_json(a_transcript(Segment(1.0, 1.5, " Hi.", (word,)), language=None)))
    assert told["version"] == 1
    assert "language" not in told
    assert told["segments"] == [
        {
            "start": 1.0,
            "end": 1.5,
            "text": "Hi.",
            "words": [{"start": 1.0, "end": 1.5, "text": "Hi.", "probability": 0.912}],
        }
    ]


@pytest.mark.parametrize("build", [build_vtt, build_srt, build_txt, build_json])
def test_nothing_said_is_a_whole_file_too(build: object) -> None:
    text = build(a_transcript())  # type: ignore[operator]
    assert text in ("WEBVTT\n", "") or json.loads(text)["segments"] == []


def test_words_are_spread_by_their_letters() -> None:
    first, second = spread(10.0, 20.0, "abc abcdefg")
    assert (first.start, first.end, second.start, second.end) == (10.0, 13.0, 13.0, 20.0)
    assert spread(0.0, 1.0, "  ") == ()


def test_no_subtitle_outlasts_the_film() -> None:
    (cue,) = build_cues([Word(59.5, 59.9, " Bye.")], 60.0)
    assert cue.end == 60
