"""How video is encoded: codecs, and what each of them knows of presets, profiles and tunes.

Pure. ``transcode`` lets a step and each of its renditions say these fields; nothing here knows steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Annotated, Any

from pydantic import Field, JsonValue

from ..base import Model


class VideoCodec(StrEnum):
    """The codecs that video is encoded to."""

    H264 = "H264"
    HEVC = "HEVC"
    AV1 = "AV1"


class Preset(StrEnum):
    """Speed against size: names for H264 and HEVC, numbers for AV1."""

    ULTRAFAST = "ultrafast"
    SUPERFAST = "superfast"
    VERYFAST = "veryfast"
    FASTER = "faster"
    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"
    SLOWER = "slower"
    VERYSLOW = "veryslow"
    P2 = "2"
    P3 = "3"
    P4 = "4"
    P5 = "5"
    P6 = "6"
    P7 = "7"
    P8 = "8"
    P9 = "9"
    P10 = "10"
    P11 = "11"
    P12 = "12"


class Profile(StrEnum):
    """What a decoder must be able to do."""

    BASELINE = "baseline"
    MAIN = "main"
    HIGH = "high"
    HIGH10 = "high10"
    MAIN10 = "main10"


class Tune(StrEnum):
    """What the encoder should favour."""

    FILM = "film"
    ANIMATION = "animation"
    GRAIN = "grain"
    STILLIMAGE = "stillimage"
    FASTDECODE = "fastdecode"
    ZEROLATENCY = "zerolatency"
    PSNR = "psnr"
    SSIM = "ssim"
    VQ = "vq"


class BitDepth(IntEnum):
    """Bits of each sample."""

    EIGHT = 8
    TEN = 10


class Hdr(StrEnum):
    """What becomes of high dynamic range."""

    KEEP = "Keep"
    TONE_MAP = "ToneMap"


@dataclass(frozen=True)
class CodecTraits:
    """What a codec's encoder understands, and what is taken where nothing is said."""

    presets: tuple[Preset, ...]
    default_preset: Preset
    tunes: tuple[Tune, ...]
    profiles: dict[int, tuple[Profile, ...]]
    """By bit depth; the first is the default."""
    max_crf: int
    default_crf: int


_NAMED = tuple(p for p in Preset if not p.value.isdecimal())
_NUMBERED = tuple(p for p in Preset if p.value.isdecimal())
_TUNES = (Tune.ANIMATION, Tune.GRAIN, Tune.FASTDECODE, Tune.ZEROLATENCY, Tune.PSNR, Tune.SSIM)

TRAITS = {
    VideoCodec.H264: CodecTraits(
        presets=_NAMED,
        default_preset=Preset.VERYFAST,
        tunes=(Tune.FILM, *_TUNES, Tune.STILLIMAGE),
        profiles={8: (Profile.HIGH, Profile.MAIN, Profile.BASELINE), 10: (Profile.HIGH10,)},
        max_crf=51,
        default_crf=23,
    ),
    VideoCodec.HEVC: CodecTraits(
        presets=_NAMED,
        default_preset=Preset.VERYFAST,
        tunes=_TUNES,
        profiles={8: (Profile.MAIN,), 10: (Profile.MAIN10,)},
        max_crf=51,
        default_crf=26,
    ),
    VideoCodec.AV1: CodecTraits(
        presets=_NUMBERED,
        default_preset=Preset.P8,
        tunes=(Tune.VQ, Tune.PSNR),
        profiles={8: (Profile.MAIN,), 10: (Profile.MAIN,)},
        max_crf=63,
        default_crf=33,
    ),
}

_TEN_BIT = tuple(p for t in TRAITS.values() for p in t.profiles[10] if p not in t.profiles[8])
"""Profiles that say the bit depth themselves."""

_MAX_KBPS = 400_000
_Kbps = Annotated[int, Field(ge=50, le=_MAX_KBPS)]

_HDR_MESSAGE = "hdr: Keep needs bitDepth: 10 and codec HEVC or AV1"
_RATE_MESSAGE = "maxBitrateKbps is less than bitrateKbps; raise it"


