"""Brings sound to a loudness, and says how loud it came out.

Steps that encode sound call ``normalise`` while they plan; ``check`` and ``passes`` ask afterwards what
became of it. Pure: levels are measured by ffmpeg, in the pass ``measure`` and again on the way to
the encoder. The gain is one number for the whole track (EBU R128's way), so what is quiet stays as
much quieter as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import log10
from typing import Any

from videojob_api.status import Warn
from videojob_api.steps import Loudness

from .errors import Unverified
from .graph import Graph
from .nodes import (
    Double,
    Filtered,
    Gain,
    Level,
    Limit,
    Looped,
    Meter,
    Mix,
    Mixdown,
    Node,
    meter_name,
)
from .outputs import PlannedOutput
from .sounds import Normalised, Sound

_LIMITER_MARGIN_DB = 0.3
"""What peaks grow by when the limiter's fine samples become coarse ones again."""
_MAKE_UP_FACTOR = 1.35
"""Of what is added before a limiter, about so much more is needed than shall come out."""
_MOST_MAKE_UP_DB = 4.0
"""A limiter that has more to do is heard."""
_PEAK_TOLERANCE_DB = 0.5
_LOUDNESS_TOLERANCE_LU = 1.0
BABBLE_LUFS = -26.0
BABBLE_PEAK_DB = -9.0
"""Of the babble that ``babble`` makes, in mono."""
_ASSUMED = Level(-23.0, -3.0)
"""Until it is measured."""
_HIGHEST_PEAK_DB = -1.0
Levels = Mapping[str, Level]
"""What meters said, by their names."""


def in_channels(sound: Sound, channels: int) -> Sound:
    """The sound mixed down, or doubled: what is measured must be what is heard. None else are added."""
    change: Double | Mixdown
    if (sound.channels, channels) == (1, 2):
        change = Double()
    elif channels < sound.channels:
        change = Mixdown(channels)
    else:
        return sound
    return replace(sound, node=Filtered(change, (sound.node,)), channels=channels)


def normalise(graph: Graph, sound: Sound, channels: int, wanted: Loudness | None) -> Sound:
    """The sound as loud as is wanted; as it is until its level is known, and if it is silent."""
    sound = in_channels(sound, channels)
    if wanted is None:
        return sound
    level = graph.level(sound.node)
    if level is None or not level.is_heard:
        return sound
    gain = wanted.target_lufs - level.integrated_lufs
    node = _raised(sound, gain)
    if level.true_peak_db + gain > wanted.true_peak_db:
        limit = Limit(wanted.true_peak_db - _LIMITER_MARGIN_DB, sound.track.sample_rate)
        node = Filtered(limit, (node,))
        reached = graph.level(node)  # peaks count towards loudness: without them some is missing
        missing = wanted.target_lufs - reached.integrated_lufs if reached else 0.0
        if missing > 0:
            gain += min(_MOST_MAKE_UP_DB, missing * _MAKE_UP_FACTOR)
            node = Filtered(limit, (_raised(sound, gain),))
    done = Normalised(level, wanted)
    return replace(sound, node=Filtered(Meter(), (node,)), normalised=done)


def mask(graph: Graph, sound: Sound, babble: Looped, ratio_db: float) -> Sound:
    """The sound with babble that is so many dB softer than it; as it is if it is silent.

    Both are compared as they are heard: by the loudness of ITU-R BS.1770, whose gate leaves out the
    pauses. In stereo the babble is in both channels, and so counts twice.
    """
    sound = in_channels(sound, min(2, sound.channels))
    level = graph.level(sound.node) or _ASSUMED
    if not level.is_heard:
        return sound
    babble_lufs = BABBLE_LUFS + 10 * log10(sound.channels)
    gain = round(level.integrated_lufs - ratio_db - babble_lufs, 2)
    peaks = (level.true_peak_db, BABBLE_PEAK_DB + gain)
    highest = 20 * log10(sum(10 ** (peak / 20) for peak in peaks))
    headroom = round(max(0.0, highest - _HIGHEST_PEAK_DB), 2)
    mix = Mix(gain, ratio_db, headroom, sound.channels, sound.track.sample_rate)
    return replace(sound, node=Filtered(mix, (sound.node, babble)))


def _raised(sound: Sound, gain_db: float) -> Node:
    return Filtered(Gain(round(gain_db, 2)), (sound.node,))


def check_loudness(output: PlannedOutput, heard: Levels) -> list[Warn]:
    """Whether a file's sound was as loud on its way to the encoder as was planned.

    Raises:
        Unverified: if nobody knows, or peaks are higher than was promised.
    """
    warnings = []
    for node, done in _normalised(output):
        level, wanted = heard.get(meter_name(node)), done.wanted
        if level is None:
            raise Unverified(f"ffmpeg did not say how loud {output.name} is; its log may be cut.")
        if level.true_peak_db > wanted.true_peak_db + _PEAK_TOLERANCE_DB:
            raise Unverified(
                f"{output.name} has peaks of {level.true_peak_db:.1f} dBTP; at most "
                f"{wanted.true_peak_db:.1f} were planned."
            )
        if abs(level.integrated_lufs - wanted.target_lufs) > _LOUDNESS_TOLERANCE_LU:
            message = (
                f"{output.name} is at {level.integrated_lufs:.1f} LUFS instead of "
                f"{wanted.target_lufs:.1f}: its peaks had to be held at {wanted.true_peak_db:.1f} "
                "dBTP. Choose a lower targetLufs."
            )
            warnings.append(Warn(step=output.step, reason="LoudnessMissed", message=message))
    return warnings


def describe_loudness(output: PlannedOutput, heard: Levels) -> list[dict[str, Any]]:
    """What the manifest says of each sound that was brought to a loudness."""
    found = []
    for node, done in _normalised(output):
        level = heard.get(meter_name(node))
        if level is not None:
            found.append(
                {
                    "file": output.path.name,
                    "sourceLufs": done.was.integrated_lufs,
                    "sourceTruePeakDb": done.was.true_peak_db,
                    "integratedLufs": level.integrated_lufs,
                    "truePeakDb": level.true_peak_db,
                    "rangeLu": level.range_lu,
                }
            )
    return found


def _normalised(output: PlannedOutput) -> list[tuple[Node, Normalised]]:
    sounds = [encoding.sound for encoding in output.audio]
    return [(sound.node, sound.normalised) for sound in sounds if sound.normalised is not None]
