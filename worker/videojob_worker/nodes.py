"""The points that pictures and sound pass through inside one ffmpeg process.

Steps build them, ``graph`` holds them, ``commands.filters`` says each filter in ffmpeg's words.
Pure values: equal nodes are one node, so whatever two steps have in common is done once.

A new filter is a dataclass here and its words there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from math import ceil
from pathlib import Path
from zlib import crc32

from videojob_api.steps import CloakMethod

from .media import Size


@dataclass(frozen=True)
class Form:
    """How pictures lie before an encoder: upright, square pixels, 4:2:0, limited range."""

    bit_depth: int = 8
    hdr: bool = False
    """With the film's own high dynamic range; else for ordinary screens."""

    @property
    def pixel_format(self) -> str:
        """As ffmpeg calls it."""
        return "yuv420p" if self.bit_depth == 8 else "yuv420p10le"

    def __str__(self) -> str:
        return f"{self.bit_depth} bit" + (" HDR" if self.hdr else "")


PLAIN = Form()
"""What every player can show."""


@dataclass(frozen=True)
class Flatten:
    """Transparent pictures over black."""


@dataclass(frozen=True)
class Deinterlace:
    """Whole frames from interlaced ones; frames that are not interlaced stay as they are."""


@dataclass(frozen=True)
class Conform:
    """A size and a form: what encoders get."""

    size: Size
    converts: bool
    """False when only the pixels' shape has to be said."""
    form: Form = PLAIN
    from_rgb: bool = False
    """Whether colours have to become brightness and two differences."""


@dataclass(frozen=True)
class ToneMap:
    """From high dynamic range to what ordinary screens show."""

    form: Form
    peak_nits: int
    """The brightest that is in the film."""


@dataclass(frozen=True)
class Overlay:
    """An image, the second parent, over pictures."""

    form: Form
    position: str
    width: int
    margin: int
    opacity: float


@dataclass(frozen=True)
class Scale:
    """Another size of what is conformed already."""

    size: Size


@dataclass(frozen=True)
class Perturb:
    """Noise, the second parent, over the brightness of pictures of the same size and depth."""

    form: Form
    """Of both."""


@dataclass(frozen=True)
class Resample:
    """One frame at each place of an even grid, from time 0 on."""

    frame_rate: Fraction


@dataclass(frozen=True)
class Pick:
    """The first frame of each interval."""

    rate: Fraction
    """Intervals a second."""
    centred: bool
    """The first past the middle of each instead."""


@dataclass(frozen=True)
class PickAt:
    """The frames that are shown at these times; in order, each once."""

    milliseconds: tuple[int, ...]


@dataclass(frozen=True)
class ToRgb:
    """A size in RGB, for pictures."""

    size: Size
    hdr_peak_nits: int | None = None
    """The brightest that is in the film, where it has high dynamic range."""


@dataclass(frozen=True)
class Cut:
    """A stretch of the pictures, to the frame; time begins at its start."""

    start: Fraction
    end: Fraction | None
    frame_rate: Fraction | None = None  # of frames at even distances: encoders want to know


@dataclass(frozen=True)
class CutSound:
    """The same of sound, to the sample."""

    start: Fraction
    end: Fraction | None


@dataclass(frozen=True)
class Steady:
    """Sound without gaps, from time 0 on."""


@dataclass(frozen=True)
class PadSound:
    """Silence after sound that ends earlier; says at the end how much there was (``meter_name``)."""

    until: Fraction
    """Seconds from the beginning of the sound."""


@dataclass(frozen=True)
class WriteChanges:
    """Writes how bright each frame is, and how much the picture changed by then."""

    brightness: Path
    """A line of text with the time of each frame, one with its mean brightness, 0..255."""
    changes: Path
    """Likewise, in percent of full brightness, of the frame that comes ``steadiness`` later."""
    steadiness: int
    """Flashes of up to so many frames are no change: medians over both neighbourhoods are compared."""


@dataclass(frozen=True)
class Denoise:
    """Noise taken out, in space and time, as somebody might who wants it gone."""


@dataclass(frozen=True)
class OnGrid:
    """Times counted from the first frame, in steps: frames of two origins meet on them."""

    step: Fraction
    """Seconds."""


class Metric(Enum):
    """What tells how alike two pictures are."""

    PSNR = "PSNR"
    SSIM = "SSIM"
    VMAF = "VMAF"


@dataclass(frozen=True)
class Compare:
    """Pictures passed on as they are, and written how alike each is to its reference."""

    metric: Metric
    log: Path