class VideoSettings(Model):
    """How video is encoded, as far as it is said."""

    codec: VideoCodec | None = Field(
        default=None,
        description="H264 plays everywhere; HEVC and AV1 are smaller and take longer.",
    )
    crf: Annotated[int, Field(ge=0, le=63)] | None = Field(
        default=None,
        description="Constant rate factor: lower is better and larger; up to 51, AV1 up to 63. By "
        "default 23 for H264, 26 for HEVC, 33 for AV1.",
    )
    max_bitrate_kbps: _Kbps | None = Field(
        default=None,
        description="Cap of the bitrate. By default it follows size, frame rate and codec: 8000 "
        "for 1080p H264 up to 30 frames a second.",
    )
    bitrate_kbps: _Kbps | None = Field(
        default=None, description="Average bitrate, instead of a constant rate factor."
    )
    preset: Preset | None = Field(
        default=None,
        description="Speed against size: ultrafast to veryslow for H264 and HEVC (by default "
        "veryfast), '2' (slow) to '12' for AV1 (by default '8').",
    )
    profile: Profile | None = Field(
        default=None,
        description="For H264 baseline, main, high (8 bit) or high10; for HEVC main or main10; for "
        "AV1 main. By default the one that compresses best at the bit depth.",
    )
    tune: Tune | None = Field(
        default=None,
        description="What to favour: animation, grain, fastdecode, zerolatency, psnr, ssim; for "
        "H264 also film and stillimage; for AV1 only vq and psnr.",
    )
    bit_depth: BitDepth | None = Field(
        default=None, description="8 or 10 bits for each sample; by default 8, or the profile's."
    )
    hdr: Hdr | None = Field(
        default=None,
        description="Of a film with high dynamic range: Keep it (with its metadata, in 10 bit HEVC "
        "or AV1), or ToneMap it for ordinary screens. By default it is kept where codec and bit "
        "depth can hold it.",
    )


@dataclass(frozen=True)
class Settled:
    """How one rendition is encoded, with nothing left open but the cap."""

    codec: VideoCodec
    crf: int | None
    """None where a bitrate is asked for."""
    bitrate_kbps: int | None
    max_bitrate_kbps: int | None
    preset: Preset
    profile: Profile
    tune: Tune | None
    bit_depth: int
    keeps_hdr: bool

    def __str__(self) -> str:
        rate = f"crf {self.crf}" if self.crf is not None else f"{self.bitrate_kbps} kbit/s"
        return f"{self.codec} {self.profile}, {rate}, preset {self.preset}"


_RATES = {"crf": "bitrate_kbps", "bitrate_kbps": "crf"}


def settle(step: VideoSettings, own: VideoSettings) -> Settled:
    """What a rendition says itself, then what its step says, then its codec's defaults.

    A rendition of another codec than its step's takes nothing of the step but ``hdr``: a preset or a
    rate factor of one codec means nothing to another.

    Raises:
        ValueError: if something does not fit the codec, or each other.
    """
    said = {
        name: value
        for name in VideoSettings.model_fields
        if (value := getattr(own, name)) is not None
    }
    codec = own.codec or step.codec or VideoCodec.H264
    inherited = VideoSettings.model_fields if codec is (step.codec or VideoCodec.H264) else ("hdr",)
    for name in inherited:
        value = getattr(step, name)
        if value is not None and name not in said and _RATES.get(name) not in said:
            said[name] = value
    traits = TRAITS[codec]
    profile = said.get("profile")
    depth = int(said.get("bit_depth") or (10 if profile in _TEN_BIT else 8))
    settled = Settled(
        codec=codec,
        crf=None if "bitrate_kbps" in said else said.get("crf", traits.default_crf),
        bitrate_kbps=said.get("bitrate_kbps"),
        max_bitrate_kbps=said.get("max_bitrate_kbps"),
        preset=said.get("preset", traits.default_preset),
        profile=profile or traits.profiles[depth][0],
        tune=said.get("tune"),
        bit_depth=depth,
        keeps_hdr=said.get("hdr", Hdr.KEEP) is Hdr.KEEP
        and depth == 10
        and codec is not VideoCodec.H264,
    )
    _check(settled, said)
    return settled


