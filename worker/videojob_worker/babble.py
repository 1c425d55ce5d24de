"""Synthesises babble: many voices at once that say nothing, with the spectrum and rhythm of speech.

Used by the step ``audioMask``, which has ffmpeg play the file in a loop. No recording is needed: each
talker is a train of pulses through the resonances of changing vowels, with noise for fricatives,
in syllables and phrases (source and filter, after G. Fant, *Acoustic Theory of Speech Production*,
1960). Equal seeds give equal babble. numpy is imported here, so this module is imported late.
"""

from __future__ import annotations

import wave
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from .loudness import BABBLE_LUFS, BABBLE_PEAK_DB

SAMPLE_RATE = 16000
"""Speech is understood by what lies below 8 kHz."""
TALKERS = 8
_VOWELS = np.array(
    [  # centres of the first four resonances, in Hz, of a man's vowels (Peterson and Barney, 1952)
        *((270, 2290, 3010, 3600), (390, 1990, 2550, 3600), (530, 1840, 2480, 3500)),
        *((660, 1720, 2410, 3500), (730, 1090, 2440, 3400), (570, 840, 2410, 3400)),
        *((440, 1020, 2240, 3300), (300, 870, 2240, 3300), (640, 1190, 2390, 3400)),
    ],
    dtype=np.float64,
)
_BANDWIDTHS = np.array([60.0, 90.0, 150.0, 250.0])
_FRAME = 8192
_SYLLABLE_SECONDS = (0.12, 0.32)
_PHRASE_SYLLABLES = (5, 14)
_PAUSE_SECONDS = (0.15, 0.5)
_FRICATIVE_SHARE = 0.4
_LOWEST_HZ = 80.0
_FREQUENCIES = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE)

Samples = np.ndarray[Any, np.dtype[np.floating[Any]]]


def write_babble(path: Path, seed: bytes, seconds: float) -> None:
    """Write babble of a known loudness as a mono WAV whose end fits its beginning.

    Args:
        path: the file.
        seed: equal ones give equal babble.
        seconds: its length.
    """
    samples = synthesise(seed, seconds)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def synthesise(seed: bytes, seconds: float) -> Samples:
    """Babble at ``BABBLE_LUFS``, with no peak above ``BABBLE_PEAK_DB``; full scale is 1."""
    count = max(SAMPLE_RATE // 2, round(seconds * SAMPLE_RATE))
    mixed = np.zeros(count)
    for number in range(TALKERS):
        chance = np.random.default_rng(list(sha256(seed + bytes([number])).digest()))
        voice = _talk(chance, count)
        mixed += voice / np.sqrt(np.mean(voice**2))
    mixed *= 10 ** ((BABBLE_LUFS - loudness_lufs(mixed)) / 20)
    peak = 10 ** (BABBLE_PEAK_DB / 20)
    return np.clip(mixed, -peak, peak)


def loudness_lufs(samples: Samples) -> float:
    """Loudness of steady mono sound at ``SAMPLE_RATE``, by ITU-R BS.1770's weighting."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    weight = np.abs(_k_weighting(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE))) ** 2
    mean_square = 2 * np.sum(power * weight) / len(samples) ** 2
    return float(-0.691 + 10 * np.log10(mean_square))


def _k_weighting(frequencies: Samples) -> np.ndarray[Any, np.dtype[np.complex128]]:
    """The response of the two filters of BS.1770, which are given for 48 kHz."""
    z = np.exp(-2j * np.pi * frequencies / 48000)
    head = 1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2
    head = head / (1 - 1.69065929318241 * z + 0.73248077421585 * z**2)
    low = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    weighted: np.ndarray[Any, np.dtype[np.complex128]] = head * low
    return weighted


def _talk(chance: np.random.Generator, count: int) -> Samples:
    """One talker, who begins anywhere and goes round."""
    voice = np.zeros(count)
    pitch_hz, tract = chance.uniform(90, 230), chance.uniform(0.85, 1.2)
    place, end, left = int(chance.integers(count)), 0, 0
    end = place + count
    while place < end:
        if left == 0:
            left = int(chance.integers(*_PHRASE_SYLLABLES))
            place += int(chance.uniform(*_PAUSE_SECONDS) * SAMPLE_RATE)
        syllable = _speak(chance, pitch_hz, tract)
        here = np.arange(place, place + len(syllable)) % count
        np.add.at(voice, here, syllable)
        place += int(len(syllable) * 0.9)  # they run into each other
        left -= 1
    return voice


def _speak(chance: np.random.Generator, pitch_hz: float, tract: float) -> Samples:
    """One syllable: perhaps a fricative, and a vowel that turns into another."""
    length = int(chance.uniform(*_SYLLABLE_SECONDS) * SAMPLE_RATE)
    begin, end = (float(pitch) for pitch in chance.uniform(0.85, 1.15, 2))
    glide = np.linspace(begin, end, length)
    phase = np.cumsum(pitch_hz * glide / SAMPLE_RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.01 * chance.standard_normal(length)
    first, second = (_filtered(pulses, _resonances(chance, tract)) for _ in range(2))
    turn = np.linspace(0, 1, length)
    rise = np.sin(np.pi * np.minimum(1, (np.arange(length) + 0.5) / length)) ** 0.7
    sound = (first * (1 - turn) + second * turn) * rise
    sound *= 10 ** (chance.uniform(-4, 4) / 20) / np.sqrt(np.mean(sound**2))
    if chance.random() < _FRICATIVE_SHARE:
        hiss = _hiss(chance, int(chance.uniform(0.05, 0.11) * SAMPLE_RATE))
        sound = np.concatenate([hiss, sound])
    return sound


def _filtered(sound: Samples, response: Samples) -> Samples:
    return np.fft.irfft(np.fft.rfft(sound, _FRAME) * response)[: len(sound)]


def _resonances(chance: np.random.Generator, tract: float) -> Samples:
    """What a mouth in some shape lets through, with the fall of a voice towards high tones."""
    centres = _VOWELS[chance.integers(len(_VOWELS))] * tract
    response = np.ones_like(_FREQUENCIES)
    for centre, width in zip(centres, _BANDWIDTHS, strict=True):
        ratio = _FREQUENCIES / centre
        response /= np.sqrt((1 - ratio**2) ** 2 + (ratio * width / centre) ** 2)
    low = (_FREQUENCIES / _LOWEST_HZ) ** 2
    voiced: Samples = response / (1 + _FREQUENCIES / 500) * low / (1 + low)
    return voiced


def _hiss(chance: np.random.Generator, length: int) -> Samples:
    centre, width = chance.uniform(2500, 6500), chance.uniform(800, 1800)
    noise = _filtered(
        chance.standard_normal(length), np.exp(-(((_FREQUENCIES - centre) / width) ** 2))
    )
    loud: Samples = 0.35 * noise / np.sqrt(np.mean(noise**2)) * np.hanning(length)
    return loud
