"""Cues as text and back, moved and cut; and whose words fit which stretch of a film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from videojob_worker.captions import Words, fitted
from videojob_worker.spans import Span
from videojob_worker.webvtt import Cue, build_webvtt, cut_cues, parse_webvtt

CUES = [
    Cue(Fraction(1), Fraction("2.5"), "One\nin two lines"),
    Cue(Fraction(3), Fraction(5), "Two &amp; three"),
    Cue(Fraction(3700), Fraction("3701.25"), "Late"),
]


def test_what_was_built_is_read_again() -> None:
    assert parse_webvtt(build_webvtt(CUES)) == CUES
    assert parse_webvtt(build_webvtt([])) == []


def test_cues_are_cut_where_the_film_begins_and_ends() -> None:
    earlier = [cue.moved(Fraction(-2)) for cue in CUES]
    cut = cut_cues(earlier, Fraction(2))
    assert [(cue.start, cue.end, cue.text) for cue in cut] == [
        (0, Fraction("0.5"), "One\nin two lines"),
        (1, 2, "Two &amp; three"),
    ]
    assert len(cut_cues(earlier, None)) == 3
    assert cut_cues([cue.moved(Fraction(-5)) for cue in CUES[:2]], None) == []


def shown(heard: Span, film: Span, folder: Path) -> list[tuple[float, float]]:
    path = folder / "transcript.vtt"
    path.write_text(build_webvtt(CUES))
    words = fitted(Words(path, "en", heard), film, folder / "web")
    return [(float(cue.start), float(cue.end)) for cue in parse_webvtt(words.path.read_text())]


def test_words_fit_the_stretch_that_is_seen(tmp_path: Path) -> None:
    whole, stretch = Span(), Span(Fraction(2), Fraction(4))
    as_heard = [(1.0, 2.5), (3.0, 5.0), (3700.0, 3701.25)]
    assert shown(whole, whole, tmp_path) == shown(stretch, stretch, tmp_path) == as_heard
    assert shown(whole, stretch, tmp_path) == [(0.0, 0.5), (1.0, 2.0)]
    later = [(start + 2, end + 2) for start, end in as_heard]
    assert shown(stretch, whole, tmp_path) == later
