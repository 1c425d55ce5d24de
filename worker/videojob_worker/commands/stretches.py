"""Stretches of pictures and sound, and the silence after them, in ffmpeg's words.

Called by ``filters`` alone. Pure.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ..nodes import Cut, CutSound, PadSound

Stream = Any  # ffmpeg-python has no types


def cut_pictures(stream: Stream, wanted: Cut) -> Stream:
    """The frames from the start on that come before the end."""
    cut = stream.filter("trim", **_ends(wanted)).filter("setpts", _shifted_pictures(wanted))
    # A filter that shifts times forgets the frame rate; encoders would go by the tick.
    return cut.filter("fps", fps=str(wanted.frame_rate)) if wanted.frame_rate else cut


def cut_sound(stream: Stream, wanted: CutSound) -> Stream:
    """The samples of the same time."""
    return stream.filter("atrim", **_ends(wanted)).filter("asetpts", _shifted(wanted.start))


def pad_sound(stream: Stream, wanted: PadSound, name: str) -> Stream:
    """Silence after it; how many samples came before is said in the log, under a name."""
    told = {"measure_perchannel": "none", "measure_overall": "Number_of_samples"}
    counted = stream.filter(f"astats@{name}", **told)
    silent = counted.filter("apad", whole_dur=_seconds(wanted.until))
    return silent.filter("asetpts", "N/SR/TB")  # silence with no sound before it has no time


def _ends(cut: Cut | CutSound) -> dict[str, str]:
    ends = {"start": cut.start, "end": cut.end}
    return {name: _seconds(at) for name, at in ends.items() if at is not None}


def _shifted(start: Fraction) -> str:
    """So that time begins where the stretch does, in pictures and sound alike."""
    return f"PTS-{_seconds(start)}/TB"


def _shifted_pictures(cut: Cut) -> str:
    """The same, and so that time ends where the stretch does.

    Where the film is read on, for sound that may still come, the end is noticed late; whatever makes
    distances even would repeat the last frame until then.
    """
    if cut.end is None:
        return _shifted(cut.start)
    # On an even grid, the last frame may come out half a frame later than it went in.
    rounding = 1 / (2 * cut.frame_rate) if cut.frame_rate else Fraction(0)
    return f"min({_shifted(cut.start)},{_seconds(cut.end - cut.start + rounding)}/TB)"


def _seconds(time: Fraction) -> str:
    return f"{float(time):.6f}"
