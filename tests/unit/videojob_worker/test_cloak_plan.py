"""The plan of a cloak: one noise for all that is made of it, in the same pass."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from media_builders import BUDGET, SCRATCH, a_film, a_step, a_video, mp4, option, the_pass

from videojob_worker.diagram import build_diagram
from videojob_worker.errors import NotDoable
from videojob_worker.graph import Container
from videojob_worker.media import MediaInfo, Size
from videojob_worker.nodes import Form, Noise
from videojob_worker.plan import Pass, build_plan
from videojob_worker.steps.cloak_report import build_text

CLOAK = a_step("protect", cloak={"epsilon": 0.08})
WEB = a_step("web", **{"from": "protect"}, transcode={"renditions": [{"height": 720}]})
POSTER = a_step("poster", **{"from": "protect"}, thumbnails={"count": 3})


def noises_of(stage: Pass) -> tuple[Noise, ...]:
    return tuple(feed.noise for feed in stage.feeds)


def test_renditions_and_pictures_share_one_noise() -> None:
    stage = the_pass(CLOAK, mp4("plain", 1080), WEB, POSTER)
    argv = stage.argv
    text = " ".join(argv)
    assert text.count("blend=c0_mode=grainmerge:c1_mode=normal:c2_mode=normal:shortest=1") == 1
    assert text.count("-f rawvideo") == 1
    assert option(argv, "-framerate") == ["5/2"]
    assert option(argv, "-video_size") == ["1920x1080"]
    assert option(argv, "-i") == ["file:/s/source", "file:/s/work/protect/noise"]
    (noise,) = noises_of(stage)
    assert (noise.bound, noise.size, noise.frame_rate) == (20, Size(1920, 1080), Fraction(5, 2))


def test_the_seed_is_neither_in_the_command_nor_in_the_plan() -> None:
    seed = bytes(range(65, 97))
    plan = build_plan([CLOAK, WEB], a_film(), SCRATCH, BUDGET, seed=seed)
    (noise,) = noises_of(plan.passes[0])
    told = repr(plan) + " ".join(build_diagram(plan.passes[0].graph).boxes.values())
    assert "Noise noise, method gabor, bound 20, 1920x1080, frame rate 5/2, bit depth 8" in told
    for secret in (seed, noise.seed):
        assert repr(secret)[2:-1] not in told
        assert secret.hex() not in told


def test_each_step_has_noise_of_its_own() -> None:
    other = a_step("other", cloak={"epsilon": 0.08})
    first, second = noises_of(the_pass(CLOAK, other))
    assert first.path != second.path
    assert first.seed != second.seed


def test_a_leaf_encodes_the_pictures_finely_and_copies_the_sound() -> None:
    stage = the_pass(CLOAK)
    assert option(stage.argv, "-c:v:0") == ["libx264"]
    assert option(stage.argv, "-crf:v:0") == ["18"]
    assert option(stage.argv, "-c:a:0") == ["copy"]
    (output,) = stage.outputs
    assert (output.path.name, output.file.container) == ("film.mp4", Container.FASTSTART_MP4)


def test_a_leaf_of_a_webm_is_an_mp4() -> None:
    film = a_film(video=a_video(codec="vp9"), format_name="matroska,webm")
    (output,) = the_pass(CLOAK, film=film).outputs
    assert output.file.container is Container.FASTSTART_MP4


def test_noise_is_made_for_what_viewers_see() -> None:
    portrait = a_film(video=a_video(rotation=90, pixel_format="yuv422p10le"))
    stage = the_pass(CLOAK, film=portrait)
    text = " ".join(stage.argv)
    assert noises_of(stage)[0].size == Size(1080, 1920)
    assert text.index("format=yuv420p") < text.index("blend=")


def test_pictures_at_given_times_read_the_noise_through_from_its_beginning() -> None:
    stage = the_pass(CLOAK, a_step("at", **{"from": "protect"}, thumbnails={"times": [5, 9]}))
    assert option(stage.argv, "-i") == ["file:/s/source", "file:/s/work/protect/noise"]
    assert "-ss" not in stage.argv


def test_what_is_cloaked_is_never_copied() -> None:
    remuxed = a_step(
        "web",
        **{"from": "protect"},
        transcode={"remux": "WhenPossible", "packaging": "MP4", "renditions": [{"height": 1080}]},
    )
    (encoding, _, _), *_ = the_pass(CLOAK, remuxed).encodings
    assert encoding.picture.conformed
    clean = a_step("bare", **{"from": "protect"}, clean={})
    (output,) = the_pass(CLOAK, clean).outputs
    assert output.copy is None
    assert output.video is not None


def test_noise_goes_on_over_a_stretch() -> None:
    """Whether the film is cut before the noise or after, the pass expects the stretch."""
    spec = {
        "trim": {"startSeconds": 4, "endSeconds": 9},
        "packaging": "MP4",
        "renditions": [{"height": 1080}],
    }
    before = the_pass(a_step("cut", transcode=spec), a_step("p", **{"from": "cut"}, cloak={}))
    after = the_pass(CLOAK, a_step("cut", **{"from": "protect"}, transcode=spec))
    for stage in (before, after):
        assert len(noises_of(stage)) == 1
        assert {stage.expected_seconds} == {Fraction(5)}


def test_a_leaf_of_a_stretch_keeps_the_depth_that_it_has() -> None:
    spec = {"trim": {"startSeconds": 4}, "packaging": "MP4", "renditions": [{"height": 1080}]}
    cut = a_step("cut", transcode=spec)
    deep = a_film(video=a_video(codec="hevc", pixel_format="yuv420p10le"))
    stage = the_pass(cut, a_step("bare", **{"from": "cut"}, clean={}), film=deep)
    codecs = {e.settings.codec: e.form.bit_depth for e, _, _ in stage.encodings}
    assert codecs == {"H264": 8, "HEVC": 10}


def a_deep_film(**more: str) -> MediaInfo:
    return a_film(video=a_video(codec="hevc", pixel_format="yuv420p10le", **more))


BRIGHT = {"transfer": "smpte2084", "primaries": "bt2020", "matrix": "bt2020nc"}


@pytest.mark.parametrize("light", [{}, BRIGHT], ids=["SDR", "HDR"])
def test_a_deep_film_keeps_its_depth_and_its_range(light: dict[str, str]) -> None:
    """Noise of 10 bit, of the same share of the range; a leaf is HEVC, which keeps both."""
    plan = build_plan([CLOAK], a_deep_film(**light), SCRATCH, BUDGET)
    (stage,) = plan.passes
    (noise,) = noises_of(stage)
    assert plan.warnings == ()
    assert (noise.bit_depth, noise.bound) == (10, 82)
    assert option(stage.argv, "-pixel_format") == ["yuv420p10le"]
    assert option(stage.argv, "-c:v:0") == ["libx265"]
    assert "tonemap" not in " ".join(stage.argv)
    (encoding, _, _) = stage.encodings[0]
    assert encoding.form == Form(10, hdr=bool(light))


@pytest.mark.parametrize(
    ("film", "matrix"),
    [
        (a_film(video=a_video(matrix="smpte170m")), "smpte170m"),
        (a_film(video=a_video(matrix=None)), "bt709"),
        (a_film(video=a_video(matrix=None, coded=Size(640, 360))), None),
        (a_deep_film(**BRIGHT), "bt2020nc"),
    ],
)
def test_noise_has_the_films_matrix_or_a_filter_would_convert_it(
    film: MediaInfo, matrix: str | None
) -> None:
    """ffmpeg 7 does so between pictures that say different things of themselves."""
    (graph,) = option(the_pass(CLOAK, film=film).argv, "-filter_complex")
    said = re.search(r"\[1\]setparams=colorspace=(\w+)", graph)
    assert (said and said[1]) == matrix


def test_a_rendition_for_ordinary_screens_is_tone_mapped_after_the_noise() -> None:
    stage = the_pass(CLOAK, WEB, film=a_deep_film(**BRIGHT))
    text = " ".join(stage.argv)
    assert text.index("blend=") < text.index("tonemap")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"everyNFrames": 4}, "every 4 frames"),
        ({"epsilon": 0.1, "strength": 1.5}, "amplitude of 0.15"),
        ({"epsilon": 0.2, "everyNFrames": 1}, "every 1 frames .* and an amplitude of 0.20"),
    ],
)
def test_it_warns_where_files_grow_much(spec: dict[str, float], told: str) -> None:
    plan = build_plan([a_step("protect", cloak=spec)], a_film(), SCRATCH, BUDGET)
    (warning,) = plan.warnings
    assert (warning.step, warning.reason) == ("protect", "BitrateExplodes")
    assert re.search(told, warning.message)


def test_the_default_is_no_reason_to_warn() -> None:
    assert build_plan([a_step("p", cloak={})], a_film(), SCRATCH, BUDGET).warnings == ()


def test_a_report_compares_two_trials_in_a_pass_after() -> None:
    asked = a_step("protect", cloak={"epsilon": 0.08, "report": True})
    plan = build_plan([asked, WEB], a_film(), SCRATCH, BUDGET)
    making, comparing = plan.passes
    assert [o.path.name for o in making.outputs] == ["control.mp4", "cloaked.mp4", "720p.mp4"]
    assert comparing.steps == ("protect-report",)
    assert noises_of(comparing) == ()  # with the film as it was before
    shown = [pictures.folder.name for pictures in comparing.graph.pictures]
    assert shown == [
        *("seen-before", "seen-control", "seen-controlhalved", "seen-controldenoised"),
        *("seen-cloaked", "seen-cloakedhalved", "seen-cloakeddenoised"),
    ]
    text = " ".join(comparing.argv)
    assert text.count("hqdn3d") == 2
    assert text.count("scale=640:360") == 2
    assert text.count("scale=260:260") == 7
    trials = [
        e for e, _, _ in making.encodings if e.settings.crf == 23 and e.size == Size(1280, 720)
    ]
    assert len({e.picture for e in trials}) == 2
    assert len(build_plan([CLOAK, WEB], a_film(), SCRATCH, BUDGET).passes) == 1


ASKED = {
    "classifier": {"name": "EfficientNet-lite2"},
    "surrogate": {"name": "EfficientNet-lite0"},
    "afterPurifier": {
        "none": {
            "codecOnly": {"frames": 64, "changed": 0.25, "interval": [0.1, 0.4]},
            "cloakedAndCodec": {"frames": 64, "changed": 0.75, "interval": [0.6, 0.9]},
            "ofThoseTheCodecLeft": {"frames": 0, "changed": None, "interval": None},
        }
    },
}


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"unavailable": "No torch."}, ["were not looked at: No torch.", "Nothing is known"]),
        (
            ASKED,
            [
                "**Labels** of EfficientNet-lite2",
                "computed against EfficientNet-lite0, of the same family",
                "| none | 25% (10% to 40%) of 64 | 75% (60% to 90%) of 64 | none left |",
            ],
        ),
    ],
)
def test_a_report_tells_both_and_what_is_not_known(labels: dict[str, Any], told: list[str]) -> None:
    measured = {"kbps": 100.0, "PSNR": {"mean": 40.25}, "SSIM": {"mean": 0.98}}
    text = build_text(
        {
            "cloak": {"method": "Gabor", "epsilon": 0.08, "strength": 1.0, "everyNFrames": 10},
            "comparedAt": {"width": 1280, "height": 720},
            "control": measured,
            "cloaked": {**measured, "kbps": 450.0},
            "bitrateTimes": 4.5,
            "labels": labels,
            "doesNotProtectFrom": ["Eyes."],
        }
    )
    assert "| codec only | 100 | 40.2 | 0.980 |" in text
    assert "| cloaked | 450 |" in text
    assert "4.5 times the bitrate" in text
    for line in told:
        assert line in text
    assert "- Eyes." in text


GRADIENT = a_step("protect", cloak={"method": "Gradient", "epsilon": 0.08})


def test_gradients_see_the_film_through_a_process_of_their_own() -> None:
    stage = the_pass(GRADIENT, WEB)
    (feed,) = stage.feeds
    assert feed.look is not None
    text = " ".join(feed.look.argv)
    assert option(feed.look.argv, "-i") == ["file:/s/source"]
    # The middle frame of each ten, in the square that the network looks at.
    assert "fps=fps=5/2:start_time=0" in text
    assert "scale=224:224" in text
    assert "format=rgb24" in text
    assert text.endswith("-f rawvideo -fps_mode passthrough /s/work/protect/noise.frames")
    assert option(feed.look.argv, "-max_pixels") == option(stage.argv, "-max_pixels")[:1]
    assert all(feed.look is None for feed in the_pass(CLOAK, WEB).feeds)


def test_gradients_do_not_see_the_noise_below_them() -> None:
    over = a_step("over", **{"from": "protect"}, cloak={"method": "Gradient"})
    stage = the_pass(CLOAK, over)
    look = next(feed.look for feed in stage.feeds if feed.look)
    assert "blend" not in " ".join(look.argv)
    assert " ".join(stage.argv).count("blend=") == 2


def test_gradients_see_what_is_bright_as_ordinary_screens_show_it() -> None:
    (feed,) = the_pass(GRADIENT, film=a_deep_film(**BRIGHT)).feeds
    assert feed.look is not None
    assert "tonemap" in " ".join(feed.look.argv)


def test_a_network_takes_memory_and_time_beside_the_pass() -> None:
    plain, heavy = the_pass(CLOAK, WEB), the_pass(GRADIENT, WEB)
    assert heavy.memory_bytes - plain.memory_bytes > 700 << 20
    assert heavy.weight > plain.weight * 1.3
    small = replace(BUDGET, memory_bytes=600 << 20)
    with pytest.raises(NotDoable, match=r"need about .* of memory"):
        build_plan([GRADIENT, WEB], a_film(), SCRATCH, small)
