"""Scenes, quality and given times in plans and commands; ffmpeg is not run."""

from __future__ import annotations

from itertools import pairwise

import pytest
from media_builders import BUDGET, SCRATCH, a_film, a_step, a_video, hls, mp4, option, planned

from videojob_api.steps import Step
from videojob_worker.errors import NotDoable
from videojob_worker.media import MediaInfo, Size
from videojob_worker.plan import Plan, build_plan

SCENES = a_step("cuts", scenes={})
TIMES = a_step("at", thumbnails={"times": [2.5, 0, 61, 2.5]})


def quality(*metrics: str, of: str = "hls") -> Step:
    spec = {"metrics": list(metrics)} if metrics else {}
    return a_step("q", **{"from": of}, quality=spec)


def with_vmaf(*steps: Step, by: str = "libvmaf") -> Plan:
    return build_plan(steps, a_film(), SCRATCH, BUDGET, extras=frozenset({by}))


def filters_of(argv: tuple[str, ...]) -> str:
    return ";".join(option(argv, "-filter_complex"))


def test_scenes_are_read_off_the_same_decoding() -> None:
    (stage,) = planned(hls("hls", 720), SCENES).passes
    text = filters_of(stage.argv)
    assert text.count("[0:0]") == 1
    assert "split=2" in text
    assert "tmedian=radius=3" in text
    assert "file=/s/work/cuts/brightness.txt" in text
    assert stage.argv[-1] == "-"
    assert option(stage.argv, "-f")[-1] == "null"
    assert SCRATCH.work / "cuts" in stage.folders


def test_scenes_alone_look_at_every_frame() -> None:
    (stage,) = planned(SCENES, a_step("p", thumbnails={"count": 2})).passes
    assert stage.decodes_all_frames
    assert "-skip_frame" not in stage.argv


def test_a_few_times_alone_are_sought() -> None:
    (stage,) = planned(a_step("at", thumbnails={"times": [0.5, 45.25]})).passes
    assert option(stage.argv, "-ss") == ["0.000", "43.250"]
    assert "eq(n\\,500)" in filters_of(stage.argv)
    assert "eq(n\\,2000)" in filters_of(stage.argv)
    assert [word for word in stage.argv if word.endswith(".png")] == [
        *("/s/work/at/500.png", "/s/work/at/45250.png"),
    ]
    many = planned(a_step("at", thumbnails={"times": list(range(9))})).passes[0]
    assert "-ss" not in many.argv


@pytest.mark.parametrize(
    "film",
    [
        a_film(video=a_video(variable=True)),
        a_film(video=a_video(duration=None)),
        a_film(format_name="mpegts"),
    ],
    ids=["uneven", "of unknown length", "without an index"],
)
def test_nothing_is_sought_where_it_may_not_be_found(film: MediaInfo) -> None:
    (stage,) = planned(a_step("at", thumbnails={"times": [45]}), film=film).passes
    assert "-ss" not in stage.argv


def test_given_times_take_the_frame_of_that_millisecond() -> None:
    plan = planned(TIMES, film=a_film(format_name="mpegts"))
    (stage,) = plan.passes
    assert r"select=eq(n\,0)+eq(n\,2500)[" in filters_of(stage.argv)
    assert option(stage.argv, "-frames:v") == ["2"]
    assert "-skip_frame" not in stage.argv
    assert not stage.decodes_all_frames
    assert [w.reason for w in plan.warnings] == ["TimesBeyondEnd"]
    assert planned(TIMES, mp4("web", 360)).passes[0].decodes_all_frames


def test_times_that_are_all_beyond_the_end_are_refused() -> None:
    with pytest.raises(NotDoable, match=r"from 61 s on, and the film lasts 60\.000 s"):
        planned(a_step("at", thumbnails={"times": [61, 99]}))


