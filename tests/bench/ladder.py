"""The ladder: three renditions, six pictures with their sheet, and sound, in one pass of the worker.

Run by `make bench PART=ladder`. Held against its floor (each of its parts alone, nothing twice), against
the same outputs a command each, and against MoviePy for the renditions alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import films
from measuring import ENVIRONMENT, THREADS, Cost, measure, measure_fed
from tables import Promise, Result
from working import Work

SIZES = ((1920, 1080), (1280, 720), (854, 480))
RATES = {1080: (8000, 16000), 720: (4000, 8000), 480: (2000, 4000)}
STEPS = [
    {
        "name": "stream",
        "transcode": {
            "packaging": "CMAF",
            "preset": "veryfast",
            "renditions": [{"height": height} for _, height in SIZES],
        },
    },
    {"name": "pictures", "thumbnails": {"count": 6, "contactSheet": True}},
    {"name": "sound", "extractAudio": {"format": "AAC"}},
]
MOVIEPY = "moviepy==2.2.1"
_SPARE = ("-threads", THREADS, "-filter_threads", THREADS)
_NOWHERE = ("-f", "null", "-")


def encoder(height: int) -> tuple[str, ...]:
    """x264 as the worker sets it."""
    rate, buffer = RATES[height]
    caps = ("-crf", "23", "-maxrate", f"{rate}k", "-bufsize", f"{buffer}k")
    gops = ("-g", "100", "-sc_threshold", "0", "-force_key_frames", "expr:gte(t,n_forced*4)")
    look = ("-preset", "veryfast", "-profile:v", "high", "-pix_fmt", "yuv420p", "-flags", "+cgop")
    return ("-c:v", "libx264", *look, *caps, *gops, "-threads", THREADS)


def scaled(width: int, height: int) -> tuple[str, ...]:
    """A scale to the size; none where it is the film's."""
    return () if height == 1080 else ("-vf", f"scale={width}:{height}:flags=bicubic")


def find_floor(film: Path) -> list[tuple[str, Cost]]:
    """Decode once, one bicubic scale for each rendition, each encode from raw frames, and the sound.

    Raw frames come through a pipe; what it costs to read them is taken off again.
    """
    source = (*films.FFMPEG, *_SPARE, "-i", str(film))
    rows = [
        ("decode", measure((*source, "-map", "0:v", *_NOWHERE))),
        ("AAC", measure((*source, "-map", "0:a", "-c:a", "aac", "-b:a", "128k", *_NOWHERE))),
    ]
    read_first = None
    for width, height in SIZES:
        frames = (*source, "-map", "0:v", *scaled(width, height), "-f", "rawvideo", "-")
        raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", "25")
        taken = (*films.FFMPEG, *_SPARE, *raw, "-i", "pipe:0")
        read = measure_fed(frames, (*taken, *_NOWHERE))
        encode = measure_fed(frames, (*taken, *encoder(height), *_NOWHERE))
        rows.append((f"encode {height} from raw frames", less(encode, read)))
        if read_first is None:
            read_first, first = read, (frames, taken)
        else:
            scale = measure_fed(first[0], (*first[1], *scaled(width, height), *_NOWHERE))
            rows.append((f"scale to {height}", less(scale, read_first)))
    return rows


def less(one: Cost, other: Cost) -> Cost:
    """What one costs more than another."""
    return Cost(
        max(0.0, one.wall_seconds - other.wall_seconds), one.cpu_seconds - other.cpu_seconds
    )


def one_at_a_time(film: Path, folder: Path) -> Cost:
    """The same outputs by hand, a command each."""
    folder.mkdir(parents=True, exist_ok=True)
    source = (*films.FFMPEG, *_SPARE, "-i", str(film))
    cmaf = ("-movflags", "+cmaf+delay_moov+default_base_moof+frag_keyframe")
    commands: list[tuple[str, ...]] = []
    for width, height in SIZES:
        out = str(folder / f"{height}p.mp4")
        commands.append(
            (*source, "-map", "0:v", *scaled(width, height), *encoder(height), *cmaf, out)
        )
    audio = ("-map", "0:a", "-c:a", "aac", "-b:a", "128k")
    commands.append((*source, *audio, *cmaf, str(folder / "audio.mp4")))
    commands.append((*source, *audio, str(folder / "audio.m4a")))
    for number in range(6):
        at = ("-ss", str((number + 0.5) * films.SECONDS / 6))
        one = ("-frames:v", "1", "-vf", "scale=1280:-2", "-q:v", "3")
        target = str(folder / f"{number}.jpg")
        commands.append((*films.FFMPEG, *_SPARE, *at, "-i", str(film), *one, target))
    sheet = ("-i", str(folder / "%d.jpg"), "-vf", "scale=320:-2,tile=3x2", "-frames:v", "1")
    commands.append((*films.FFMPEG, *sheet, str(folder / "sheet.jpg")))
    return sum_up(measure(command) for command in commands)


