"""HLS playlists of measured packages."""

from __future__ import annotations

from dataclasses import replace

import m3u8
from media_builders import SOUND_TRACK, VIDEO_TRACK, a_rendition, a_sound, subtitles

from videojob_worker.boxes import Color
from videojob_worker.packaging.hls import build_master_playlist, build_playlists
from videojob_worker.packaging.package import Package


def master(package: Package) -> m3u8.M3U8:
    return m3u8.loads(build_master_playlist(package))


def test_a_media_playlist() -> None:
    playlists = build_playlists(Package((a_rendition("720p", 4000, 3960),)))
    assert playlists["720p.m3u8"] == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n"
        '#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI="720p.mp4",BYTERANGE="800@0"\n'
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXTINF:4.000000,\n#EXT-X-BYTERANGE:1000@800\n720p.mp4\n"
        "#EXTINF:3.960000,\n#EXT-X-BYTERANGE:1000@1800\n720p.mp4\n#EXT-X-ENDLIST\n"
    )


def test_an_iframe_playlist_ends_each_range_with_the_first_frame() -> None:
    text = build_playlists(Package((a_rendition("720p", 4000),)))["720p-iframes.m3u8"]
    assert "#EXT-X-I-FRAMES-ONLY\n#EXTINF:4.000000,\n#EXT-X-BYTERANGE:300@800\n" in text


def test_the_master_playlist_measures() -> None:
    rendition = a_rendition("720p", 4000, 4000, size=4000)
    sound = a_sound("audio", 4000, 4000, language="eng", title='Di"rec\ntor')
    lines = build_master_playlist(Package((rendition,), (sound,))).splitlines()
    assert lines[3:] == [
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",LANGUAGE="en",NAME="Director",DEFAULT=YES,'
        'AUTOSELECT=YES,CHANNELS="2",URI="audio.m3u8"',
        "#EXT-X-STREAM-INF:BANDWIDTH=10000,AVERAGE-BANDWIDTH=10000,"
        'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=25.000,VIDEO-RANGE=SDR,'
        'AUDIO="audio",CLOSED-CAPTIONS=NONE',
        "720p.m3u8",
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=600,CODECS="avc1.64001f",RESOLUTION=1280x720,'
        'VIDEO-RANGE=SDR,URI="720p-iframes.m3u8"',
    ]


def test_without_sound_there_is_no_group() -> None:
    (variant,) = master(Package((a_rendition("720p", 4000),))).playlists
    assert variant.stream_info.audio is None
    assert variant.stream_info.codecs == "avc1.64001f"


def test_tracks_of_one_language_get_names_of_their_own() -> None:
    sounds = (a_sound("audio", 4000, language="eng"), a_sound("audio-2", 4000, language="eng"))
    media = master(Package((a_rendition("720p", 4000),), sounds)).media
    assert [each.name for each in media] == ["en 1", "en 2"]
    assert [each.default for each in media] == ["YES", "NO"]


def test_each_codec_of_the_sound_has_a_group_and_each_size_is_offered_with_each() -> None:
    dolby = replace(a_sound("audio-2", 4000), track=replace(SOUND_TRACK, codec="ec-3"))
    found = master(Package((a_rendition("720p", 4000),), (a_sound("audio", 4000), dolby)))
    offered = [(v.stream_info.audio, v.stream_info.codecs) for v in found.playlists]
    assert offered == [
        ("audio-mp4a", "avc1.64001f,mp4a.40.2"),
        ("audio-ec-3", "avc1.64001f,ec-3"),
    ]
    assert [(each.group_id, each.default) for each in found.media] == [
        ("audio-mp4a", "YES"),
        ("audio-ec-3", "YES"),
    ]


def test_the_range_is_what_the_file_says() -> None:
    for transfer, told in ((16, "PQ"), (18, "HLG"), (1, "SDR")):
        track = replace(VIDEO_TRACK, color=Color(9, transfer, 9))
        package = Package((replace(a_rendition("720p", 4000), track=track),))
        assert f"VIDEO-RANGE={told}," in build_master_playlist(package)


def test_subtitles_are_one_segment_as_long_as_the_film() -> None:
    package = Package((a_rendition("720p", 4000, 3960),), (), (subtitles("de"),))
    (media,) = master(package).media
    assert (media.type, media.group_id, media.language) == ("SUBTITLES", "subtitles", "de")
    (variant,) = master(package).playlists
    assert variant.stream_info.subtitles == "subtitles"
    playlist = m3u8.loads(build_playlists(package)["subtitles-de.m3u8"])
    (segment,) = playlist.segments
    assert (segment.uri, segment.duration) == ("subtitles-de.vtt", 7.96)
    assert playlist.target_duration == 8
