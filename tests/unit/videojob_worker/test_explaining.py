"""Whose fault it is that ffmpeg ended with an error: the film's, the order's, or nobody knows."""

from __future__ import annotations

import pytest
from media_builders import a_film, an_audio, mp4, the_pass

from videojob_worker.errors import FFmpegFailed, NotDoable, Rejected
from videojob_worker.ffmpeg import ChildFailed
from videojob_worker.passes import _explained

MKV = a_film(format_name="matroska,webm", audio=(an_audio(codec="ac3"),))
GAVE_UP = "[error] Error submitting audio frame to the encoder\n[info] Conversion failed!\n"


@pytest.mark.parametrize(
    "complaint",
    [
        "[matroska,webm @ 0x5f] [error] Element at 0x67 exceeds its master\n",
        "[h264 @ 0x5f] [error] error while decoding MB 7 4\n",
        "[aac @ 0x5f] [error] Input contains (near) NaN/+-Inf\n",
        "[error] Error while decoding stream #0:0: Invalid data found\n",
    ],
)
def test_a_film_that_upset_its_reader_is_damaged(complaint: str):
    error = ChildFailed("it ended with 1", log_tail=complaint + GAVE_UP, exit_code_child=1)
    found = _explained(the_pass(mp4("web", 720), film=MKV), error)
    assert isinstance(found, Rejected)
    assert found.reason == "Damaged"


@pytest.mark.parametrize(
    "complaint",
    [
        "",
        "[aac @ 0x5f] [error] more samples than frame size\n",  # an encoder's word
        "[ac3 @ 0x5f] [error] channel_layout not specified\n",  # perhaps one
        "[matroska,webm @ 0x5f] [warning] Unknown entry 0x64\n",
        "[info]     title : [h264 @ 0x5f] [error] a film's own words\n",
    ],
)
def test_of_other_failures_the_film_is_not_accused(complaint: str):
    error = ChildFailed("it ended with 1", log_tail=complaint + GAVE_UP, exit_code_child=1)
    assert _explained(the_pass(mp4("web", 720), film=MKV), error) is error


def test_neither_is_it_where_ffmpeg_was_stopped_or_crashed():
    tail = "[h264 @ 0x5f] [error] error while decoding MB 7 4\n"
    stage = the_pass(mp4("web", 720), film=MKV)
    crashed = ChildFailed("killed by SIGSEGV", log_tail=tail, exit_code_child=-11)
    assert _explained(stage, crashed) is crashed
    stopped = FFmpegFailed("stopped after 300 s", log_tail=tail)
    assert _explained(stage, stopped) is stopped


def test_what_ffmpeg_lacks_comes_first():
    tail = "[h264 @ 0x5f] [error] error while decoding MB 7 4\n[fatal] Unknown encoder 'libx265'\n"
    lacking = ChildFailed("it ended with 1", log_tail=tail, exit_code_child=1)
    assert isinstance(_explained(the_pass(mp4("web", 720), film=MKV), lacking), NotDoable)
