"""The show beside a pass ends when the film does, when nobody looks any more, and when it can't begin."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from videojob_worker.feeds import _Show
from videojob_worker.looks import Look

FRAME = 1000


class Projector:
    """Stands for ffmpeg: writes so many frames into the pipe, or fails before it opens it."""

    def __init__(self, path: Path, frames: int | None) -> None:
        self._path, self._frames = path, frames

    def run(self, *_: Any, **__: Any) -> None:
        if self._frames is None:
            raise RuntimeError("no film")
        with self._path.open("wb", buffering=0) as pipe:
            for number in range(self._frames):
                pipe.write(bytes([number % 256]) * FRAME)


@contextmanager
def a_show(path: Path, frames: int | None) -> Iterator[tuple[_Show, int]]:
    """It, and the end of the pipe by whose closing it is told to end."""
    ended, end = os.pipe()
    tools: Any = Projector(path, frames)
    show = _Show(Look(path, (), 1.0), tools, ended)
    try:
        yield show, end
    finally:
        closing = threading.Thread(target=show.close, daemon=True)
        closing.start()
        closing.join(10)
        assert not closing.is_alive(), "it can't be ended"
        assert not path.exists()
        os.close(ended)


def test_every_frame_is_shown_and_then_it_ends(tmp_path: Path) -> None:
    with a_show(tmp_path / "pipe", 300) as (show, end):
        shown = list(show.frames(FRAME))
        os.close(end)
    assert [frame[0] for frame in shown] == [number % 256 for number in range(300)]
    assert all(len(frame) == FRAME for frame in shown)


def test_what_kept_it_from_beginning_is_told(tmp_path: Path) -> None:
    with a_show(tmp_path / "pipe", None) as (show, end):
        with pytest.raises(RuntimeError, match="no film"):
            list(show.frames(FRAME))
        os.close(end)


def test_it_ends_in_the_middle_when_nobody_looks_any_more(tmp_path: Path) -> None:
    """The projector is blocked by then: its pipe is full."""
    with a_show(tmp_path / "pipe", 10_000) as (show, end):
        frames = show.frames(FRAME)
        assert next(frames)[0] == 0
        os.close(end)
        rest: list[bytes] = []
        looking = threading.Thread(target=lambda: rest.extend(frames), daemon=True)
        looking.start()
        looking.join(10)
        assert not looking.is_alive(), "it waits for a film that nobody reads"
        assert rest == []
