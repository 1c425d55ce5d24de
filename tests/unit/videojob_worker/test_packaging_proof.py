"""What players could not play is noticed before a manifest speaks of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from media_builders import VIDEO_TRACK, a_movie, a_rendition

from videojob_worker.boxes import Movie
from videojob_worker.errors import Unverified
from videojob_worker.packaging.languages import language_tag
from videojob_worker.packaging.proof import check_aligned, check_whole

WHOLE = a_movie(VIDEO_TRACK, 1000, 1000, 1000)


def without(movie: Movie, number: int) -> Movie:
    kept = [f for place, f in enumerate(movie.fragments) if place != number]
    return replace(movie, fragments=tuple(kept))


def test_a_whole_file_is_fine() -> None:
    check_whole("x", WHOLE)


def test_a_missing_fragment_is_noticed() -> None:
    with pytest.raises(Unverified, match=r"goes on at 2\.000 s after .* ends at 1\.000 s"):
        check_whole("x", without(WHOLE, 1))


def test_a_doubled_fragment_is_noticed() -> None:
    first, second, third = WHOLE.fragments
    doubled = replace(WHOLE, fragments=(first, second, second, third))
    with pytest.raises(Unverified, match=r"goes on at 1\.000 s after .* ends at 2\.000 s"):
        check_whole("x", doubled)


def test_bytes_of_no_fragment_are_noticed() -> None:
    first, second, third = WHOLE.fragments
    moved = replace(WHOLE, fragments=(first, replace(second, offset=second.offset + 9), third))
    with pytest.raises(Unverified, match="bytes between two fragments, at 1800"):
        check_whole("x", moved)


def test_a_file_without_fragments_or_with_two_tracks_is_noticed() -> None:
    with pytest.raises(Unverified, match="1 tracks in 0 fragments"):
        check_whole("x", replace(WHOLE, fragments=()))
    with pytest.raises(Unverified, match="2 tracks in 3 fragments"):
        check_whole("x", replace(WHOLE, tracks=WHOLE.tracks * 2))


def test_sizes_cut_at_different_times_are_noticed() -> None:
    check_aligned([a_rendition("720p", 4000, 4000), a_rendition("360p", 4000, 4000)])
    for other in (a_rendition("360p", 4040, 3960), a_rendition("360p", 8000)):
        with pytest.raises(Unverified, match="360p and 720p begin at different times"):
            check_aligned([a_rendition("720p", 4000, 4000), other])


@pytest.mark.parametrize(
    ("language", "tag"),
    [
        *(("eng", "en"), ("deu", "de"), ("ger", "de"), ("gsw", "gsw"), ("pt-br", "pt-BR")),
        *(("und", None), ("", None), (None, None), ('x"', None), ("english", None)),
    ],
)
def test_language_tags(language: str | None, tag: str | None) -> None:
    assert language_tag(language) == tag
