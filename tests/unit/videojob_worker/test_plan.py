"""From steps and films to passes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from media_builders import (
    BUDGET,
    SCRATCH,
    a_film,
    a_step,
    a_video,
    an_audio,
    heard,
    hls,
    mp4,
    option,
    planned,
)

from videojob_worker.budget import Budget
from videojob_worker.encoders import Device, VideoEncoder
from videojob_worker.errors import NodeDiskFull, NotDoable
from videojob_worker.media import LeftOut, Size
from videojob_worker.nodes import Level
from videojob_worker.plan import LISTENINGS, build_plan

POSTER = a_step("poster", thumbnails={"count": 6})
AUDIO = a_step("audio", extractAudio={})


def test_all_steps_share_one_pass() -> None:
    plan = planned(hls("hls", 720, 480), mp4("web", 360), POSTER, AUDIO)
    (stage,) = plan.passes
    assert stage.steps == ("hls", "web", "poster", "audio")
    assert [f"{o.step}/{o.path.name}" for o in stage.outputs] == [
        *("hls/720p.mp4", "hls/480p.mp4", "hls/audio.mp4", "web/360p.mp4", "audio/audio.m4a")
    ]
    assert set(stage.folders) == {
        *(Path("/s/out/hls"), Path("/s/out/web"), Path("/s/out/audio"), Path("/s/work/poster"))
    }
    assert stage.expected_frames == 1500
    assert stage.decodes_all_frames


@pytest.mark.parametrize(
    ("coded", "rotation", "heights", "sizes", "reasons"),
    [
        (Size(1920, 1080), 0, (1080, 720), ["1920x1080", "1280x720"], []),
        (Size(1920, 1080), 90, (1080, 720), ["1080x1920", "720x1280"], []),
        (Size(1280, 720), 0, (1080, 720), ["1280x720"], ["RenditionLeftOut"]),
        (Size(641, 359), 0, (1080, 720), ["640x358"], ["RenditionAtSourceSize"]),
        (Size(639, 360), 0, (360,), ["638x360"], []),
        (Size(1920, 800), 0, (1080, 480), ["1152x480"], ["RenditionLeftOut"]),
        (Size(1920, 1080), 0, (481, 480), ["854x480"], []),
    ],
)
def test_renditions_never_exceed_the_source(
    coded: Size, rotation: int, heights: tuple[int, ...], sizes: list[str], reasons: list[str]
) -> None:
    film = a_film(video=a_video(coded=coded, rotation=rotation))
    plan = planned(mp4("web", *heights), film=film)
    assert [str(o.video.size) for o in plan.passes[0].outputs if o.video] == sizes
    assert [warning.reason for warning in plan.warnings] == reasons


def test_from_takes_what_the_other_passes_on() -> None:
    late = a_step("small", **{"from": "web"}, transcode={"renditions": [{"height": 1080}]})
    plan = planned(mp4("web", 480), late)
    assert [str(o.video.size) for o in plan.passes[0].outputs if o.video] == ["854x480", "854x480"]
    assert [w.step for w in plan.warnings] == ["small"]


def test_every_language_is_in_hls_and_the_default_in_mp4() -> None:
    tracks = (an_audio(is_default=False, language="eng"), an_audio(index=2, language="deu"))
    outputs = planned(hls("hls", 720), mp4("web", 720), film=a_film(audio=tracks)).passes[0].outputs
    sound = {o.path.name: [e.track.language for e in o.audio] for o in outputs if o.audio}
    assert sound == {"audio.mp4": ["deu"], "audio-2.mp4": ["eng"], "720p.mp4": ["deu"]}


def test_no_sound_no_sound_files() -> None:
    outputs = planned(hls("hls", 720), film=a_film(audio=())).passes[0].outputs
    assert [o.path.name for o in outputs] == ["720p.mp4"]


def test_pictures_and_sound_alone_count_no_frames() -> None:
    (stage,) = planned(POSTER, AUDIO).passes
    assert stage.expected_frames is None
    assert not stage.decodes_all_frames
    assert stage.name == "fused"


def test_a_gpu_that_encodes_not_all_of_it_is_told_of() -> None:
    device = Device(frozenset({VideoEncoder.H264_NVENC}))
    steps = (mp4("web", 720), mp4("small", 480, codec="HEVC"))
    plan = build_plan(steps, a_film(), SCRATCH, BUDGET, device)
    (warning,) = plan.warnings
    assert (warning.reason, "HEVC of 8 bit" in warning.message) == ("EncodedOnCPU", True)
    argv = plan.passes[0].argv
    assert [option(argv, f"-c:v:{n}") for n in (0, 1)] == [["h264_nvenc"], ["libx265"]]


def test_a_stretch_is_what_is_expected_and_what_is_read() -> None:
    (stage,) = planned(mp4("web", 720, trim={"startSeconds": 10, "endSeconds": 12.5})).passes
    assert (stage.expected_frames, stage.expected_seconds) == (62, Fraction(5, 2))
    assert (stage.max_seconds, stage.reads_all) == (23, False)
    (whole,) = planned(mp4("web", 720, trim={"startSeconds": 10})).passes
    assert (whole.expected_frames, whole.reads_all) == (1250, True)
    (both,) = planned(mp4("web", 720, trim={"endSeconds": 5}), mp4("all", 480)).passes
    assert both.reads_all


def test_a_short_disk_is_the_nodes_and_not_the_orders() -> None:
    with pytest.raises(NodeDiskFull, match=r"free on this node; give nodes more ephemeral storage"):
        planned(mp4("web", 1080), budget=Budget(2, None, 1 << 20, scratch_limit_bytes=1 << 34))
    with pytest.raises(NotDoable, match=r"free; raise limits.maxBytes, which that follows, or"):
        planned(mp4("web", 1080), budget=Budget(2, None, 1 << 20, scratch_limit_bytes=2 << 20))
    with pytest.raises(NotDoable, match="free; make room there, or ask for fewer"):
        planned(mp4("web", 1080), budget=Budget(2, None, 1 << 20))


def test_threads_give_way_to_memory() -> None:
    small = Budget(threads=64, memory_bytes=300 << 20, scratch_bytes=None)
    argv = planned(mp4("web", 1080), budget=small).passes[0].argv
    assert 1 <= int(argv[argv.index("-threads") + 1]) < 30


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(2, 80 << 20, None), "resources.limits.memory"),
        (Budget(2, None, 1 << 20), "scratch space"),
    ],
)
def test_a_budget_that_is_too_small_is_refused_naming_what_is_needed(
    budget: Budget, words: str
) -> None:
    with pytest.raises(NotDoable, match=words):
        planned(mp4("web", 1080), budget=budget)


def test_more_work_weighs_more_and_may_take_longer() -> None:
    little, much = planned(mp4("web", 360)).passes[0], planned(hls("hls", 1080, 720)).passes[0]
    assert little.weight < much.weight
    assert little.timeout_seconds < much.timeout_seconds


def test_reading_stops_past_any_length_the_film_could_have() -> None:
    film = a_film(duration=Fraction(10))
    assert planned(AUDIO, film=film).passes[0].max_seconds == 75


def test_equal_orders_give_equal_commands() -> None:
    steps = (hls("hls", 720, 480), mp4("web", 480), POSTER, AUDIO)
    assert planned(*steps).passes[0].argv == planned(*steps).passes[0].argv


def test_what_no_file_can_hold_is_not_copied() -> None:
    film = a_film(audio=(an_audio(codec="pcm_bluray"),))
    with pytest.raises(NotDoable, match="use format: AAC"):
        planned(a_step("audio", extractAudio={"format": "Copy"}), film=film)
    assert planned(a_step("audio", extractAudio={}), film=film).passes


def test_streams_left_out_are_told_of() -> None:
    film = a_film(left_out=(LeftOut(is_video=False, codec="apac"),))
    (warning,) = planned(mp4("web", 720), film=film).warnings
    assert (warning.reason, "apac" in warning.message) == ("StreamLeftOut", True)


def test_channels_are_not_made_up() -> None:
    plan = planned(a_step("audio", extractAudio={"format": "WAV", "channels": 6}))
    assert [warning.reason for warning in plan.warnings] == ["ChannelsNotAdded"]
    assert plan.passes[0].outputs[0].audio[0].channels == 2


def test_sound_without_loss_needs_its_room() -> None:
    small = Budget(2, None, 10 << 20)  # a minute of stereo at 48 kHz is 11.5 MB
    with pytest.raises(NotDoable, match="scratch space"):
        planned(a_step("audio", extractAudio={"format": "WAV"}), budget=small)
    assert planned(a_step("audio", extractAudio={"format": "MP3"}), budget=small).passes


def test_loudness_is_listened_to_first_and_then_planned_again() -> None:
    first = planned(a_step("audio", extractAudio={"loudness": {}}), mp4("web", 720))
    assert first.measure is not None
    stage = first.measure.stage
    assert (stage.name, stage.steps) == ("measure", ("audio", "web"))
    assert first.stages == (stage, *first.passes)
    assert not stage.decodes_all_frames
    assert "[0:0]" not in " ".join(stage.argv)
    assert stage.argv[-3:] == ("-f", "null", "-")
    assert len(first.weights) == len(first.passes) * 2 + LISTENINGS
    second = heard(first, Level(-20.0, -9.0))
    assert second.measure is None
    assert "volume=4.0dB" in " ".join(second.passes[0].argv)
    assert "alimiter" not in " ".join(second.passes[0].argv)


def test_what_a_limiter_takes_is_measured_and_made_up_for() -> None:
    first = planned(a_step("audio", extractAudio={"loudness": {}}))
    second = heard(first, Level(-20.0, -3.0))
    assert second.measure is not None
    assert "alimiter=latency=1:level=0:limit=0.812831" in " ".join(second.passes[0].argv)
    third = heard(second, Level(-17.0, -1.8))
    assert third.measure is None
    assert "volume=5.35dB" in " ".join(third.passes[0].argv)


def test_what_is_silent_is_left_as_it_is() -> None:
    plan = heard(planned(a_step("audio", extractAudio={"loudness": {}})), Level(-70.0, -120.0))
    assert [warning.reason for warning in plan.warnings] == ["SilentSound"]
    assert "volume" not in " ".join(plan.passes[0].argv)


def test_surround_is_measured_as_it_will_be_heard() -> None:
    film = a_film(audio=(an_audio(channels=6),))
    plan = planned(a_step("audio", extractAudio={"loudness": {}}), film=film)
    assert plan.measure is not None
    text = " ".join(plan.measure.stage.argv)
    assert text.index("aresample=out_chlayout=stereo") < text.index("ebur128@")
