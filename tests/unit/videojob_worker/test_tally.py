"""ffmpeg's account of how loud it was, and how much sound there was."""

from __future__ import annotations

from videojob_worker.nodes import Level
from videojob_worker.tally import parse_tally

SUMMARY = """\
[ebur128@meter1 @ 0x5] [info] Summary:

  Integrated loudness:
    I:         -70.0 LUFS
    Threshold:   0.0 LUFS

  True peak:
    Peak:       -inf dBFS
[ebur128@meter2 @ 0x6] [info] Summary:

  Integrated loudness:
    I:         -21.7 LUFS
    Threshold: -31.7 LUFS

  Loudness range:
    LRA:         4.2 LU
    Threshold: -41.7 LUFS
    LRA low:   -41.7 LUFS
    LRA high:  -21.7 LUFS

  True peak:
    Peak:        0.3 dBFS
[ebur128@meter1 @ 0x7] [info] Summary:

  Integrated loudness:
    I:         -16.1 LUFS

  True peak:
    Peak:       -1.8 dBFS
"""


def test_each_meter_has_its_say_and_the_last_word_counts() -> None:
    """A meter that is set up anew tells of nothing first."""
    assert parse_tally(SUMMARY.splitlines()).levels == {
        "meter1": Level(-16.1, -1.8, 0.0),
        "meter2": Level(-21.7, 0.3, 4.2),
    }


def test_silence_has_a_number() -> None:
    levels = parse_tally(SUMMARY.splitlines()[:9]).levels
    assert levels == {"meter1": Level(-70.0, -120.0, 0.0)}
    assert not levels["meter1"].is_heard


def test_half_an_account_is_none() -> None:
    assert parse_tally(SUMMARY.splitlines()[:5]).levels == {}


def test_sound_is_counted_where_silence_is_added() -> None:
    lines = [
        "[astats@meter1 @ 0x5] [info] Overall",
        "[astats@meter1 @ 0x5] [info] Number of samples: 48000",
        "    title           : [astats@meter2 @ 0x5] [info] Number of samples: 7",
    ]
    assert parse_tally(lines).padded == {"meter1": 48000}