def ensure_moviepy() -> str:
    """The Python of an environment of its own, since MoviePy wants an older Pillow than we have."""
    home = films.FOLDER / MOVIEPY
    python = str(home / "bin" / "python")
    if not (home / "ready").exists():
        uv = str(Path(sys.executable).with_name("uv"))
        measure((uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)))
        measure((uv, "pip", "install", "--quiet", "--python", python, MOVIEPY))
        (home / "ready").touch()
    return python


def with_moviepy(film: Path, folder: Path) -> Cost:
    """The renditions alone, by a program as its documentation shows it; with our ffmpeg."""
    python = ensure_moviepy()
    environment = {**ENVIRONMENT, "IMAGEIO_FFMPEG_EXE": "ffmpeg"}
    return sum_up(
        measure(
            (
                python,
                "-c",
                "import sys; from moviepy import VideoFileClip\n"
                "film, height, target = sys.argv[1:]\n"
                "clip = VideoFileClip(film, audio=False)\n"
                "if int(height) != clip.h: clip = clip.resized(height=int(height))\n"
                "if clip.w % 2: clip = clip.cropped(width=clip.w - 1, x1=0)\n"
                "clip.write_videofile(target, codec='libx264', preset='veryfast', threads=2,\n"
                "    audio=False, logger=None, ffmpeg_params=['-crf', '23'])\n",
                str(film),
                str(height),
                str(folder / f"moviepy-{height}.mp4"),
            ),
            environment=environment,
        )
        for _, height in SIZES
    )


def sum_up(costs: Iterable[Cost]) -> Cost:
    """One after the other."""
    total = Cost(0, 0)
    for cost in costs:
        total += cost
    return total


def run(folder: Path) -> Result:
    """Measure all of it, on one film."""
    film = films.one_minute()
    work = Work(folder / "worker", film, STEPS)
    ours = work.run()
    alone = measure(work.ffmpeg_command(folder / "alone"))
    parts = find_floor(film)
    floor = sum_up(cost for _, cost in parts)
    single = one_at_a_time(film, folder / "single")
    moviepy = with_moviepy(film, folder)
    rows = [
        ("**the worker, all of it**", *ours.cells()),
        ("its ffmpeg command, alone", *alone.cells()),
        *((f"floor: {name}", "", f"{cost.cpu_seconds:.1f}", "") for name, cost in parts),
        ("floor, sum", "", f"{floor.cpu_seconds:.1f}", ""),
        ("a command for each output", *single.cells()),
        ("MoviePy, the renditions alone", *moviepy.cells()),
    ]
    return Result(
        "Ladder: 1080, 720, 480 as CMAF, six pictures with sheet, AAC; 60 s of 1080p",
        ("", "wall s", "CPU s", "peak MiB"),
        rows,
        (
            Promise("CPU seconds, against the floor", ours.cpu_seconds / floor.cpu_seconds, 1.05),
            Promise(
                "faster than a command for each output",
                single.wall_seconds / ours.wall_seconds,
                1.4,
                at_least=True,
            ),
            Promise(
                "faster than MoviePy", moviepy.wall_seconds / ours.wall_seconds, 3, at_least=True
            ),
            Promise(
                "peak memory with the worker's own, against ffmpeg alone",
                ours.peak_bytes / alone.peak_bytes,
                1.15,
            ),
        ),
        "The floor is decoding once, one bicubic scale for each smaller rendition, each encode from raw "
        "frames, and the sound; pictures and sheet are not in it. Wall times of its parts say nothing: "
        "they share the machine with what feeds them.",
    )
