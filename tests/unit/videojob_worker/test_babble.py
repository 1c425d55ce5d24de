"""Babble: as loud as it says, from a seed, without an edge where it begins again."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest

from videojob_worker.babble import SAMPLE_RATE, synthesise, write_babble
from videojob_worker.loudness import BABBLE_LUFS, BABBLE_PEAK_DB

BABBLE = synthesise(b"seed", 4)


def test_it_is_as_loud_as_it_says_and_no_peak_is_higher() -> None:
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    assert meter.integrated_loudness(BABBLE) == pytest.approx(BABBLE_LUFS, abs=0.4)
    assert 20 * np.log10(abs(BABBLE).max()) <= BABBLE_PEAK_DB + 1e-9


def test_the_seed_decides() -> None:
    assert np.array_equal(BABBLE, synthesise(b"seed", 4))
    other = synthesise(b"seen", 4)
    assert abs(np.corrcoef(BABBLE, other)[0, 1]) < 0.2


def test_most_of_it_lies_where_speech_does_and_it_never_stops() -> None:
    power = np.abs(np.fft.rfft(BABBLE)) ** 2
    hertz = np.fft.rfftfreq(len(BABBLE), 1 / SAMPLE_RATE)
    assert power[(hertz > 100) & (hertz < 4000)].sum() > 0.85 * power.sum()
    blocks = BABBLE[: len(BABBLE) // 4800 * 4800].reshape(-1, 4800)
    assert np.sqrt((blocks**2).mean(axis=1)).min() > 0.2 * np.sqrt((BABBLE**2).mean())


def test_the_end_fits_the_beginning() -> None:
    steps = abs(np.diff(BABBLE))
    assert abs(BABBLE[0] - BABBLE[-1]) <= steps.max()


def test_a_file_of_it(tmp_path: Path) -> None:
    write_babble(tmp_path / "b.wav", b"seed", 4)
    with wave.open(str(tmp_path / "b.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 16000, 64000)
