"""Files cut into segments, and what these cost a second."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from media_builders import SOUND_TRACK, VIDEO_TRACK, a_movie

from videojob_worker.packaging.segments import (
    Segment,
    average_bandwidth,
    build_audio_segments,
    build_video_segments,
    peak_bandwidth,
    target_duration,
)


def test_segments_begin_at_the_first_key_frame_at_or_after_each_multiple() -> None:
    movie = a_movie(VIDEO_TRACK, 1000, 1000, 2040, 1960, 2000)
    segments = build_video_segments(movie, 2)
    assert [float(s.start) for s in segments] == [0, 2, 4.04, 6]
    assert [(s.offset, s.size) for s in segments] == [
        *((800, 2000), (2800, 1000), (3800, 1000), (4800, 1000))
    ]
    assert sum(s.duration for s in segments) == 8


def test_sound_is_cut_nearest_to_the_boundaries_without_drifting() -> None:
    movie = a_movie(SOUND_TRACK, *[1024] * 8)
    segments = build_audio_segments(movie, [Fraction(t) for t in (0, 2, 4, 6)], 2)
    assert [float(s.start) for s in segments] == [0, 2.048, 4.096, 6.144]
    assert sum(s.size for s in segments) == 8000


def test_boundaries_beyond_the_sound_make_no_segment() -> None:
    movie = a_movie(SOUND_TRACK, 1000, 1000)
    assert len(build_audio_segments(movie, [Fraction(t) for t in (0, 2, 4, 6)], 2)) == 1


def test_sound_has_no_last_segment_of_a_frame_or_two() -> None:
    cut = [Fraction(t) for t in (0, 2, 4)]
    for rest, lengths in ((21, [2, 2.021]), (99, [2, 2.099]), (100, [2, 2, 0.1])):
        movie = a_movie(SOUND_TRACK, 1000, 1000, 1000, 1000, rest)
        segments = build_audio_segments(movie, cut, 2)
        assert [float(s.duration) for s in segments] == lengths
        assert sum(s.size for s in segments) == 5000
    late = a_movie(replace(SOUND_TRACK, skipped=21), 2000, 2000, 120)
    assert len(build_audio_segments(late, cut, 2)) == 2, "so much of it is heard earlier"
    assert len(build_audio_segments(a_movie(SOUND_TRACK, 21), cut, 2)) == 1


def test_sound_longer_than_the_pictures_is_cut_on() -> None:
    movie = a_movie(SOUND_TRACK, *[1000] * 15)
    segments = build_audio_segments(movie, [Fraction(0), Fraction(4)], 4)
    assert [float(s.start) for s in segments] == [0, 4, 8, 12]
    assert [float(s.duration) for s in segments] == [4, 4, 4, 3]


def test_one_target_duration_is_the_nearest_to_the_longest_of_all() -> None:
    pictures = build_video_segments(a_movie(VIDEO_TRACK, 4000, 4000), 4)
    sound = build_audio_segments(a_movie(SOUND_TRACK, 4010, 3990), [Fraction(0), Fraction(4)], 4)
    assert target_duration([pictures, sound]) == 4
    assert target_duration([build_video_segments(a_movie(VIDEO_TRACK, 4500), 4)]) == 5
    assert target_duration([build_video_segments(a_movie(VIDEO_TRACK, 40), 4)]) == 1
    assert target_duration([]) == 1


def test_a_short_last_segment_counts_with_the_one_before_it() -> None:
    whole = Segment(0, 1000, Fraction(0), Fraction(4), 1)
    stub = Segment(1000, 900, Fraction(4), Fraction(1, 25), 1)
    assert peak_bandwidth([whole, stub]) == average_bandwidth([whole, stub]) == 3763
    dear = Segment(0, 4000, Fraction(0), Fraction(4), 1)
    assert peak_bandwidth([dear, whole, stub]) == 8000
    assert peak_bandwidth([]) == average_bandwidth([]) == 0
