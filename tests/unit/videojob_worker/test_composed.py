"""A stretch, a loudness, a mask, a clean film: what they make of each other."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from media_builders import a_film, a_step, a_video, an_audio, heard, mp4, option, planned

from videojob_api.steps import Step
from videojob_worker.media import SubtitleStream
from videojob_worker.nodes import Level
from videojob_worker.plan import LISTENINGS
from videojob_worker.spans import Span, span_of

MASK = a_step("mask", audioMask={"level": "Medium"})
STRETCH = {"startSeconds": 10, "endSeconds": 30}
SUBTITLES = (SubtitleStream(2, "subrip", "deu", is_default=False),)


def taking(step: str, name: str = "web", **spec: Any) -> Step:
    """A transcode of what another step passes on."""
    transcode = {"renditions": [{"height": 720}], **spec}
    return a_step(name, **{"from": step}, transcode=transcode)


def test_of_a_trimmed_film_the_stretch_is_listened_to_and_no_more() -> None:
    first = planned(mp4("web", 720, trim=STRETCH, loudness={}))
    assert first.measure is not None
    (meter,) = first.measure.meters
    assert span_of(meter) == Span(Fraction(10), Fraction(30))
    stage = first.measure.stage
    assert (stage.max_seconds, stage.reads_all, stage.expected_seconds) == (40, False, 20)
    text = " ".join(stage.argv)
    assert text.index("atrim") < text.index("ebur128@")
    second = heard(first, Level(-20.0, -9.0))
    assert second.measure is None
    text = " ".join(second.passes[0].argv)
    assert text.index("atrim") < text.index("volume=4.0dB") < text.index("ebur128@")


def test_the_sound_of_a_stretch_is_as_loud_as_the_stretch_asks_for() -> None:
    """The whole film and its stretch are two sounds, each with a gain of its own."""
    stretch = mp4("part", 720, trim=STRETCH, loudness={})
    plan = planned(stretch, a_step("all", extractAudio={"loudness": {}}))
    assert plan.measure is not None
    assert [span_of(m) for m in plan.measure.meters] == [
        Span(Fraction(10), Fraction(30)),
        Span(),
    ]
    assert plan.measure.stage.reads_all


def test_babble_over_a_stretch_lasts_as_long_as_it() -> None:
    web = mp4("web", 720, trim=STRETCH)
    plan = planned(web, a_step("mask", **{"from": "web"}, audioMask={}), taking("mask", "last"))
    done = heard(plan, Level(-30.0, -20.0))
    sound = done.passes[0].outputs[-1].audio[0].sound
    assert span_of(sound.node) == Span(Fraction(10), Fraction(30))
    assert done.passes[0].expected_seconds == 20


def test_a_stretch_of_masked_sound_is_heard_once_its_babble_is_known() -> None:
    plan = planned(MASK, taking("mask", trim=STRETCH, loudness={}))
    loud = Level(-20.0, -3.0)
    assert heard(plan, *[loud] * (LISTENINGS - 1)).measure is not None
    done = heard(plan, *[loud] * LISTENINGS)
    assert done.measure is None
    text = " ".join(done.passes[0].argv)
    assert text.index("amix") < text.index("atrim") < text.index("alimiter")


@pytest.mark.parametrize(
    ("wanted", "there", "made"), [(2, 6, 2), (6, 6, 6), (6, 5, 5), (8, 2, 2), (1, 2, 1), (6, 8, 6)]
)
def test_channels_are_at_most_what_was_asked_for(wanted: int, there: int, made: int) -> None:
    film = a_film(audio=(an_audio(channels=there),))
    web = mp4("web", 720, audio={"channels": wanted}, loudness={})
    plan = heard(planned(web, film=film), Level(-20.0, -9.0))
    assert plan.passes[0].outputs[0].audio[0].channels == made
    assert ("out_chlayout" in " ".join(plan.passes[0].argv)) == (made < there)


def test_what_was_cleaned_has_no_words_to_keep() -> None:
    film = a_film(subtitles=SUBTITLES)
    kept = planned(mp4("web", 720, subtitles="Keep"), film=film)
    assert [len(o.subtitles) for o in kept.passes[0].outputs] == [1]
    clean = a_step("clean", clean={})
    plan = planned(clean, taking("clean", subtitles="Keep"), film=film)
    assert [len(o.subtitles) for o in plan.passes[0].outputs] == [0]
    assert [w.reason for w in plan.warnings] == ["SubtitlesLeftOut"]
    (alone,) = planned(clean, film=film).passes[0].outputs
    assert alone.subtitles == ()


@pytest.mark.parametrize("thorough", [True, False])
def test_what_is_copied_after_a_clean_is_clean(thorough: bool) -> None:
    film = a_film(video=a_video(bit_rate=1_000_000))
    clean = a_step("clean", clean={"removeSei": thorough})
    web = taking("clean", renditions=[{"height": 1080}], remux="WhenPossible")
    argv = planned(clean, web, film=film).passes[0].argv
    assert option(argv, "-c:v:0") == ["copy"]
    assert option(argv, "-bsf:v:0") == (["filter_units=remove_types=6"] if thorough else [])


def test_comparing_a_stretch_reads_no_more_than_it() -> None:
    quality = a_step("quality", **{"from": "web"}, quality={})
    _, comparing = planned(mp4("web", 720, trim=STRETCH), quality).passes
    assert (comparing.max_seconds, comparing.expected_seconds) == (40, 20)
