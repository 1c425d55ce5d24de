"""The program ``vmaf`` of libvmaf: what it is told, for two films that flow through pipes.

Called by the quality step and by ``plan``. Pure; the only place that knows its arguments. Its log is
that of ffmpeg's filter of the same library, and is read where that one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .media import Size
from .nodes import Form

PROGRAM = "vmaf"
MODEL = "vmaf_v0.6.1"
"""Of full HD on a television; the one that numbers are quoted of."""


@dataclass(frozen=True)
class Comparison:
    """Two films of equal size and form, raw, through named pipes."""

    source: Path
    """Where ffmpeg writes both, frame by frame in turn."""
    reference: Path
    rendition: Path
    size: Size
    form: Form
    log: Path
    """Is written at the end, with the number of each frame."""

    @property
    def frame_bytes(self) -> int:
        """Of one picture, 4:2:0."""
        return self.size.pixels * 3 // 2 * (1 if self.form.bit_depth == 8 else 2)

    @property
    def pipes(self) -> tuple[Path, Path]:
        """In the order in which the program opens them."""
        return self.reference, self.rendition


def build_vmaf_command(comparison: Comparison, threads: int) -> tuple[str, ...]:
    """The arguments that compare two films."""
    return (
        *(PROGRAM, "--quiet", "--threads", str(threads)),
        *("--reference", str(comparison.reference), "--distorted", str(comparison.rendition)),
        *("--width", str(comparison.size.width), "--height", str(comparison.size.height)),
        *("--pixel_format", "420", "--bitdepth", str(comparison.form.bit_depth)),
        *("--model", f"version={MODEL}", "--json", "--output", str(comparison.log)),
    )
