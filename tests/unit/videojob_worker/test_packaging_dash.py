"""DASH manifests of measured packages."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from xml.etree.ElementTree import fromstring

import pytest
from media_builders import SOUND_TRACK, VIDEO_TRACK, a_rendition, a_sound, subtitles
from mpegdash.nodes import MPEGDASH
from mpegdash.parser import MPEGDASHParser

from videojob_worker.boxes import Color
from videojob_worker.packaging.dash import build_manifest
from videojob_worker.packaging.package import Package


def parsed(*renditions: object, **more: object) -> MPEGDASH:
    """The manifest as another library reads it."""
    return MPEGDASHParser.parse(build_manifest(Package(renditions, **more)))  # type: ignore[arg-type]


def test_sizes_of_one_codec_are_one_set() -> None:
    small = replace(VIDEO_TRACK, width=640, height=360)
    mpd = parsed(
        a_rendition("720p", 4000, 3960, indexed=True),
        replace(a_rendition("360p", 4000, 3960, indexed=True), track=small),
    )
    assert mpd.media_presentation_duration == "PT7.960S"
    assert mpd.min_buffer_time == "PT4.000S"
    (video,) = mpd.periods[0].adaptation_sets
    assert (video.max_width, video.max_height) == (1280, 720)
    first, second = video.representations
    assert (first.id, first.codecs, first.frame_rate) == ("720p", "avc1.64001f", "25")
    assert (first.bandwidth, first.sar) == (2021, "1:1")
    assert (second.width, second.height) == (640, 360)
    base = first.segment_bases[0]
    assert first.base_urls[0].base_url_value == "720p.mp4"
    assert base.index_range == "800-899"
    assert base.initializations[0].range == "0-799"


def test_another_codec_or_brightness_is_another_set() -> None:
    hdr = replace(VIDEO_TRACK, codec="hvc1.2.4.L93.90", color=Color(9, 16, 9))
    mpd = parsed(
        a_rendition("720p", 4000, indexed=True),
        replace(a_rendition("720p-hdr", 4000, indexed=True), track=hdr),
    )
    plain, bright = mpd.periods[0].adaptation_sets
    assert plain.essential_properties is None
    assert [(p.scheme_id_uri.rsplit(":", 1)[1], p.value) for p in bright.essential_properties] == [
        ("ColourPrimaries", "9"),
        ("TransferCharacteristics", "16"),
        ("MatrixCoefficients", "9"),
    ]


def test_colours_that_any_screen_can_show_are_only_told() -> None:
    hlg = replace(
        a_rendition("720p", 4000, indexed=True), track=replace(VIDEO_TRACK, color=Color(9, 18, 9))
    )
    (video,) = parsed(hlg).periods[0].adaptation_sets
    assert video.essential_properties is None
    assert [p.value for p in video.supplemental_properties] == ["9", "18", "9"]


def test_the_rate_is_a_fraction() -> None:
    ntsc = replace(VIDEO_TRACK, samples=240, duration=Fraction(8008, 1000))
    (video,) = (
        parsed(replace(a_rendition("a", 4000, indexed=True), track=ntsc)).periods[0].adaptation_sets
    )
    assert video.representations[0].frame_rate == "30000/1001"
    assert video.max_frame_rate == "30000/1001"


def test_every_sound_track_says_language_channels_and_whether_it_is_the_main_one() -> None:
    surround = replace(a_sound("audio-2", 4000, language="deu", channels=6, indexed=True))
    mpd = parsed(
        a_rendition("720p", 4000, indexed=True),
        sounds=(a_sound("audio", 4000, language="eng", title="A & <B>", indexed=True), surround),
    )
    _, english, german = mpd.periods[0].adaptation_sets
    assert (english.lang, german.lang) == ("en", "de")
    assert [s.roles[0].value for s in (english, german)] == ["main", "alternate"]
    assert german.representations[0].audio_channel_configurations[0].value == "6"
    assert german.representations[0].audio_sampling_rate == "48000"
    assert "<Label>A &amp; &lt;B&gt;</Label>" in build_manifest(
        Package((), (a_sound("audio", 4000, title="A & <B>", indexed=True),))
    )


def test_what_players_do_not_show_is_not_counted() -> None:
    """The run-up of an AAC encoder: 1024 samples that an edit list hides."""
    sound = a_sound("audio", 4000, indexed=True)
    sound = replace(sound, track=replace(SOUND_TRACK, timescale=1000, skipped=21))
    assert parsed(sounds=(sound,)).media_presentation_duration == "PT3.979S"


def test_subtitles_are_a_set_of_their_own() -> None:
    mpd = parsed(a_rendition("720p", 4000, indexed=True), subtitles=(subtitles("pt-BR"),))
    _, text = mpd.periods[0].adaptation_sets
    assert (text.content_type, text.mime_type, text.lang) == ("text", "text/vtt", "pt-BR")
    assert text.roles[0].value == "subtitle"
    assert text.representations[0].base_urls[0].base_url_value == "subtitles-pt-BR.vtt"
    assert text.representations[0].bandwidth == 200


def test_a_file_without_an_index_is_not_described() -> None:
    with pytest.raises(ValueError, match=r"720p\.mp4 has no index"):
        build_manifest(Package((a_rendition("720p", 4000),)))


def test_children_stand_in_the_order_of_the_schema() -> None:
    order = (
        *("AudioChannelConfiguration", "EssentialProperty", "SupplementalProperty", "Label"),
        *("Role", "BaseURL", "SegmentBase", "Representation"),
    )
    hdr = replace(VIDEO_TRACK, color=Color(9, 16, 9))
    package = Package(
        (replace(a_rendition("720p", 4000, indexed=True), track=hdr),),
        (a_sound("audio", 4000, indexed=True),),
        (subtitles("de"),),
    )
    for parent in fromstring(build_manifest(package)).iter():  # noqa: S314 (our own text)
        names = [child.tag.split("}")[1] for child in parent]
        if not parent.tag.endswith(("MPD", "Period", "SegmentBase")):
            assert names == sorted(names, key=order.index)
