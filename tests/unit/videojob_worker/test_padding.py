"""Sound that ends before the pictures: where silence is added, and how much."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from media_builders import a_film, a_step, a_video, an_audio, heard, hls, mp4, planned, the_pass

from videojob_worker.media import MediaInfo
from videojob_worker.nodes import Level
from videojob_worker.padding import pad_below
from videojob_worker.plan import Pass
from videojob_worker.spans import Span, span_of


def short(seconds: float | None, **changes: Any) -> MediaInfo:
    """A film of a minute whose sound is of another length."""
    duration = None if seconds is None else Fraction(str(seconds))
    return a_film(audio=(an_audio(duration=duration),), **changes)


def pads(stage: Pass) -> dict[str, Fraction]:
    """Until when silence is added, by file."""
    found = {}
    for output in stage.outputs:
        for encoding in output.audio:
            pad = pad_below(encoding.sound.node)
            if pad is not None:
                found[f"{output.step}/{output.path.name}"] = pad[1].until
    return found


@pytest.mark.parametrize("packaging", ["HLS", "DASH", "CMAF"])
@pytest.mark.parametrize("seconds", [55, 59.2, 59.89])
def test_short_sound_of_a_package_is_as_long_as_the_pictures(
    seconds: float, packaging: str
) -> None:
    stage = the_pass(mp4("tv", 720, packaging=packaging), film=short(seconds))
    assert pads(stage) == {"tv/audio.mp4": 60}
    text = " ".join(stage.argv)
    assert text.index("aresample=") < text.index("astats@") < text.index("apad=whole_dur=60.000000")


@pytest.mark.parametrize("seconds", [59.9, 60, 61, None])
def test_sound_that_is_long_enough_or_of_unknown_length_is_left_alone(
    seconds: float | None,
) -> None:
    stage = the_pass(hls("tv", 720), film=short(seconds))
    assert pads(stage) == {}
    assert not any("apad" in word for word in stage.argv)


def test_nothing_is_added_where_nobody_says_how_long_the_pictures_are() -> None:
    film = short(50, video=a_video(duration=None))
    assert pads(the_pass(hls("tv", 720), film=film)) == {}


def test_only_packages_are_padded_and_only_the_tracks_that_need_it() -> None:
    tracks = (an_audio(duration=Fraction(50)), an_audio(index=2, is_default=False))
    audio = a_step("audio", extractAudio={})
    stage = the_pass(hls("tv", 720), mp4("web", 480), audio, film=a_film(audio=tracks))
    assert pads(stage) == {"tv/audio.mp4": 60}


@pytest.mark.parametrize(
    ("start", "end", "until"),
    [
        (10, 30, None),
        (10, 50.05, None),
        (10, None, 50),
        (45, 55, 10),
        (55, None, 5),
        (20, 90, 40),
    ],
)
def test_of_a_stretch_the_pictures_of_the_stretch_count(
    start: float, end: float | None, until: int | None
) -> None:
    trim = {"startSeconds": start} | ({} if end is None else {"endSeconds": end})
    stage = the_pass(mp4("tv", 720, packaging="HLS", trim=trim), film=short(50))
    assert pads(stage) == ({} if until is None else {"tv/audio.mp4": until})


def test_what_is_from_a_stretch_is_padded_to_it_and_counts_as_it() -> None:
    first = mp4("web", 720, trim={"startSeconds": 45})
    tv = a_step(
        "tv", **{"from": "web"}, transcode={"packaging": "CMAF", "renditions": [{"height": 480}]}
    )
    stage = the_pass(first, tv, film=short(50))
    assert pads(stage) == {"tv/audio.mp4": 15}
    assert span_of(stage.outputs[-1].audio[0].sound.node) == Span(Fraction(45), None)


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        # an MP4 says 58 s of pictures that begin after two
        ({"video": a_video(start=Fraction(2), duration=Fraction(58))}, 60),
        # Matroska says when they end
        ({"video": a_video(start=Fraction(2))}, 60),
        # frames that an edit list hides are in no film's length
        ({"video": a_video(duration=Fraction(70))}, 60),
        # all begins late, as in a recording
        ({"video": a_video(start=Fraction(3600)), "start": Fraction(3600)}, 60),
    ],
)
def test_pictures_end_when_they_are_shown_to_end(changes: dict[str, Any], until: int) -> None:
    assert pads(the_pass(hls("tv", 720), film=short(50, **changes))) == {"tv/audio.mp4": until}


def test_padded_sound_is_brought_to_a_loudness_like_any_other() -> None:
    plan = planned(mp4("tv", 720, packaging="HLS", loudness={}), film=short(50))
    (stage,) = heard(plan, Level(-20.0, -9.0)).passes
    text = " ".join(stage.argv)
    assert text.index("apad=") < text.index("volume=") < text.index("ebur128@")
    assert pads(stage) == {"tv/audio.mp4": 60}
