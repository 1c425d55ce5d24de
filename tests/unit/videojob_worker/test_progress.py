"""From ffmpeg's lines to a fraction, and to an account."""

from __future__ import annotations

from fractions import Fraction

import pytest

from videojob_worker.progress import PassProgress, ProgressParser, Way
from videojob_worker.tally import ReadStream, parse_tally


def feed(parser: ProgressParser, *lines: str) -> list[PassProgress]:
    return [progress for line in lines if (progress := parser.feed(line + "\n"))]


def block(frame: int, us: str = "N/A", last: str = "continue") -> list[str]:
    return [f"frame={frame}", "fps=50.5", f"out_time_us={us}", "speed=1.25x", f"progress={last}"]


def test_frames_tell_how_far_it_is() -> None:
    seen = feed(ProgressParser(200, Fraction(8)), *block(50), *block(100))
    assert seen == [PassProgress(0.25, 50.5, 1.25), PassProgress(0.5, 50.5, 1.25)]


def test_without_frames_time_does() -> None:
    parser = ProgressParser(None, Fraction(8))
    assert [p.fraction for p in feed(parser, *block(0, "2000000"), *block(3, "4000000"))] == [
        *(0.25, 0.5)
    ]


def test_it_never_goes_back_and_is_whole_only_at_the_end() -> None:
    parser = ProgressParser(100, Fraction(4))
    lines = [*block(60), *block(40), *block(140), *block(140, last="end")]
    assert [p.fraction for p in feed(parser, *lines)] == [0.6, 0.6, 0.999, 1.0]


def test_what_is_not_known_yet_is_nothing() -> None:
    lines = ("frame=0", "fps=0.00", "out_time_us=N/A", "speed=N/A", "progress=continue")
    assert feed(ProgressParser(100, Fraction(4)), *lines) == [PassProgress(0.0, 0.0, None)]


FIVE = (
    "[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:source':",
    "[info]     title           : Input stream #0:0 (video): 9 packets read (9 bytes); 9 frames",
    "[h264 @ 0x55d7a3005180] [error] error while decoding MB 4 0",
    "[error] Error while decoding stream #0:0: Invalid data found when processing input",
    "[verbose] Input file #0 (source):",
    "[verbose]   Input stream #0:0 (video): 200 packets read (1808199 bytes); 199 frames decoded; ",
    "[verbose]   Input stream #0:1 (audio): 376 packets read (69495 bytes); 375 frames decoded "
    "(384000 samples); ",
    "[verbose]   Input stream #0:2 (audio): 376 packets read (69495 bytes); ",
    "[verbose]   Output stream #0:0 (video): 199 frames encoded; 199 packets muxed (662 bytes); ",
    "[verbose]   Output stream #1:1 (audio): 375 frames encoded (384000 samples); 376 packets",
)
SEVEN = (
    "[out#0/tee @ 0x5555] [verbose]   Output stream #0:0 (video): 199 frames encoded; 199 packets",
    "[out#1/mp4 @ 0x5555] [verbose]   Output stream #1:1 (audio): 375 frames encoded (384000 sam",
    "[vist#0:0/h264 @ 0x5] [dec:h264 @ 0x5] [error] Error submitting packet to decoder: Invalid",
    "[h264 @ 0x7fbf3c75e540] [fatal] what else",
    "[in#0/mov,mp4 @ 0x5] [verbose]   Input stream #0:0 (video): 200 packets read (1808 bytes); "
    "199 frames decoded; 1 decode errors; ",
    "[in#0/mov,mp4 @ 0x5] [verbose]   Input stream #0:1 (audio): 376 packets read (694 bytes); "
    "375 frames decoded; 0 decode errors (384000 samples); ",
    "[in#0/mov,mp4 @ 0x5] [verbose]   Input stream #0:2 (audio): 376 packets read (69495 bytes)",
)


@pytest.mark.parametrize("log", [FIVE, SEVEN], ids=["5.1", "7.1"])
def test_the_account_at_the_end_of_a_log(log: tuple[str, ...]) -> None:
    tally = parse_tally(log)
    assert tally.read == {
        0: ReadStream(packets=200, frames=199, samples=0),
        1: ReadStream(packets=376, frames=375, samples=384000),
        2: ReadStream(packets=376, frames=0, samples=0),
    }
    assert tally.encoded == {(0, 0): 199, (1, 1): 375}
    assert tally.error_count == 2
    assert "0x" not in "".join(tally.complaints)


def test_a_title_is_no_complaint() -> None:
    log = "[info]     title   : [error] nothing\n[info] [h264 @ 0x1] text\n"
    assert parse_tally(log.splitlines()).error_count == 0


def test_parts_make_one_way_by_their_weights() -> None:
    told: list[tuple[float, float | None]] = []
    way = Way(
        [3.0, 0.0, 1.0], lambda fraction, *, fps=None, speed=None: told.append((fraction, fps))
    )
    way.next_leg()(0.5, fps=25.0)
    way.next_leg()(0.7)
    last = way.next_leg()
    last(0.0)
    last(1.0)
    assert told == [(0.375, 25.0), (0.75, None), (0.75, None), (1.0, None)]


def test_a_way_without_weight_is_no_division_by_zero() -> None:
    told: list[float] = []
    Way([0.0], lambda fraction, **_: told.append(fraction)).next_leg()(1.0)
    assert told == [0.0]
