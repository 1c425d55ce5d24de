"""Recordings: cut in pauses, none too long, nothing lost; 24 bits are read as well as 16."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from videojob_worker.errors import Unverified
from videojob_worker.speech.recording import RATE, Piece, Recording, cut, wav_bytes


def a_recording(folder: Path, loud: list[tuple[float, float]], seconds: float) -> Recording:
    """Noise where it is loud, silence elsewhere."""
    samples = np.zeros(int(seconds * RATE), dtype=np.int16)
    random = np.random.default_rng(1)
    for start, end in loud:
        stretch = slice(int(start * RATE), int(end * RATE))
        samples[stretch] = random.integers(-9000, 9000, len(samples[stretch]))
    path = folder / "speech.wav"
    path.write_bytes(wav_bytes(samples))
    return Recording(path)


def test_what_is_short_stays_whole(tmp_path: Path) -> None:
    recording = a_recording(tmp_path, [(0, 3)], 3.0)
    assert recording.cut(10) == (Piece(0, 3 * RATE),)


def test_it_is_cut_in_the_middle_of_pauses(tmp_path: Path) -> None:
    recording = a_recording(tmp_path, [(0, 8.5), (9.3, 17.0), (18.0, 25.0)], 25.0)
    pieces = recording.cut(10)
    cuts = [piece.after / RATE for piece in pieces[:-1]]
    assert len(cuts) == 2
    assert 8.5 < cuts[0] < 9.3
    assert 17.0 < cuts[1] < 18.0


@pytest.mark.parametrize("seconds", [0.01, 9.99, 10.0, 10.01, 33.3])
def test_without_pauses_nothing_is_lost_or_too_long(tmp_path: Path, seconds: float) -> None:
    recording = a_recording(tmp_path, [(0, seconds)], seconds)
    pieces = recording.cut(10)
    assert pieces[0].first == 0
    assert pieces[-1].after == recording.samples
    assert all(a.after == b.first for a, b in pairwise(pieces))
    assert all(0 < piece.seconds <= 10 for piece in pieces)


def test_silence_is_cut_into_few_long_pieces() -> None:
    assert len(cut(np.zeros(20 * 100), 100 * RATE, 10 * RATE)) <= 11


def test_pieces_are_read_as_they_were_written(tmp_path: Path) -> None:
    recording = a_recording(tmp_path, [(0, 2)], 2.0)
    whole = recording.read(Piece(0, recording.samples))
    parts = [recording.read(Piece(a, b)) for a, b in ((0, 999), (999, recording.samples))]
    assert np.array_equal(whole, np.concatenate(parts))
    assert np.abs(whole).max() > 8000


def test_24_bits_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "fine.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 3, RATE, 0, "NONE", ""))
        for value in (0, 1 << 8, -1 << 8, 32767 << 8, -32768 << 8):
            file.writeframes(value.to_bytes(3, "little", signed=True))
    recording = Recording(path)
    assert recording.read(Piece(0, 5)).tolist() == [0, 1, -1, 32767, -32768]


def test_another_rate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 48000, 0, "NONE", ""))
    with pytest.raises(Unverified, match="16 kHz mono"):
        Recording(path)
