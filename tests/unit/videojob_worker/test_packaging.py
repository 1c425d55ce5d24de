"""Playlists from measured fragments."""

from __future__ import annotations

from fractions import Fraction

import pytest

from videojob_worker.boxes import Fragment, Movie, Track
from videojob_worker.packaging import (
    Rendition,
    Segment,
    Sound,
    average_bandwidth,
    build_audio_segments,
    build_iframe_playlist,
    build_master_playlist,
    build_media_playlist,
    build_video_segments,
    language_tag,
    peak_bandwidth,
    target_duration,
)

VIDEO = Track(1, "vide", 1000, "avc1.64001f", 1280, 720, 200, Fraction(8))
AUDIO = Track(1, "soun", 1000, "mp4a.40.2", 0, 0, 375, Fraction(8))


def a_movie(track: Track, *durations: int, key: bool = True, size: int = 1000) -> Movie:
    fragments, time, offset = [], 0, 800
    for duration in durations:
        fragments.append(Fragment(offset, size, 1, time, duration, 1, key, 300))
        time, offset = time + duration, offset + size
    return Movie((track,), tuple(fragments), 800, Fraction(0))


def test_segments_begin_at_the_first_key_frame_at_or_after_each_multiple() -> None:
    movie = a_movie(VIDEO, 1000, 1000, 2040, 1960, 2000)
    segments = build_video_segments(movie, 2)
    assert [float(s.start) for s in segments] == [0, 2, 4.04, 6]
    assert [(s.offset, s.size) for s in segments] == [
        *((800, 2000), (2800, 1000), (3800, 1000), (4800, 1000))
    ]
    assert sum(s.duration for s in segments) == 8


def test_sound_is_cut_nearest_to_the_boundaries_without_drifting() -> None:
    movie = a_movie(AUDIO, *[1024] * 8)
    segments = build_audio_segments(movie, [Fraction(t) for t in (0, 2, 4, 6)], 2)
    assert [float(s.start) for s in segments] == [0, 2.048, 4.096, 6.144]
    assert sum(s.size for s in segments) == 8000


def test_boundaries_beyond_the_sound_make_no_segment() -> None:
    movie = a_movie(AUDIO, 1000, 1000)
    assert len(build_audio_segments(movie, [Fraction(t) for t in (0, 2, 4, 6)], 2)) == 1


def test_sound_longer_than_the_pictures_is_cut_on() -> None:
    movie = a_movie(AUDIO, *[1000] * 15)
    segments = build_audio_segments(movie, [Fraction(0), Fraction(4)], 4)
    assert [float(s.start) for s in segments] == [0, 4, 8, 12]
    assert [float(s.duration) for s in segments] == [4, 4, 4, 3]


def test_one_target_duration_is_the_nearest_to_the_longest_of_all() -> None:
    pictures = build_video_segments(a_movie(VIDEO, 4000, 4000), 4)
    sound = build_audio_segments(a_movie(AUDIO, 4010, 3990), [Fraction(0), Fraction(4)], 4)
    assert target_duration([pictures, sound]) == 4
    assert target_duration([build_video_segments(a_movie(VIDEO, 4500), 4)]) == 5
    assert target_duration([build_video_segments(a_movie(VIDEO, 40), 4)]) == 1
    assert target_duration([]) == 1


def test_a_media_playlist() -> None:
    segments = build_video_segments(a_movie(VIDEO, 4000, 3960), 4)
    assert build_media_playlist("720p.mp4", 800, segments, 4) == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n"
        '#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI="720p.mp4",BYTERANGE="800@0"\n'
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXTINF:4.000000,\n#EXT-X-BYTERANGE:1000@800\n720p.mp4\n"
        "#EXTINF:3.960000,\n#EXT-X-BYTERANGE:1000@1800\n720p.mp4\n#EXT-X-ENDLIST\n"
    )


def test_an_iframe_playlist_ends_each_range_with_the_first_frame() -> None:
    segments = build_video_segments(a_movie(VIDEO, 4000), 4)
    text = build_iframe_playlist("720p.mp4", 800, segments, 4)
    assert "#EXT-X-I-FRAMES-ONLY\n#EXTINF:4.000000,\n#EXT-X-BYTERANGE:300@800\n" in text


def test_the_master_playlist_measures() -> None:
    video = build_video_segments(a_movie(VIDEO, 4000, 4000, size=4000), 4)
    audio = build_audio_segments(a_movie(AUDIO, 4000, 4000), [Fraction(0), Fraction(4)], 4)
    sound = Sound("audio", AUDIO, audio, "eng", 'Di"rector', 2, is_default=True)
    lines = build_master_playlist([Rendition("720p", VIDEO, video)], [sound]).splitlines()
    assert lines[3:] == [
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",LANGUAGE="en",NAME="Director",DEFAULT=YES,'
        'AUTOSELECT=YES,CHANNELS="2",URI="audio.m3u8"',
        "#EXT-X-STREAM-INF:BANDWIDTH=10000,AVERAGE-BANDWIDTH=10000,"
        'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=25.000,VIDEO-RANGE=SDR,'
        'AUDIO="audio"',
        "720p.m3u8",
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=600,CODECS="avc1.64001f",RESOLUTION=1280x720,'
        'VIDEO-RANGE=SDR,URI="720p-iframes.m3u8"',
    ]


def test_without_sound_there_is_no_group() -> None:
    video = build_video_segments(a_movie(VIDEO, 4000), 4)
    text = build_master_playlist([Rendition("720p", VIDEO, video)], [])
    assert "AUDIO" not in text
    assert 'CODECS="avc1.64001f"' in text


def test_tracks_of_one_language_get_names_of_their_own() -> None:
    audio = build_audio_segments(a_movie(AUDIO, 4000), [Fraction(0)], 4)
    sounds = [Sound(f"a{n}", AUDIO, audio, "eng", None, 2, is_default=not n) for n in (0, 1)]
    video = build_video_segments(a_movie(VIDEO, 4000), 4)
    text = build_master_playlist([Rendition("720p", VIDEO, video)], sounds)
    assert 'NAME="eng 1"' in text
    assert 'NAME="eng 2"' in text


def test_a_short_last_segment_says_nothing_of_the_peak() -> None:
    whole = Segment(0, 1000, Fraction(0), Fraction(4), 1)
    stub = Segment(1000, 900, Fraction(4), Fraction(1, 25), 1)
    assert peak_bandwidth([whole, stub]) == 2000
    assert average_bandwidth([whole, stub]) == 3763
    assert peak_bandwidth([]) == 0


@pytest.mark.parametrize(
    ("language", "tag"),
    [("eng", "en"), ("deu", "de"), ("gsw", "gsw"), ("und", None), (None, None), ('x"', None)],
)
def test_language_tags(language: str | None, tag: str | None) -> None:
    assert language_tag(language) == tag
