"""Sizes, rates and types of films."""

from __future__ import annotations

from fractions import Fraction

import pytest
from media_builders import a_film, a_video, an_audio

from videojob_worker.media import Size, choose_audio


@pytest.mark.parametrize(
    ("size", "short", "expected"),
    [
        (Size(1920, 1080), 720, "1280x720"),
        (Size(1080, 1920), 720, "720x1280"),
        (Size(1920, 1080), 480, "854x480"),
        (Size(1998, 1080), 720, "1332x720"),
        (Size(721, 721), 480, "480x480"),
        (Size(641, 361), 360, "640x360"),
        (Size(4000, 10), 2, "800x2"),
    ],
)
def test_scaling_keeps_the_shape_and_even_sides(size: Size, short: int, expected: str) -> None:
    assert str(size.scaled_to_short(short)) == expected


@pytest.mark.parametrize(
    ("coded", "rotation", "aspect", "shown"),
    [
        (Size(1920, 1080), 0, Fraction(1), "1920x1080"),
        (Size(1920, 1080), 90, Fraction(1), "1080x1920"),
        (Size(1920, 1080), 180, Fraction(1), "1920x1080"),
        (Size(1920, 1080), 270, Fraction(1), "1080x1920"),
        (Size(720, 576), 0, Fraction(64, 45), "1024x576"),
        (Size(720, 576), 90, Fraction(64, 45), "576x1024"),
        (Size(720, 480), 0, Fraction(8, 9), "720x540"),
    ],
)
def test_shown_is_upright_with_square_pixels(
    coded: Size, rotation: int, aspect: Fraction, shown: str
) -> None:
    video = a_video(coded=coded, rotation=rotation, pixel_aspect=aspect)
    assert str(video.shown) == shown


@pytest.mark.parametrize(
    ("rate", "variable", "even"),
    [
        (Fraction(25), False, Fraction(25)),
        (Fraction(2997, 100), False, Fraction(30000, 1001)),
        (Fraction(19001317, 633932), False, Fraction(30000, 1001)),
        (Fraction(149, 5), True, Fraction(30000, 1001)),
        (Fraction(17), True, Fraction(17)),
        (Fraction(10, 3), False, Fraction(10, 3)),
        (Fraction(1, 9999), True, Fraction(1, 1000)),
    ],
)
def test_even_rates_are_standard_where_near(rate: Fraction, variable: bool, even: Fraction) -> None:
    assert a_video(frame_rate=rate, variable=variable).even_rate == even


@pytest.mark.parametrize(
    ("changes", "mime_type"),
    [
        ({}, "video/mp4"),
        ({"brand": "qt  "}, "video/quicktime"),
        ({"brand": "3gp4"}, "video/3gpp"),
        ({"video": None}, "audio/mp4"),
        ({"format_name": "matroska,webm"}, "video/x-matroska"),
        (
            {
                "format_name": "matroska,webm",
                "video": a_video(codec="vp9"),
                "audio": (an_audio(codec="opus"),),
            },
            "video/webm",
        ),
        ({"format_name": "avi"}, "video/x-msvideo"),
        ({"format_name": "mp3", "video": None}, "audio/mpeg"),
        ({"format_name": "asf"}, "video/x-ms-wmv"),
        ({"format_name": "wav", "video": None}, "audio/wav"),
    ],
)
def test_types_are_told_by_content(changes: dict[str, object], mime_type: str) -> None:
    assert a_film(**changes).mime_type == mime_type


def test_facts_are_of_the_film_as_shown() -> None:
    facts = a_film(video=a_video(rotation=90), duration=Fraction(100, 3)).facts()
    assert facts.wire() == {
        "durationSeconds": 33.333,
        "width": 1080,
        "height": 1920,
        "videoCodec": "h264",
        "audioCodec": "aac",
        "mimeType": "video/mp4",
        "bytes": 1000,
    }


def test_the_default_track_is_chosen_else_the_first() -> None:
    first, second = an_audio(is_default=False), an_audio(index=2)
    assert choose_audio((first, second)) is second
    assert choose_audio((first,)) is first
    assert choose_audio(()) is None
