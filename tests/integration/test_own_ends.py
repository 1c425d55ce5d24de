"""Too little memory or scratch space, and output that fails its check: each ends in a way of its own.

Of whole workers, by their exit codes and messages; memory is limited by the kernel, as in a pod.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from memory_cgroup import NoCgroup, joining, kills, memory_cgroup
from worker_pod import TRANSCODE, Pod

pytestmark = pytest.mark.ffmpeg
FULL = {"name": "web", "transcode": {"renditions": [{"height": 2160}, {"height": 1080}]}}


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """A pod with a short film of 4K in its store."""
    (tmp_path / "store").mkdir()
    source = ("-f", "lavfi", "-i", "testsrc2=size=3840x2160:rate=25:duration=0.4")
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-threads", "2")
    command = ["ffmpeg", "-v", "error", *source, *codec, str(tmp_path / "store/film.mp4")]
    subprocess.run(command, check=True)
    return Pod(tmp_path, order={"steps": [FULL]})


def threads_of(pod: Pod, prefix: str) -> int:
    """How many threads ffmpeg was started with."""
    commands = pod.folder / "store" / prefix / "in-0/.logs/commands.sh"
    words = commands.read_text().split()
    return int(words[words.index("-filter_threads") + 1])


def test_what_the_kernel_kills_is_out_of_memory(pod: Pod):
    """The limit is real, and nobody told the worker of it: so it could not plan with less."""
    try:
        with memory_cgroup(220 << 20) as group:
            pod.program = joining(group, *pod.program)
            result = pod.run("film.mp4")
            killed = kills(group)
    except NoCgroup as reason:
        pytest.skip(f"no memory limit can be set here: {reason}")
    assert killed > 0
    assert (result.exit_code, result.reason) == (45, "OutOfMemory")
    assert "raise resources.limits.memory" in str(result.message)
    assert [key for key in pod.published() if "/.logs/" not in key] == []


def test_fewer_threads_where_more_would_not_fit(pod: Pod):
    pod.order["steps"] = [TRANSCODE]
    used = []
    for number, mebibytes in enumerate((2048, 320)):
        memory = {"VIDEOJOB_MEMORY_LIMIT_BYTES": str(mebibytes << 20)}
        pod.environment = {"VIDEOJOB_CPU_LIMIT": "16", **memory}
        pod.order["outputPrefix"] = f"out/{number}/"
        assert pod.run("film.mp4").exit_code == 0
        used.append(threads_of(pod, f"out/{number}/"))
    assert used[0] == 16
    assert 1 <= used[1] < 16


def test_a_plan_that_can_not_fit_is_refused_naming_what_it_needs(pod: Pod):
    pod.environment = {"VIDEOJOB_MEMORY_LIMIT_BYTES": str(300 << 20)}
    result = pod.run("film.mp4")
    assert (result.exit_code, result.reason) == (43, "NotDoable")
    assert "of memory and the worker may use 300 MiB; raise" in str(result.message)


def test_results_that_outgrow_the_scratch_space_are_told(pod: Pod):
    """Noise takes all that the cap allows, and the plan counts on half of it."""
    noise = "nullsrc=size=640x360:rate=25:duration=2,geq=lum='random(1)*255':cb=128:cr=128"
    film = pod.folder / "store/noise.mp4"
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "40", "-pix_fmt", "yuv420p")
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", noise, *codec, str(film)]
    subprocess.run(command, check=True)
    pod.order["steps"] = [{"name": "web", "transcode": {"renditions": [{"height": 360}]}}]
    assert pod.run("noise.mp4").exit_code == 0
    made = (pod.folder / "store/out/in-0/web/360p.mp4").stat().st_size
    pod.order["outputPrefix"] = "again/"
    limit = film.stat().st_size + made * 3 // 4
    pod.environment = {"VIDEOJOB_SCRATCH_LIMIT_BYTES": str(limit)}
    result = pod.run("noise.mp4")
    assert (result.exit_code, result.reason) == (46, "ScratchFull"), result
    assert "had no room left in the scratch folder; make the input's" in str(result.message)
    pod.environment = {"VIDEOJOB_SCRATCH_LIMIT_BYTES": str(film.stat().st_size + made // 8)}
    result = pod.run("noise.mp4")
    assert (result.exit_code, result.reason) == (43, "NotDoable"), result
    assert "of scratch space and" in str(result.message)


CUTTING = """
import os, sys
from videojob_worker import work
real = work.run_pass
def run_pass(stage, *more):
    done = real(stage, *more)
    for output in stage.outputs:
        os.truncate(output.path, output.path.stat().st_size // 2)
    return done
work.run_pass = run_pass
from videojob_worker.__main__ import main
sys.exit(main([]))
"""


def test_output_that_fails_its_check_is_not_published(pod: Pod):
    pod.order["steps"] = [TRANSCODE]
    pod.program = ("-c", CUTTING)
    result = pod.run("film.mp4")
    assert (result.exit_code, result.reason) == (47, "OutputUnverified")
    assert "web/144p.mp4 is not a whole MP4 file" in str(result.message)
    assert [key for key in pod.published() if "/.logs/" not in key] == []
