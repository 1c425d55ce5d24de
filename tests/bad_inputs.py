"""Files that are not what they claim, each with the reason it must be rejected for.

Made with ffmpeg when asked for; used by the tests of the worker and on the cluster. Each maker
writes one file; its name always ends in .mp4, and that must never matter.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def make_film(path: Path, *, seconds: float = 2, size: str = "320x240", sound: bool = True) -> None:
    """A good little film: H.264, and AAC if it has sound."""
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-c:a", "aac"]
    _ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration={seconds}"),
        *(tone if sound else ()),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
        str(path),
    )


def _ffmpeg(*arguments: str) -> None:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-threads", "2", *arguments]
    subprocess.run(command, check=True)


def _text(path: Path) -> None:
    path.write_text("This is a letter, not a film.\n" * 100)


def _truncated(path: Path) -> None:
    make_film(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _playlist(path: Path) -> None:
    lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:2,", "file:///etc/passwd")
    path.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))


def _concat_list(path: Path) -> None:
    make_film(path.with_name("neighbour.ts"))
    path.write_text("ffconcat version 1.0\nfile neighbour.ts\n")


def _bomb(path: Path) -> None:
    _ffmpeg(
        *("-f", "lavfi", "-i", "color=black:size=15360x15360:rate=1:duration=1"),
        *("-frames:v", "1", "-c:v", "mjpeg", "-q:v", "31", "-pix_fmt", "yuvj420p"),
        str(path),
    )


def _audio_only(path: Path) -> None:
    _ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac", str(path))


def _zero_duration(path: Path) -> None:
    """The head of a fragmented film, with all its streams described and no fragment after it."""
    _ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=1"),
        *("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", "-c:v", "libx264"),
        *("-movflags", "+empty_moov+frag_keyframe", str(path)),
    )
    path.write_bytes(path.read_bytes().partition(b"moof")[0][:-4])


@dataclass(frozen=True)
class BadInput:
    """A file, and what a worker must say of it."""

    make: Callable[[Path], None]
    reasons: tuple[str, ...]


BAD_INPUTS = {
    "empty": BadInput(lambda path: path.touch(), ("Empty",)),
    "text": BadInput(_text, ("UnsupportedFormat",)),
    "truncated": BadInput(_truncated, ("Truncated",)),
    "playlist": BadInput(_playlist, ("UnsupportedFormat",)),
    "concat-list": BadInput(_concat_list, ("UnsupportedFormat",)),
    "bomb": BadInput(_bomb, ("TooManyPixels",)),
    "audio-only": BadInput(_audio_only, ("NoVideoStream",)),
    "zero-duration": BadInput(_zero_duration, ("ZeroDuration",)),
}
