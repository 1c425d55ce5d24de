"""ffprobe's JSON and packets as facts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from videojob_worker.described import choose_video, parse_probe
from videojob_worker.media import Size
from videojob_worker.packets import Extents, PacketMeter

STREAM: dict[str, Any] = {
    "index": 0,
    "codec_type": "video",
    "codec_name": "h264",
    "width": 640,
    "height": 360,
    "pix_fmt": "yuv420p",
    "avg_frame_rate": "25/1",
    "r_frame_rate": "25/1",
    "duration": "8.000000",
    "nb_frames": "200",
}
SOUND: dict[str, Any] = {
    "index": 1,
    "codec_type": "audio",
    "codec_name": "aac",
    "channels": 2,
    "sample_rate": "48000",
}
FORMAT = {"format_name": "mov,mp4", "duration": "8.021", "start_time": "0.000000"}


def packets(distance: float = 0.04, count: int = 50, key_every: int = 10) -> PacketMeter:
    meter = PacketMeter()
    for n in range(count):
        key = "K__" if n % key_every == 0 else "___"
        meter.feed(f"packet,0,{n * distance:.6f},N/A,{distance:.6f},{key}\n")
    return meter


def parsed(meter: PacketMeter | None = None, form: Any = FORMAT, **changes: Any) -> Any:
    document = {"format": form, "streams": [STREAM | changes, SOUND]}
    return parse_probe(document, 123, meter or packets())


def test_a_plain_film() -> None:
    media = parsed()
    assert media.video.coded == Size(640, 360)
    assert media.video.frame_rate == 25
    assert media.video.frames == 200
    assert not media.video.variable
    assert media.video.keyframe_seconds == Fraction("0.4")
    assert media.duration == Fraction("8.021")
    assert media.audio[0].channels == 2


@pytest.mark.parametrize(
    ("changes", "attribute", "value"),
    [
        ({"side_data_list": [{"rotation": -90}]}, "rotation", 270),
        ({"tags": {"ROTATE": "90"}}, "rotation", 0),
        ({"sample_aspect_ratio": "64:45"}, "pixel_aspect", Fraction(64, 45)),
        ({"sample_aspect_ratio": "0:1"}, "pixel_aspect", 1),
        ({"sample_aspect_ratio": "1:9999"}, "pixel_aspect", 1),
        ({"field_order": "tt"}, "interlaced", True),
        ({"field_order": "progressive"}, "interlaced", False),
        ({"color_range": "pc"}, "full_range", True),
        ({"pix_fmt": "yuvj420p"}, "full_range", True),
        ({"avg_frame_rate": "0/0"}, "frame_rate", 25),
        ({"avg_frame_rate": "90000/1"}, "frame_rate", 25),
        ({"duration": "N/A", "tags": {"DURATION": "00:01:02.5000"}}, "duration", Fraction("62.5")),
        ({"nb_frames": "", "tags": {"NUMBER_OF_FRAMES": "77"}}, "frames", None),
        ({"avg_frame_rate": "20/1"}, "variable", True),
    ],
)
def test_what_streams_say(changes: dict[str, Any], attribute: str, value: object) -> None:
    assert getattr(parsed(**changes).video, attribute) == value


def test_length_by_packets_where_the_header_has_none() -> None:
    media = parsed(form={"format_name": "matroska,webm"})
    assert media.duration == 2


def test_a_length_without_packets_is_none() -> None:
    assert parsed(PacketMeter()).duration == 0


def test_a_guessed_length_is_not_believed() -> None:
    """Of plain MP3 ffprobe knows only the first bitrate; here every packet was looked at."""
    assert parsed(form={"format_name": "mp3", "duration": "0.3"}).duration == 2


def test_the_end_is_that_of_the_longest_stream_distances_those_of_the_chosen_one() -> None:
    meter = PacketMeter(index=1)
    for line in ("packet,1,0.0,0.0,1.0,K__", "packet,0,0.5,0.5,9.0,K__", "packet,1,1.0,1,1.0,___"):
        meter.feed(line)
    assert (meter.count, meter.end, meter.keyframe_seconds) == (2, Fraction("9.5"), 2)


def test_streams_of_unknown_codecs_are_left_out() -> None:
    known, unknown = SOUND, SOUND | {"index": 2, "codec_name": "none", "codec_tag_string": "apac"}
    barred = SOUND | {"index": 3, "codec_name": "x", "barred": "x_dec"}
    streams = [STREAM, known, unknown, barred]
    media = parse_probe({"format": FORMAT, "streams": streams}, 1, packets())
    assert [track.index for track in media.audio] == [1]
    assert [(s.is_video, s.codec) for s in media.left_out] == [(False, "apac"), (False, "x_dec")]


def test_packets_that_no_decoder_shows_are_no_loss() -> None:
    """Discarded by an edit list, before the first key frame, or shown before it."""
    extents = Extents()
    for line in (
        "packet,0,0.00,0.00,0.04,___",
        "packet,0,0.12,0.04,0.04,K_D",
        "packet,0,0.16,0.08,0.04,___",
        "packet,0,0.08,0.12,0.04,___",
        "packet,0,N/A,0.20,0.04,___",
        "packet,1,0.0,0.0,N/A,K__",
    ):
        extents.feed(line)
    pictures = extents.of[0]
    assert (pictures.hidden, pictures.packed) == (3, Fraction("0.08"))
    assert (pictures.begin, pictures.last) == (Fraction("0.16"), Fraction("0.20"))
    assert extents.end == Fraction("0.24")
    assert extents.of[1].unmeasured == 1


def test_cover_pictures_are_not_video() -> None:
    cover = STREAM | {"disposition": {"attached_pic": 1}}
    second = STREAM | {"index": 4, "disposition": {"default": 1}}
    assert choose_video([cover, SOUND]) is None
    assert choose_video([cover, STREAM, second]) == second
    assert choose_video([cover, STREAM]) == STREAM


@pytest.mark.parametrize(
    ("language", "kept"), [("deu", "deu"), ("en-GB", "en-GB"), ("und", None), ('a"b', None)]
)
def test_languages_are_kept_when_they_are_such(language: str, kept: str | None) -> None:
    sound = SOUND | {"tags": {"language": language}}
    media = parse_probe({"format": FORMAT, "streams": [STREAM, sound]}, 1, packets())
    assert media.audio[0].language == kept


def test_declared_tracks_without_data_are_passed_over() -> None:
    empty = SOUND | {"channels": 0, "sample_rate": "0"}
    media = parse_probe({"format": FORMAT, "streams": [STREAM, empty]}, 1, packets())
    assert media.audio == ()


@pytest.mark.parametrize(
    ("times", "uneven"),
    [
        ([n * 0.04 for n in range(50)], False),
        ([round(n / 29.97, 3) for n in range(50)], False),
        ([n * 0.04 + (5 if n > 25 else 0) for n in range(50)], False),
        ([n * 0.04 for n in range(75) if n % 3], True),
        ([0.0], False),
    ],
)
def test_distances_are_even_but_for_rounding_and_the_odd_gap(
    times: list[float], uneven: bool
) -> None:
    meter = PacketMeter()
    for time in times:
        meter.feed(f"packet,0,{time:.6f},N/A,0.04,___")
    assert meter.is_uneven() is uneven


def test_encryption_is_seen_in_packets() -> None:
    for line in (
        "packet,0,0.0,0,0.04,K_,side_data,Encryption info",
        "packet,0,0,0,0,K__,Encryption info",
    ):
        meter = PacketMeter()
        meter.feed(line)
        assert meter.encrypted


def test_strange_lines_do_no_harm() -> None:
    meter = PacketMeter()
    for line in ("", "packet", "packet,0,N/A,N/A,N/A,K__", "frame,1,2,3", "packet,0,x,y,z,u"):
        meter.feed(line)
    assert meter.count == 2
    assert meter.end == 0
