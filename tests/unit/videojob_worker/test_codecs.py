"""What each encoder is told; no encoder runs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from media_builders import BUDGET, SCRATCH, a_film, a_video, hls, mp4, option

from videojob_api.steps import Step, VideoCodec
from videojob_worker.device import build_nvenc_probe, choose_device
from videojob_worker.encoders import CPU, NVENC, Device, VideoEncoder
from videojob_worker.errors import FFmpegFailed
from videojob_worker.ladder import rate_cap_kbps
from videojob_worker.media import Mastering, MediaInfo, Size
from videojob_worker.plan import build_plan

GPU = Device(frozenset(NVENC.values()))
SRGB = tuple(Fraction(n, 1000) for n in (265, 690, 150, 60, 680, 320, 313, 329))
HDR_FILM = a_film(
    video=a_video(
        pixel_format="yuv420p10le",
        transfer="smpte2084",
        primaries="bt2020",
        matrix="bt2020nc",
        mastering=Mastering(SRGB, (Fraction(1000), Fraction(1, 200)), (1000, 400)),
    )
)


def argv_of(*steps: Step, film: MediaInfo | None = None, device: Device = CPU) -> tuple[str, ...]:
    (stage,) = build_plan(steps, film or a_film(), SCRATCH, BUDGET, device).passes
    return stage.argv


def one(argv: tuple[str, ...], name: str) -> str:
    (value,) = option(argv, f"-{name}:v:0")
    return value


def test_hevc_in_full() -> None:
    argv = argv_of(mp4("web", 720, codec="HEVC", tune="grain"))
    expected = {
        "c": "libx265",
        "preset": "veryfast",
        "profile": "main",
        "tune": "grain",
        "tag": "hvc1",
        "crf": "26",
        "maxrate": "2800k",
        "forced-idr": "1",
        "x265-params": "log-level=error:info=0:open-gop=0:scenecut=0:pools=2:frame-threads=2",
    }
    assert {name: one(argv, name) for name in expected} == expected


def test_av1_in_full() -> None:
    argv = argv_of(mp4("web", 720, codec="AV1", bitDepth=10, crf=30))
    expected = {
        "c": "libsvtav1",
        "preset": "8",
        "pix_fmt": "yuv420p10le",
        "crf": "30",
        "maxrate": "2400k",
        "g": "100",
        "force_key_frames": "expr:not(mod(n,100))",
        "svtav1-params": "lp=1:scd=0",
    }
    assert {name: one(argv, name) for name in expected} == expected


def test_an_average_bitrate_has_a_cap_but_not_with_svt_av1() -> None:
    argv = argv_of(mp4("web", 720, bitrateKbps=1000))
    assert (one(argv, "b"), one(argv, "maxrate"), one(argv, "bufsize")) == (
        *("1000k", "1500k", "3000k"),
    )
    assert option(argv, "-crf:v:0") == []
    argv = argv_of(mp4("web", 720, bitrateKbps=1000, codec="AV1"))
    assert (one(argv, "b"), option(argv, "-maxrate:v:0")) == ("1000k", [])


def test_groups_of_a_ladder_with_av1_are_counted_in_frames_by_every_encoder() -> None:
    ladder = [{"height": 720}, {"height": 480, "codec": "AV1"}]
    step = hls("hls", 720).model_copy()
    step = Step.model_validate(
        {"name": "hls", "transcode": {"packaging": "HLS", "renditions": ladder, "gopSeconds": 2}}
    )
    film = a_film(video=a_video(frame_rate=Fraction(30000, 1001)))
    argv = argv_of(step, film=film)
    forced = [option(argv, f"-force_key_frames:v:{n}") for n in (0, 1)]
    assert [*forced[0], *forced[1]] == ["expr:not(mod(n,60))"] * 2
    assert option(argv_of(hls("hls", 720)), "-force_key_frames:v:0") == ["expr:gte(t,n_forced*4)"]


@pytest.mark.parametrize(
    ("codec", "parameter"),
    [
        (
            "HEVC",
            "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15650,16450)"
            "L(10000000,50):max-cll=1000,400",
        ),
        (
            "AV1",
            "mastering-display=G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)"
            "WP(0.31300,0.32900)L(1000.0000,0.0050):content-light=1000,400",
        ),
    ],
)
def test_what_a_film_says_of_its_range_is_passed_on(codec: str, parameter: str) -> None:
    argv = argv_of(mp4("web", 1080, codec=codec, bitDepth=10), film=HDR_FILM)
    name = {"HEVC": "x265-params", "AV1": "svtav1-params"}[codec]
    assert one(argv, name).endswith(parameter)
    text = option(argv, "-filter_complex")[0]
    assert "color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv" in text
    assert "tonemap" not in " ".join(argv)


def test_tone_mapping_is_done_once_after_the_first_downscale() -> None:
    ladder: dict[str, Any] = {"packaging": "HLS"}
    text = option(argv_of(mp4("web", 720, 480, **ladder), film=HDR_FILM), "-filter_complex")[0]
    assert text.index("scale=1280:720") < text.index("tonemap=") < text.index("scale=854:480")
    assert text.count("tonemap=") == 1
    assert "tonemap=mobius:desat=0:peak=4.926" in text
    unsaid = a_film(video=a_video(pixel_format="yuv420p10le", transfer="arib-std-b67", matrix=None))
    text = option(argv_of(mp4("web", 720), film=unsaid), "-filter_complex")[0]
    assert "matrixin=bt2020nc" in text
    assert "transferin=arib-std-b67" in text


@pytest.mark.parametrize(
    ("codec", "encoder", "tag"),
    [
        ("H264", "h264_nvenc", []),
        ("HEVC", "hevc_nvenc", ["hvc1"]),
        ("AV1", "av1_nvenc", []),
    ],
)
def test_a_gpu_encodes_every_codec_it_has_proven_to(
    codec: str, encoder: str, tag: list[str]
) -> None:
    argv = argv_of(mp4("web", 720, codec=codec), device=GPU)
    assert (one(argv, "c"), one(argv, "rc"), option(argv, "-tag:v:0")) == (encoder, "vbr", tag)
    assert one(argv, "cq") == {"H264": "23", "HEVC": "26", "AV1": "33"}[codec]
    assert option(argv, "-crf:v:0") == []


def test_ten_bit_on_a_gpu() -> None:
    argv = argv_of(mp4("web", 720, codec="HEVC", bitDepth=10), device=GPU)
    assert (one(argv, "pix_fmt"), one(argv, "profile")) == ("p010le", "main10")
    assert one(argv_of(mp4("web", 720, bitDepth=10), device=GPU), "c") == "libx264"


class Cards:
    """Tools whose GPU can do what some words of a command stand for."""

    def __init__(self, *working: str) -> None:
        self.working = set(working)
        self.commands: list[tuple[str, ...]] = []

    def run(self, argv: tuple[str, ...], *, timeout_seconds: float) -> None:
        self.commands.append(argv)
        if not self.working & set(argv):
            raise FFmpegFailed(f"not within {timeout_seconds} s")

    def choose(self, accelerator: str | None, film: MediaInfo) -> Device:
        """What the worker takes for the film."""
        return choose_device(accelerator, self, film, SCRATCH.source, 9999)  # type: ignore[arg-type]


def test_each_encoder_must_prove_itself() -> None:
    cards = Cards(VideoEncoder.H264_NVENC.value, VideoEncoder.HEVC_NVENC.value)
    device = cards.choose("nvidia.com/gpu", a_film(video=None))
    assert device.hardware == {VideoEncoder.H264_NVENC, VideoEncoder.HEVC_NVENC}
    assert device.reason is None
    assert cards.commands == [build_nvenc_probe(encoder) for encoder in NVENC.values()]
    assert device.encoder(VideoCodec.AV1) is VideoEncoder.SVT_AV1


def test_without_a_gpu_nothing_is_tried_and_without_encoders_the_reason_is_said() -> None:
    cards = Cards()
    assert cards.choose(None, a_film()) is CPU
    assert cards.commands == []
    assert cards.choose("nvidia.com/gpu", a_film()).reason == "EncoderUnavailable"


@pytest.mark.parametrize(("codec", "cap"), [("H264", 8000), ("HEVC", 5600), ("AV1", 4800)])
def test_better_codecs_have_lower_caps(codec: str, cap: int) -> None:
    assert rate_cap_kbps(Size(1920, 1080), Fraction(25), VideoCodec(codec)) == cap


def test_slower_settings_weigh_more() -> None:
    def weight(**spec: Any) -> float:
        return build_plan((mp4("web", 1080, **spec),), a_film(), SCRATCH, BUDGET).passes[0].weight

    assert weight() < weight(codec="HEVC") < weight(codec="HEVC", bitDepth=10)
    assert weight(codec="AV1", preset="12") < weight(codec="AV1") < weight(codec="AV1", preset="4")
    assert weight(preset="ultrafast") < weight(preset="veryslow")


def test_transparency_lies_over_black() -> None:
    film = a_film(video=replace(a_video(), pixel_format="yuva444p12le"))
    assert option(argv_of(mp4("web", 720), film=film), "-filter_complex")[0].startswith(
        "[0:0]premultiply=inplace=1[s0];[s0]scale=1280:720"
    )