def _check(settled: Settled, said: dict[str, Any]) -> None:
    codec, traits = settled.codec, TRAITS[settled.codec]
    if "crf" in said and "bitrate_kbps" in said:
        raise ValueError("crf and bitrateKbps exclude each other; keep one of them")
    if said.get("crf", 0) > traits.max_crf:
        raise ValueError(f"{codec} has crf 0 to {traits.max_crf}, not {said['crf']}")
    if settled.preset not in traits.presets:
        raise ValueError(f"{codec} has no preset {settled.preset}; {_choose(traits.presets)}")
    if settled.tune is not None and settled.tune not in traits.tunes:
        raise ValueError(f"{codec} has no tune {settled.tune}; {_choose(traits.tunes)}")
    if settled.profile not in traits.profiles[settled.bit_depth]:
        raise ValueError(
            f"{codec} has no profile {settled.profile} of {settled.bit_depth} bit; "
            f"{_choose(traits.profiles[settled.bit_depth])}, or change bitDepth"
        )
    if said.get("hdr") is Hdr.KEEP and not settled.keeps_hdr:
        raise ValueError(f"{_HDR_MESSAGE}, not {codec} of {settled.bit_depth} bit")
    most = settled.max_bitrate_kbps
    if most is not None and settled.bitrate_kbps is not None and most < settled.bitrate_kbps:
        raise ValueError(f"{_RATE_MESSAGE} from {most} to {settled.bitrate_kbps} or more")


def _choose(choices: tuple[StrEnum, ...]) -> str:
    words = [f"'{c}'" if c.value.isdecimal() else str(c) for c in choices]
    return (
        f"choose {', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else f"it has {words[0]}"
    )


def build_rules(each: str, codec: str) -> list[JsonValue]:
    """The same in CEL, for what a step or a rendition says itself.

    Args:
        each: a CEL pattern with ``%s`` where a condition on the settings ``s`` stands.
        codec: the CEL expression of their codec.
    """

    def fitting(field: str, allowed: Mapping[VideoCodec, tuple[StrEnum, ...]]) -> str:
        options = " : ".join(
            f"{codec} == '{c}' ? s.{field} in {[str(v) for v in values]}"
            for c, values in allowed.items()
        )
        return f"!has(s.{field}) || ({options} : false)"

    profiles = {c: tuple(p for ps in t.profiles.values() for p in ps) for c, t in TRAITS.items()}
    presets = {c: t.presets for c, t in TRAITS.items()}
    tunes = {c: t.tunes for c, t in TRAITS.items()}
    rules = [
        (
            "!(has(s.crf) && has(s.bitrateKbps))",
            "crf and bitrateKbps exclude each other; keep one of them",
        ),
        (
            f"!has(s.crf) || s.crf <= 51 || {codec} == 'AV1'",
            "H264 and HEVC have crf 0 to 51; only AV1 goes up to 63",
        ),
        (
            fitting("preset", presets),
            "the codec has no such preset: H264 and HEVC have ultrafast to veryslow, AV1 has '2' to '12'",
        ),
        (
            fitting("tune", tunes),
            "the codec has no such tune: AV1 has vq and psnr; film and stillimage are H264's",
        ),
        (
            fitting("profile", profiles),
            "the codec has no such profile: H264 has baseline, main, high and high10, HEVC main and "
            "main10, AV1 main",
        ),
    ]
    return [{"rule": each % condition, "message": message} for condition, message in rules]


_SAME_CODEC = "(!has(s.codec) || s.codec == self.codec)"


def _said(field: str, otherwise: str, inherits: str = _SAME_CODEC) -> str:
    """What a rendition says in CEL: itself, else by its step where it inherits, as in ``settle``."""
    return f"(has(s.{field}) ? s.{field} : {inherits} && has(self.{field}) ? self.{field} : {otherwise})"


def build_settled_rules(each: str, codec: str) -> list[JsonValue]:
    """In CEL what has to fit together, for what a rendition ``s`` and its step ``self`` say as one.

    Args:
        each: a CEL pattern with ``%s`` where a condition on a rendition stands.
        codec: the CEL expression of its codec.
    """
    profile, hdr = _said("profile", "''"), _said("hdr", "''", "true")
    is_ten = f"{profile} in {[str(p) for p in _TEN_BIT]}"
    depth = _said("bitDepth", f"({is_ten} ? 10 : 8)")
    rate = _said("bitrateKbps", "0", f"!has(s.crf) && {_SAME_CODEC}")
    rules = [
        (
            f"{codec} == 'AV1' || {profile} == '' || ({is_ten}) == ({depth} == 10)",
            "profile and bitDepth do not fit: high10 and main10 are of 10 bit, H264's and HEVC's others "
            "of 8; change one of them",
        ),
        (f"{hdr} != 'Keep' || ({depth} == 10 && {codec} != 'H264')", _HDR_MESSAGE),
        (f"{rate} <= {_said('maxBitrateKbps', str(_MAX_KBPS))}", _RATE_MESSAGE),
    ]
    return [{"rule": each % condition, "message": message} for condition, message in rules]