@dataclass(frozen=True)
class TakeTurns:
    """The reference of each picture, the second parent, and then the picture."""


@dataclass(frozen=True)
class Mixdown:
    """Fewer channels."""

    channels: int


@dataclass(frozen=True)
class Double:
    """Mono on both sides, on each as loud as it is."""


@dataclass(frozen=True)
class Mix:
    """Other sound, the second parent, mixed into sound that it lasts as long as."""

    other_db: float
    """By how much the other sound is made louder."""
    ratio_db: float
    """By how much the first is louder than the other then."""
    headroom_db: float
    """By how much both are made softer, so that their peaks fit."""
    channels: int
    sample_rate: int


@dataclass(frozen=True)
class Gain:
    """Louder, or softer, by as much everywhere."""

    db: float


@dataclass(frozen=True)
class Limit:
    """No peak above a level, between samples either."""

    peak_db: float
    sample_rate: int
    """Of the sound."""


@dataclass(frozen=True)
class Meter:
    """Passes sound on as it is, and says at the end how loud it was (see ``meter_name``)."""


@dataclass(frozen=True)
class Level:
    """How loud sound is, as EBU R128 (ITU-R BS.1770) measures it."""

    integrated_lufs: float
    """Over all that is not silent, and not much softer than the rest."""
    true_peak_db: float
    """Of the wave, not of the samples, against full scale."""
    range_lu: float = 0.0

    @property
    def is_heard(self) -> bool:
        """Whether there is anything loud and long enough to be measured."""
        return self.integrated_lufs > _SILENCE_LUFS


_SILENCE_LUFS = -70.0

Filter = (
    Flatten
    | Deinterlace
    | Conform
    | ToneMap
    | Overlay
    | Scale
    | Perturb
    | Resample
    | Pick
    | PickAt
    | ToRgb
    | Cut
    | CutSound
    | Steady
    | PadSound
    | WriteChanges
    | Denoise
    | OnGrid
    | Compare
    | TakeTurns
    | Mixdown
    | Double
    | Mix
    | Gain
    | Limit
    | Meter
)


@dataclass(frozen=True)
class Decoded:
    """A stream of the film, or of another file."""

    index: int
    """Its place in the container."""
    is_audio: bool = False
    file: Path | None = None
    """Another input; None for the film."""
    is_image: bool = False
    """Whether that is an image from outside, and not a film that we made."""


@dataclass(frozen=True)
class Looped:
    """Mono sound of ours in a WAV file, again and again."""

    path: Path
    is_audio: bool = True


@dataclass(frozen=True)
class Noise:
    """Pictures of noise, 4:2:0, that ``feeds`` makes while a pass reads them: they lie nowhere."""

    path: Path
    """A pipe."""
    method: CloakMethod
    bound: int
    """No brightness is changed by more, in steps of the depth."""
    size: Size
    frame_rate: Fraction
    """New noise so many times a second."""
    seed: bytes = field(repr=False)
    """Said to nobody: who knows it can take the noise out again."""
    bit_depth: int = 8
    seen: Node | None = None
    """Small pictures of the film at the same rate, where the noise follows from what is to be seen."""
    is_audio: bool = False

    @property
    def early(self) -> int:
        """So many pictures come before the film begins: a second of them."""
        return ceil(self.frame_rate)


@dataclass(frozen=True)
class Filtered:
    """What comes out of a filter."""

    filter: Filter
    parents: tuple[Node, ...]
    """Of ``Compare`` and ``TakeTurns``: the pictures, and their reference."""

    @property
    def is_audio(self) -> bool:
        """Whether it is sound."""
        return self.parents[0].is_audio


Node = Decoded | Looped | Noise | Filtered


def noises_below(nodes: Iterable[Node]) -> tuple[Noise, ...]:
    """All noise that goes into some nodes, each once."""
    found: dict[Noise, None] = {}
    for node in nodes:
        if isinstance(node, Noise):
            found[node] = None
        elif isinstance(node, Filtered):
            found |= dict.fromkeys(noises_below(node.parents))
    return tuple(found)


def without_noise(node: Node) -> Node:
    """The same pictures before any noise."""
    if not isinstance(node, Filtered):
        return node
    if isinstance(node.filter, Perturb):
        return without_noise(node.parents[0])
    return replace(node, parents=tuple(without_noise(parent) for parent in node.parents))


def meter_name(node: Node) -> str:
    """What ffmpeg's log calls the meter at a node: equal nodes have equal names."""
    return f"meter{crc32(repr(node).encode()):08x}"
