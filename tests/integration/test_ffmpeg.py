"""The process runner against real ffmpeg and ffprobe."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from videojob_worker.errors import (
    FFmpegFailed,
    Interrupted,
    NotDoable,
    OutOfMemory,
    SaidTooMuch,
    ScratchFull,
)
from videojob_worker.ffmpeg import ChildFailed, Tools, _headline
from videojob_worker.sandbox import Sandbox
from videojob_worker.scratch import Scratch
from videojob_worker.stop import Stop

pytestmark = pytest.mark.ffmpeg
ENDLESS = ["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2", "-f", "null", "-"]


def make(tools: Tools, *arguments: str, seconds: float = 1, log_name: str | None = None):
    source = ["-f", "lavfi", "-i", f"testsrc2=s=320x240:d={seconds}"]
    return tools.run(["ffmpeg", "-y", *source, *arguments], timeout_seconds=60, log_name=log_name)


def test_a_run_costs_and_logs(tools: Tools, scratch: Scratch):
    done = make(tools, "-c:v", "libx264", "out/a b.mp4", log_name="pass-1")
    assert done.exit_code == 0
    assert done.cpu_seconds > 0
    assert done.wall_seconds > 0
    assert done.max_rss_bytes > 10 << 20
    assert done.log is not None
    assert "libx264" in done.log.read_text()
    assert done.stderr_tail.strip().splitlines()[-1] in done.log.read_text()
    assert "'out/a b.mp4'\n" in (scratch.logs / "commands.sh").read_text()
    assert (scratch.out / "a b.mp4").stat().st_size > 1000


def test_stdout_is_collected_or_read_line_by_line(tools: Tools):
    listed = tools.run(["ffmpeg", "-hide_banner", "-filters"], timeout_seconds=20)
    assert len(listed.stdout) > 1 << 14
    lines: list[str] = []
    done = tools.run(
        ["ffmpeg", "-hide_banner", "-filters"], timeout_seconds=20, on_stdout_line=lines.append
    )
    assert done.stdout == b""
    assert "\n".join(lines) + "\n" == listed.stdout.decode()


def test_full_pipes_on_both_sides_never_block(tools: Tools, scratch: Scratch):
    """A debug log of megabytes on stderr while raw frames fill stdout."""
    done = make(
        tools,
        *["-v", "debug", "-debug_ts", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
        seconds=4,
        log_name="noisy",
    )
    assert len(done.stdout) == 100 * 320 * 240 * 3 // 2
    assert (scratch.logs / "noisy.log").stat().st_size > 1 << 16


def test_too_much_stdout_is_an_error(tools: Tools):
    with pytest.raises(SaidTooMuch, match="more than 1000 bytes"):
        tools.run(["ffprobe", "-codecs"], timeout_seconds=20, max_stdout_bytes=1000)


def test_a_failure_has_its_code_and_last_line(tools: Tools):
    with pytest.raises(ChildFailed, match="No such file") as failed:
        tools.run(["ffprobe", "-v", "error", "nothing-here"], timeout_seconds=20)
    assert failed.value.exit_code_child == 1
    assert "nothing-here" in (failed.value.log_tail or "")
    done = tools.run(["ffprobe", "-v", "error", "nothing-here"], timeout_seconds=20, check=False)
    assert done.exit_code == 1


def test_a_failure_is_headed_by_its_last_error(tools: Tools, scratch: Scratch):
    (scratch.out / "no.mp4").write_text("no film at all")
    argv = ["ffmpeg", "-nostdin", "-loglevel", "level+verbose", "-i", "out/no.mp4", "out/a.mp4"]
    with pytest.raises(ChildFailed) as failed:
        tools.run(argv, timeout_seconds=20)
    assert "Invalid data found" in str(failed.value)
    assert "[error]" not in str(failed.value)


@pytest.mark.parametrize(
    ("log", "headline"),
    [
        (
            "[libx264 @ 0x55888cc9a680] [error] Error setting profile nix.\n"
            "[libx264 @ 0x55888cc9a680] [info] Possible profiles: baseline main\n"
            "[info] Conversion failed!\n",
            "Error setting profile nix.",
        ),
        ("[out#0 @ 0xa1] [mp4 @ 0xb2] [fatal] no header\n[verbose] bye\n", "no header"),
        ("[error] true\n[info]     title : [error] a film's own words\n", "true"),
        ("[mov,mp4 @ 0x55fc0] moov atom not found\n\n", "moov atom not found"),
        (" \n", "it did not say why"),
    ],
)
def test_the_headline_of_a_log(log: str, headline: str):
    assert _headline(log) == headline


def test_what_may_be_written_can_shrink(tools: Tools):
    make(tools, "-f", "rawvideo", "out/a.raw")
    tools.limit_files(1 << 16)
    with pytest.raises(ScratchFull):
        make(tools, "-f", "rawvideo", "out/a.raw")


def test_the_network_is_out_of_reach(tools: Tools):
    with pytest.raises(ChildFailed, match="Permission denied"):
        tools.run(["ffprobe", "-v", "error", "http://127.0.0.1:1/x.mp4"], timeout_seconds=20)


def test_time_is_limited(tools: Tools):
    begun = time.monotonic()
    with pytest.raises(FFmpegFailed, match=r"after 0\.7 s"):
        tools.run(ENDLESS, timeout_seconds=0.7)
    assert time.monotonic() - begun < 5


def test_a_request_to_stop_ends_the_child(tools: Tools, stop: Stop):
    before = children()
    threading.Timer(0.5, stop.request).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        tools.run(ENDLESS, timeout_seconds=60)
    assert time.monotonic() - begun < 5
    assert children() == before
    with pytest.raises(Interrupted):
        tools.run(["ffprobe", "-version"], timeout_seconds=5)


def test_an_error_in_the_callback_ends_the_child(tools: Tools):
    def refuse(line: str) -> None:
        raise ZeroDivisionError(line)

    before = children()
    with pytest.raises(ZeroDivisionError):
        tools.run(
            [*ENDLESS[:-3], "-progress", "-", *ENDLESS[-3:]],
            timeout_seconds=60,
            on_stdout_line=refuse,
        )
    assert children() == before


def test_killed_for_memory_is_told(tools: Tools):
    before = children()

    def kill_children() -> None:
        for pid in children() - before:
            os.kill(pid, signal.SIGKILL)

    threading.Timer(0.5, kill_children).start()
    with pytest.raises(OutOfMemory, match="raise resources"):
        tools.run(ENDLESS, timeout_seconds=60)


def test_too_little_address_space_is_told(scratch: Scratch, stop: Stop):
    small = Tools(scratch, Sandbox(scratch.root, threads=1, memory_bytes=1 << 20), stop)
    source = ["-f", "lavfi", "-i", "color=s=8192x8192:d=1"]
    with pytest.raises(OutOfMemory):
        small.run(["ffmpeg", *source, "-c:v", "libx264", "out/a.mp4"], timeout_seconds=60)


def test_a_file_that_asks_for_more_than_it_may_is_not_out_of_memory(tools: Tools):
    """The container has room: it is the child that was given a bound, for this command alone."""
    source = ["-f", "lavfi", "-i", "color=s=4096x4096:d=1"]
    argv = ["ffmpeg", *source, "-c:v", "rawvideo", "-f", "null", "-"]
    with pytest.raises(ChildFailed):
        tools.run(argv, timeout_seconds=60, data_bytes=100 << 20)
    assert tools.run(argv, timeout_seconds=60).max_rss_bytes > 100 << 20


def test_a_full_scratch_is_told(scratch: Scratch, stop: Stop):
    small = Tools(scratch, Sandbox(scratch.root, threads=1, file_bytes=1 << 16), stop)
    with pytest.raises(ScratchFull):
        make(small, "-f", "rawvideo", "out/a.raw")


@pytest.mark.parametrize("name", ["sh", "/bin/sh", "../ffmpeg"])
def test_no_other_program_is_run(tools: Tools, name: str):
    with pytest.raises(NotDoable):
        tools.run([name], timeout_seconds=1)


def children() -> set[int]:
    """Processes of ours that are alive."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in listed}


def test_a_child_that_ended_just_before_it_is_given_up_is_still_ours_to_reap(tools: Tools):
    """What made us give it up is told, and not that there was nobody left to wait for."""
    others = children()  # servers of other tests

    def give_up(line: str) -> None:
        while not any(map(_is_zombie, children() - others)):
            time.sleep(0.01)
        raise ValueError(line)

    with pytest.raises(ValueError, match="ffmpeg version"):
        tools.run(["ffmpeg", "-version"], timeout_seconds=20, on_stdout_line=give_up)
    assert children() <= others


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
