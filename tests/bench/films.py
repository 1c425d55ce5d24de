"""The films that are measured with, made once and kept: Big Buck Bunny at 1080p, a minute and ten of it.

Used by the parts of the bench. The content is easy, the rate (7.4 Mb/s) is a camera's.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import demo
import places
from measuring import measure

FOLDER = places.CACHE / "bench"
FFMPEG = ("ffmpeg", "-v", "error", "-nostdin", "-y")
SECONDS = 60


def one_minute() -> Path:
    """1920x1080, 25 frames a second, H.264 and AAC."""
    looped = ("-stream_loop", "-1", "-i", str(demo.find_clip()), "-t", str(SECONDS))
    video = ("-vf", "scale=1920:1080:flags=bicubic", "-pix_fmt", "yuv420p", "-c:v", "libx264")
    rate = ("-preset", "veryfast", "-b:v", "7400k", "-maxrate", "7400k", "-bufsize", "15M")
    sound = ("-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart")
    return _make("minute", *looped, *video, *rate, *sound)


def ten_minutes() -> Path:
    """The same ten times over, its streams as they are."""
    looped = ("-stream_loop", "9", "-i", str(one_minute()), "-c", "copy")
    return _make("ten-minutes", *looped, "-movflags", "+faststart")


def _make(name: str, *arguments: str) -> Path:
    """The film that these arguments make; one that was made with others is not taken for it."""
    made_with = hashlib.sha256("\0".join(arguments).encode()).hexdigest()[:12]
    path = FOLDER / f"{name}-{made_with}.mp4"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.mp4")
        print(f"making the film {path.name} (once)", flush=True)
        measure((*FFMPEG, *arguments, str(part)))
        part.rename(path)
    return path
