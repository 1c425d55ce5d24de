"""Commands as lists; ffmpeg is not run."""

from __future__ import annotations

from fractions import Fraction

import pytest
from media_builders import a_film, a_step, a_video, an_audio, hls, mp4, option, the_pass

from videojob_worker.ladder import rate_cap_kbps
from videojob_worker.media import Size

POSTER = a_step("poster", thumbnails={"count": 6})
AUDIO = a_step("audio", extractAudio={})


def graph_of(argv: tuple[str, ...]) -> str:
    return ";".join(option(argv, "-filter_complex"))


def test_a_rendition_in_full() -> None:
    argv = the_pass(mp4("web", 720)).argv
    assert argv[:15] == (
        *("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "level+verbose"),
        *("-progress", "pipe:1", "-nostats", "-max_error_rate", "1"),
        *("-filter_threads", "2", "-filter_complex_threads", "2"),
    )
    assert argv[15::2][:2] == ("-codec_whitelist", "-format_whitelist")
    assert argv[argv.index("-max_pixels") :] == (
        *("-max_pixels", "35389440", "-protocol_whitelist", "file", "-t", "150", "-threads", "2"),
        *("-i", "file:/s/source", "-filter_complex"),
        "[0:0]scale=1280:720:flags=bicubic:out_range=tv[s0];[s0]format=yuv420p[s1];"
        "[s1]setsar=1[s2]",
        *("-filter_complex", "[0:1]aresample=async=1:first_pts=0[s3]"),
        *("-map", "[s2]", "-map", "[s3]", "-f", "mp4", "-ac:a:0", "2", "-ar:a:0", "48000"),
        *("-b:a:0", "128k", "-bufsize:v:0", "8000k", "-c:a:0", "aac", "-c:v:0", "libx264"),
        *("-crf:v:0", "23", "-enc_time_base:v:0", "1/200", "-fflags", "+bitexact"),
        *("-flags:a", "+bitexact", "-flags:v", "+bitexact+cgop"),
        *("-force_key_frames:v:0", "expr:gte(t,n_forced*4)", "-fps_mode:v:0", "vfr"),
        *("-g:v:0", "100", "-map_chapters", "-1", "-map_metadata", "-1", "-maxrate:v:0", "4000k"),
        *("-movflags", "+faststart", "-pix_fmt:v:0", "yuv420p", "-preset:v:0", "veryfast"),
        *("-profile:v:0", "high", "-sc_threshold:v:0", "0", "-threads", "2", "/s/out/web/720p.mp4"),
    )


def test_the_film_is_decoded_once_and_sizes_cascade() -> None:
    argv = the_pass(hls("hls", 720, 480), mp4("web", 360), POSTER).argv
    assert argv.count("-i") == 1
    text = graph_of(argv)
    scales = [part.split(":flags")[0] for part in text.split("scale=")[1:]]
    assert scales[:3] == ["1280:720", "854:480", "640:360"]
    assert text.count("[0:0]") == 1
    assert text.count("[0:1]") == 1


def test_pictures_are_picked_before_anything_is_scaled() -> None:
    text = graph_of(the_pass(mp4("web", 720), POSTER).argv)
    select = text.index("select=")
    assert text[select:].index("scale=320:180") > 0
    assert text.startswith("[0:0]split=2[s0][s1]")
    assert "[s1]select=" in text


def test_what_files_share_is_encoded_once() -> None:
    argv = the_pass(hls("hls", 720), mp4("web", 720, 360), AUDIO).argv
    assert option(argv, "-c:a:0") == ["aac"]
    assert "-c:a:1" not in argv
    assert [option(argv, f"-c:v:{n}") for n in (0, 1, 2)] == [["libx264"], ["libx264"], []]
    tee = next(word for word in argv if "|" in word)
    assert [slave.rpartition("]")[2] for slave in tee.split("|")] == [
        *("/s/out/hls/720p.mp4", "/s/out/hls/audio.mp4", "/s/out/web/720p.mp4"),
        *("/s/out/web/360p.mp4", "/s/out/audio/audio.m4a"),
    ]
    assert tee.startswith("[select=\\'v:0\\':f=mp4:movflags=+delay_moov")
    assert "+bitexact+cgop+global_header" in option(argv, "-flags:v")


def test_what_shares_nothing_is_filtered_apart() -> None:
    """Sound is not set up anew with the pictures, and pictures don't wait for late sound."""
    graphs = option(the_pass(mp4("web", 720, 480), POSTER, AUDIO).argv, "-filter_complex")
    assert [graph.count("[0:0]") + 10 * graph.count("[0:1]") for graph in graphs] == [1, 10]


def test_different_bitrates_are_encoded_apart_from_one_decoder() -> None:
    loud = a_step("loud", extractAudio={"bitrateKbps": 256})
    argv = the_pass(AUDIO, loud).argv
    assert option(argv, "-b:a:0") == ["128k", "256k"]
    assert "asplit=2" in graph_of(argv)
    assert "-vn" not in argv
    assert "[0:0]" not in graph_of(argv)


def test_a_copy_is_mapped_as_it_is() -> None:
    argv = the_pass(a_step("copy", extractAudio={"format": "Copy"})).argv
    assert option(argv, "-map") == ["0:1"]
    assert option(argv, "-c:a:0") == ["copy"]
    assert "-filter_complex" not in argv


def test_pictures_alone_decode_only_key_frames_where_those_are_close_enough() -> None:
    assert option(the_pass(POSTER).argv, "-skip_frame") == ["nokey"]
    sparse = a_film(video=a_video(keyframe_seconds=Fraction(11)))
    assert option(the_pass(POSTER, film=sparse).argv, "-skip_frame") == []
    assert option(the_pass(POSTER, AUDIO).argv, "-skip_frame") == ["nokey"]
    assert option(the_pass(POSTER, mp4("web", 360)).argv, "-skip_frame") == []


@pytest.mark.parametrize(
    ("video", "begins"),
    [
        (a_video(), "[0:0]setsar=1[s0]"),
        (a_video(pixel_format="yuv420p10le"), "[0:0]scale=1920:1080:flags=bicubic:out_range=tv"),
        (a_video(full_range=True), "[0:0]scale=1920:1080"),
        (a_video(rotation=90), "[0:0]scale=1080:1920"),
        (a_video(interlaced=True), "[0:0]bwdif=deint=interlaced:mode=send_frame[s0]"),
        (a_video(coded=Size(1440, 1080), pixel_aspect=Fraction(4, 3)), "[0:0]scale=1920:1080"),
        (a_video(index=3), "[0:3]setsar=1[s0]"),
        (a_video(matrix=None), "[0:0]setparams=colorspace=bt709[s0];[s0]setsar=1"),
        (a_video(matrix=None, pixel_format="gbrp"), "[0:0]scale=1920:1080"),
        (a_video(matrix=None, transfer="smpte2084"), "[0:0]scale=1920:1080"),
        (a_video(matrix=None, coded=Size(720, 576)), "[0:0]setsar=1[s0]"),
    ],
)
def test_what_is_done_first(video: object, begins: str) -> None:
    assert graph_of(the_pass(mp4("web", 1080), film=a_film(video=video)).argv).startswith(begins)


def test_interlaced_key_frames_are_reduced_to_one_field() -> None:
    film = a_film(video=a_video(interlaced=True))
    assert "[0:0]field=type=top" in graph_of(the_pass(POSTER, film=film).argv)


def test_uneven_films_are_resampled_for_segments_only() -> None:
    film = a_film(video=a_video(variable=True, frame_rate=Fraction(299, 10)))
    argv = the_pass(hls("hls", 720), mp4("web", 720), film=film).argv
    assert graph_of(argv).count("fps=fps=30000/1001:start_time=0") == 1
    assert option(argv, "-enc_time_base:v:0") == ["1001/30000", "1/90000"]


def test_pictures_that_begin_late_are_filled_up_for_segments() -> None:
    film = a_film(video=a_video(start=Fraction(1, 2)))
    assert "fps=fps=25:start_time=0" in graph_of(the_pass(hls("hls", 720), film=film).argv)
    assert "fps=fps" not in graph_of(the_pass(mp4("web", 720), film=film).argv)


def test_surround_and_high_rates_are_brought_down() -> None:
    film = a_film(audio=(an_audio(channels=6, sample_rate=96000),))
    argv = the_pass(mp4("web", 720), film=film).argv
    assert option(argv, "-ac:a:0") == ["2"]
    assert option(argv, "-ar:a:0") == ["48000"]


def test_lossless_is_never_asked_for() -> None:
    step = a_step("web", transcode={"renditions": [{"height": 720, "crf": 0}]})
    assert option(the_pass(step).argv, "-crf:v:0") == ["1"]


def test_every_output_has_its_threads_and_no_metadata() -> None:
    argv = the_pass(hls("hls", 720, 360), POSTER).argv
    outputs = len([word for word in argv if word.startswith(("/s/out", "/s/work", "["))])
    assert option(argv, "-threads") == ["2"] * (1 + len(option(argv, "-map_metadata")))
    assert outputs >= len(option(argv, "-map_metadata")) == 4


@pytest.mark.parametrize(
    ("size", "rate", "cap"),
    [
        (Size(426, 240), 25, 500),
        (Size(1920, 1080), 30, 8000),
        (Size(1080, 1920), 30, 8000),
        (Size(1920, 1080), 60, 12000),
        (Size(960, 540), 25, 2500),
        (Size(8192, 8192), 25, 96000),
    ],
)
def test_rate_caps_follow_the_short_side(size: Size, rate: int, cap: int) -> None:
    assert rate_cap_kbps(size, Fraction(rate)) == cap
