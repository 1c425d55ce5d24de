"""Steps that pass a changed film on: what they publish, and how loud their babble is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from media_builders import (
    a_film,
    a_step,
    a_video,
    an_audio,
    heard,
    mp4,
    option,
    planned,
    the_pass,
)

from videojob_worker.errors import NotDoable
from videojob_worker.graph import Container
from videojob_worker.media import MediaInfo
from videojob_worker.nodes import Level
from videojob_worker.plan import Plan

CLEAN = a_step("clean", clean={})
MASK = a_step("mask", audioMask={"level": "Medium"})


def masked(film: MediaInfo, level: Level, *more: Any) -> Plan:
    """The plan of a mask, with what was heard."""
    return heard(planned(MASK, *more, film=film), level)


def test_a_leaf_copies_all_that_is_seen_and_heard_and_decodes_nothing() -> None:
    tracks = (an_audio(language="eng"), an_audio(index=3, language="deu"))
    argv = the_pass(CLEAN, film=a_film(audio=tracks)).argv
    assert option(argv, "-map") == ["0:0", "0:1", "0:3"]
    assert (option(argv, "-c:v:0"), option(argv, "-c:a:1")) == (["copy"], ["copy"])
    assert "-filter_complex" not in argv
    assert (option(argv, "-map_metadata"), option(argv, "-map_chapters")) == (["-1"], ["-1"])
    assert argv[-1] == "/s/out/clean/film.mp4"


@pytest.mark.parametrize(
    ("video", "audio", "source", "container"),
    [
        ("h264", "aac", "mov,mp4", Container.FASTSTART_MP4),
        ("h264", "aac", "matroska,webm", Container.FASTSTART_MP4),
        ("vp9", "opus", "matroska,webm", Container.WEBM),
        ("vp9", "opus", "mov,mp4", Container.FASTSTART_MP4),
        ("prores", "pcm_s16le", "mov,mp4", Container.MOV),
        ("h264", "dts", "matroska,webm", Container.MATROSKA),
        ("wmv2", "wmav2", "asf", Container.MATROSKA),
    ],
)
def test_the_container_follows_what_it_holds(
    video: str, audio: str, source: str, container: Container
) -> None:
    film = a_film(video=a_video(codec=video), audio=(an_audio(codec=audio),), format_name=source)
    (output,) = the_pass(CLEAN, film=film).outputs
    assert output.file.container is container


@pytest.mark.parametrize(
    ("codec", "removed"),
    [("h264", "6"), ("hevc", "39|40"), ("av1", "5"), ("mpeg2video", "178"), ("vp9", None)],
)
def test_what_lies_between_the_pictures_goes_where_asked(codec: str, removed: str | None) -> None:
    film = a_film(video=a_video(codec=codec))
    thorough = a_step("clean", clean={"removeSei": True})
    found = option(the_pass(thorough, film=film).argv, "-bsf:v:0")
    assert found == ([f"filter_units=remove_types={removed}"] if removed else [])
    assert option(the_pass(CLEAN, film=film).argv, "-bsf:v:0") == []


def test_it_publishes_only_what_nobody_takes() -> None:
    web = a_step("web", **{"from": "clean"}, transcode={"renditions": [{"height": 720}]})
    assert [o.path for o in the_pass(CLEAN, web).outputs] == [Path("/s/out/web/720p.mp4")]


def test_smaller_pictures_are_not_the_films_own() -> None:
    with pytest.raises(NotDoable, match="publish by a transcode"):
        planned(mp4("web", 480), a_step("clean", **{"from": "web"}, clean={}))


def test_babble_is_as_much_softer_as_the_level_says() -> None:
    mono = a_film(audio=(an_audio(channels=1),))
    text = " ".join(masked(mono, Level(-30.0, -20.0)).passes[0].argv)
    assert "volume=-9.0dB" in text  # -26 LUFS of babble, 5 below -30
    assert text.count("volume=") == 1
    assert "-stream_loop -1 -i file:/s/work/mask/babble.wav" in text
    assert "amix=2:duration=first:normalize=0" in text
    stereo = " ".join(masked(a_film(), Level(-30.0, -20.0)).passes[0].argv)
    assert "volume=-12.01dB" in stereo
    assert "channelmap" in stereo


def test_peaks_find_room_and_the_ratio_stays() -> None:
    mono = a_film(audio=(an_audio(channels=1),))
    text = " ".join(masked(mono, Level(-16.0, 0.0)).passes[0].argv)
    assert "volume=5.0dB" in text
    assert text.index("amix") < text.index("volume=-")


def test_surround_is_mixed_down_before_it_is_measured_and_masked() -> None:
    film = a_film(audio=(an_audio(channels=6),))
    plan = masked(film, Level(-30.0, -20.0))
    text = " ".join(plan.passes[0].argv)
    assert text.index("aresample=out_chlayout=stereo") < text.index("amix")


def test_silence_and_none_are_left_as_they_are() -> None:
    assert "amix" not in " ".join(masked(a_film(), Level(-70.0, -120.0)).passes[0].argv)
    plan = planned(a_step("mask", audioMask={"level": "None"}))
    assert plan.measure is None
    assert option(plan.passes[0].argv, "-c:a:0") == ["copy"]


def test_one_pass_listens_for_all_and_a_mask_is_reckoned_with() -> None:
    loud = a_step("loud", **{"from": "mask"}, extractAudio={"loudness": {"targetLufs": -33}})
    first = planned(MASK, loud)
    assert first.measure is not None
    assert len(first.measure.meters) == 1
    plan = masked(a_film(), Level(-30.0, -20.0), loud)
    assert plan.measure is None
    assert "volume=-4.19dB" in " ".join(plan.passes[0].argv)  # 1.19 louder by the babble
