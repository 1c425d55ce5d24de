"""What cloaking costs on top of decoding and encoding: Gabor, epsilon 0.08, new noise every ten frames.

Run by `make bench PART=cloak`. The reference has nothing to do with noise: it decodes the film, and
encodes frames that are cloaked already with the same settings. They come raw, through a pipe whose cost
is taken off; so the reference neither decodes a noisier film than the worker does, nor encodes a
smoother one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import films
from ladder import encoder, less
from measuring import THREADS, best, measure, measure_fed
from tables import Promise, Result
from working import Work

SECONDS, LONG_SECONDS = films.SECONDS, 3 * films.SECONDS
"""Memory is compared once ffmpeg's pools of frames are full, which takes them part of a minute."""
RUNS = 1
CLOAK = {"name": "protect", "cloak": {"method": "Gabor", "epsilon": 0.08, "everyNFrames": 10}}
_SPARE = ("-threads", THREADS, "-filter_threads", THREADS)


def steps(**transcode: Any) -> list[dict[str, Any]]:
    """The cloak, and a film of it."""
    settings = {"renditions": [{"height": 1080}], "preset": "veryfast", **transcode}
    return [CLOAK, {"name": "web", "from": "protect", "transcode": settings}]


def run(folder: Path) -> Result:
    """Measure the worker and the reference."""
    film, long = (cut(folder, seconds) for seconds in (SECONDS, LONG_SECONDS))
    work = Work(folder / "cloak", film, steps())
    ours = best(RUNS, work.run)
    much = Work(folder / "long", long, steps()).run()
    frames = Work(folder / "frames", film, steps(preset="ultrafast", crf=4, maxBitrateKbps=200_000))
    frames.run()
    (cloaked,) = (frames.results / "web").glob("*.mp4")
    raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "1920x1080", "-r", "25")
    taken = (*films.FFMPEG, *_SPARE, *raw, "-i", "pipe:0")
    feed = (*films.FFMPEG, *_SPARE, "-i", str(cloaked), "-an", "-f", "rawvideo", "-")
    source = (*films.FFMPEG, *_SPARE, "-i", str(film), "-an", "-f", "null", "-")
    decode = best(RUNS, lambda: measure(source))
    read = best(RUNS, lambda: measure_fed(feed, (*taken, "-f", "null", "-")))
    both = best(RUNS, lambda: measure_fed(feed, (*taken, *encoder(1080), "-f", "null", "-")))
    encode = less(both, read)
    reference = decode + encode
    rows = [
        (f"**the worker, cloaking {SECONDS} s**", *ours.cells()),
        (f"the worker, cloaking {LONG_SECONDS} s", *much.cells()),
        ("reference: decode the film", "", f"{decode.cpu_seconds:.1f}", ""),
        ("reference: encode the cloaked frames", "", f"{encode.cpu_seconds:.1f}", ""),
    ]
    return Result(
        f"Cloak: Gabor, epsilon 0.08, N 10; {SECONDS} s of 1080p",
        ("", "wall s", "CPU s", "peak MiB"),
        rows,
        (
            Promise(
                "speed (CPU seconds) against decoding the film and encoding the cloaked frames",
                reference.cpu_seconds / ours.cpu_seconds,
                0.9,
                at_least=True,
            ),
            Promise(
                f"memory at {LONG_SECONDS} s against {SECONDS} s of film",
                much.peak_bytes / ours.peak_bytes,
                1.05,
            ),
        ),
        "The worker's figures have all of it: its start, the noise, checks and publishing.",
    )


def cut(folder: Path, seconds: int) -> Path:
    """The film's first seconds, as they are."""
    path = folder / f"{seconds}-s.mp4"
    film = films.one_minute() if seconds <= films.SECONDS else films.ten_minutes()
    source = ("-i", str(film), "-t", str(seconds), "-map", "0:v", "-c", "copy")
    measure((*films.FFMPEG, *source, str(path)))
    return path
