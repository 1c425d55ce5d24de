"""The films that are measured with, made once and kept: Big Buck Bunny at 1080p, a minute and ten of it.

Used by the parts of the bench. The content is easy, the rate (7.4 Mb/s) is a camera's.
"""

from __future__ import annotations

from pathlib import Path

import demo
import places
from measuring import measure

FOLDER = places.CACHE / "bench"
FFMPEG = ("ffmpeg", "-v", "error", "-nostdin", "-y")
SECONDS = 60


def one_minute() -> Path:
    """1920x1080, 25 frames a second, H.264 and AAC."""
    path = FOLDER / "minute.mp4"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.mp4")
        looped = ("-stream_loop", "-1", "-i", str(demo.find_clip()), "-t", str(SECONDS))
        video = ("-vf", "scale=1920:1080:flags=bicubic", "-pix_fmt", "yuv420p", "-c:v", "libx264")
        rate = ("-preset", "veryfast", "-b:v", "7400k", "-maxrate", "7400k", "-bufsize", "15M")
        sound = ("-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart")
        print("making the film (once)", flush=True)
        measure((*FFMPEG, *looped, *video, *rate, *sound, str(part)))
        part.rename(path)
    return path


def ten_minutes() -> Path:
    """The same ten times over, its streams as they are."""
    path = FOLDER / "ten-minutes.mp4"
    if not path.exists():
        part = path.with_suffix(".part.mp4")
        looped = ("-stream_loop", "9", "-i", str(one_minute()), "-c", "copy")
        measure((*FFMPEG, *looped, "-movflags", "+faststart", str(part)))
        part.rename(path)
    return path