def test_quality_is_a_second_pass_over_the_film_and_the_renditions() -> None:
    plan = planned(hls("hls", 720, 480), quality("PSNR", "SSIM"))
    first, second = plan.passes
    assert (first.steps, second.steps) == (("hls",), ("q",))
    inputs = [value for key, value in pairwise(second.argv) if key == "-i"]
    assert set(inputs) == {"file:/s/source", "file:/s/out/hls/720p.mp4", "file:/s/out/hls/480p.mp4"}
    assert inputs[second.film_input] == "file:/s/source"
    text = filters_of(second.argv)
    assert (text.count("psnr="), text.count("ssim=")) == (2, 2)
    assert text.count("scale=1920:1080") == 2, "each rendition; the film has that size already"
    assert len(plan.weights) == 4
    assert all(weight > 0 for weight in plan.weights if weight != plan.weights[1])


def test_the_reference_is_what_went_into_the_encoder() -> None:
    film = a_film(video=a_video(coded=Size(641, 360), variable=True, interlaced=True))
    _, second = planned(hls("hls", 144), quality("PSNR"), film=film).passes
    text = filters_of(second.argv)
    assert "bwdif" in text
    assert text.count("scale=640:360") == 2
    assert text.count("fps=fps=25") == 1, "the rendition has even distances already"
    assert text.count("settb=1/25") == 2


def test_vmaf_is_measured_where_ffmpeg_can() -> None:
    plan = with_vmaf(hls("hls", 720), quality())
    assert "libvmaf=" in filters_of(plan.passes[1].argv)
    assert plan.warnings == ()


def test_vmaf_is_measured_beside_ffmpeg_where_the_program_is() -> None:
    plan = with_vmaf(hls("hls", 720, 480), quality(), by="vmaf")
    assert plan.warnings == ()
    second = plan.passes[1]
    text = filters_of(second.argv)
    assert "libvmaf" not in text
    assert (text.count("psnr="), text.count("ssim="), text.count("untile=")) == (2, 2, 2)
    written = [word for word in second.argv if word.endswith(".yuv")]
    assert written == ["/s/work/q/720p-both.yuv", "/s/work/q/480p-both.yuv"]
    for companion, path in zip(second.companions, written, strict=True):
        assert str(companion.source) == path
        told = dict(pairwise(companion.argv))
        assert [told["--reference"], told["--distorted"]] == [str(p) for p in companion.pipes]
        assert (told["--width"], told["--height"], told["--bitdepth"]) == ("1920", "1080", "8")
        assert int(told["--threads"]) == BUDGET.threads // 2
        assert companion.frame_bytes == 1920 * 1080 * 3 // 2


def test_pictures_of_ten_bits_are_compared_as_such() -> None:
    film = a_film(video=a_video(pixel_format="yuv420p10le"))
    steps = (mp4("web", 720, codec="HEVC", bitDepth=10), quality("VMAF", of="web"))
    plan = build_plan(steps, film, SCRATCH, BUDGET, extras=frozenset({"vmaf"}))
    (companion,) = plan.passes[1].companions
    assert dict(pairwise(companion.argv))["--bitdepth"] == "10"
    assert companion.frame_bytes == 1920 * 1080 * 3


def test_what_is_read_out_of_pipes_costs_as_much() -> None:
    inside = with_vmaf(hls("hls", 720), quality("VMAF")).passes[1]
    beside = with_vmaf(hls("hls", 720), quality("VMAF"), by="vmaf").passes[1]
    assert beside.weight == inside.weight
    assert beside.scratch_bytes == inside.scratch_bytes
    assert beside.memory_bytes > inside.memory_bytes


def test_vmaf_is_left_out_with_a_reason_where_it_can_not() -> None:
    plan = planned(hls("hls", 720), quality())
    assert "libvmaf" not in filters_of(plan.passes[1].argv)
    (warning,) = plan.warnings
    assert (warning.reason, "neither the program vmaf nor" in warning.message) == (
        *("MetricUnavailable", True),
    )


def test_without_anything_to_measure_there_is_no_second_pass() -> None:
    (stage,) = planned(hls("hls", 720), quality("VMAF")).passes
    assert stage.steps == ("hls", "q")


def test_what_is_estimated_grows_with_what_is_measured() -> None:
    little = with_vmaf(hls("hls", 720), quality("PSNR")).passes[1]
    much = with_vmaf(hls("hls", 720, 480), quality()).passes[1]
    assert little.weight < much.weight
    assert little.memory_bytes < much.memory_bytes
    assert little.scratch_bytes < much.scratch_bytes
