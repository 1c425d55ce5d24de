"""Synthesises the noise of the step ``cloak``: planes that repeat for nobody who lacks the seed.

Called by ``feeds`` while ffmpeg reads. The patterns are those of procedural adversarial noise (K. T. Co,
L. Muñoz-González, S. de Maupeou, E. C. Lupu, "Procedural Noise Adversarial Examples for Black-Box
Attacks on Deep Convolutional Networks", ACM CCS 2019): band-limited textures that many networks
answer to alike, made without a model. Equal seeds give equal planes. It knows numbers only: no
processes, no files. numpy is imported here, so this module is imported late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np

from videojob_api.steps import CloakMethod

from .media import Size
from .nodes import Noise

TILES = 16
"""Different ones; each plane shows one of them, shifted and mirrored by chance."""
_MOST_TILE, _LEAST_TILE = 1024, 64
"""Pixels of a tile's side: memory does not grow with the size of the pictures beyond."""
_WAVES = 24
"""Of the pattern along the shorter side of the picture: what is left when a network shrinks it."""
_ORIENTATIONS = 3
_BANDWIDTH = 0.25
"""Of a Gabor kernel's spectrum, in parts of its frequency."""
_SPREAD = 2 * _BANDWIDTH**2
_CONTRAST = 2.0
"""Gabor noise is brought near its bound almost everywhere; the rest is cut off there."""
_OCTAVES = 4
_SINE_WAVES = 3.0

Plane = np.ndarray[Any, np.dtype[Any]]


def planes(noise: Noise) -> Iterator[tuple[bytes, bytes]]:
    """Pictures without end, each as the bytes of its luma and of both chromas.

    Luma lies around the middle of its range, and never further from it than ``noise.bound``;
    chroma is all middle.
    """
    chance = _chance(noise.seed, b"places")
    side = _side(noise.size)
    # So many that each picture has its own; made when they are first shown, kept while it runs.
    tile = lru_cache(TILES)(lambda number: _in_steps(noise, make_tile(noise, number, side)))
    chroma = middle_chroma(noise)
    across, down = np.arange(noise.size.width), np.arange(noise.size.height)
    while True:
        number, right, below, mirrored, upset = (
            int(chance.integers(most)) for most in (TILES, side, side, 2, 2)
        )
        columns = ((-across if mirrored else across) + right) % side
        rows = ((-down if upset else down) + below) % side
        yield tile(number).take(rows, axis=0).take(columns, axis=1).tobytes(), chroma


def as_bytes(noise: Noise, plane: Plane) -> bytes:
    """A plane within -1..1 as luma."""
    return _in_steps(noise, plane).tobytes()


def middle_chroma(noise: Noise) -> bytes:
    """Both chromas of a picture: they change nothing."""
    half = -(-noise.size.width // 2) * -(-noise.size.height // 2)
    return np.full(2 * half, _middle(noise), _kind(noise)).tobytes()


def _in_steps(noise: Noise, plane: Plane) -> Plane:
    steps: Plane = np.rint(plane * noise.bound + _middle(noise)).astype(_kind(noise))
    return steps


def _middle(noise: Noise) -> int:
    return 1 << (noise.bit_depth - 1)


def _kind(noise: Noise) -> np.dtype[Any]:
    return np.dtype("u1") if noise.bit_depth == 8 else np.dtype("<u2")


def make_tile(noise: Noise, number: int, side: int) -> Plane:
    """One tile within -1..1, whose ends fit each other."""
    chance = _chance(noise.seed, b"tile", bytes([number]))
    return _MAKERS[noise.method](chance, side, noise.size.short / _WAVES)


def _side(size: Size) -> int:
    """The power of two that covers a picture, or the largest that we keep in memory."""
    longest = max(size.width, size.height)
    return min(_MOST_TILE, max(_LEAST_TILE, 1 << (longest - 1).bit_length()))


def _chance(*parts: bytes) -> np.random.Generator:
    return np.random.default_rng(list(sha256(b"\n".join(parts)).digest()))


def _white(chance: np.random.Generator, side: int, wavelength: float) -> Plane:
    """Every pixel by itself, evenly spread."""
    noise: Plane = chance.random((side, side), dtype=np.float32) * 2 - 1
    return noise


def _gabor(chance: np.random.Generator, side: int, wavelength: float) -> Plane:
    """Gabor noise: Gaussians times waves at places by chance, in a few orientations.

    After A. Lagae et al., "Procedural Noise using Sparse Gabor Convolution" (ACM ToG 2009): with many
    kernels it is Gaussian noise with the kernels' power spectrum, and so is made from that.
    """
    # What lies beyond the kernels' spectrum is nothing, and need not be transformed.
    reach = min(side // 2, int(side / wavelength * (1 + 4 * _BANDWIDTH)) + 1)
    down = np.fft.fftfreq(side)[:, None] * wavelength
    across = np.arange(reach + 1)[None, :] / side * wavelength
    envelope = np.zeros((side, reach + 1))
    for angle in chance.uniform(0, np.pi, _ORIENTATIONS):
        for sign in (1, -1):
            x, y = across - sign * np.cos(angle), down - sign * np.sin(angle)
            envelope += np.exp(x * x / -_SPREAD) * np.exp(y * y / -_SPREAD)
    waves = chance.standard_normal((2, side, reach + 1))
    spectrum = ((waves[0] + 1j * waves[1]) * envelope).astype(np.complex64)
    noise = np.fft.irfft(np.fft.ifft(spectrum, axis=0), side, axis=1)
    bounded: Plane = np.clip(noise * (_CONTRAST / noise.std()), -1, 1)
    return bounded


def _perlin(chance: np.random.Generator, side: int, wavelength: float) -> Plane:
    """Gradient noise in octaves through a sine, as Co et al. have it.

    After K. Perlin, "Improving Noise" (SIGGRAPH 2002): gradients on a lattice, faded into each other by
    6t⁵-15t⁴+10t³. Each pixel of a cell is linear in the gradients of its corners.
    """
    cell = min(side // 4, max(4, 1 << round(float(np.log2(2 * wavelength)))))
    total = np.zeros((side, side), np.float32)
    for octave in range(_OCTAVES):
        size = max(2, cell >> octave)
        total += _gradients(chance, side, size) / 2**octave
    noise: Plane = np.sin(total * np.float32(_SINE_WAVES * np.pi))
    return noise


def _gradients(chance: np.random.Generator, side: int, cell: int) -> Plane:
    count = side // cell
    angles = chance.uniform(0, 2 * np.pi, (count, count)).astype(np.float32)
    gradients = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    place = (np.arange(cell, dtype=np.float32) + 0.5) / cell
    fade = place**3 * (place * (place * 6 - 15) + 10)
    corners, weights = [], []
    for right in (0, 1):
        for below in (0, 1):
            x, y = np.meshgrid(place - right, place - below)
            near_x, near_y = (np.abs(1 - end - fade) for end in (right, below))
            weight = near_y[:, None] * near_x[None, :]
            weights += [x * weight, y * weight]
            corners.append(np.roll(gradients, (-below, -right), axis=(0, 1)))
    cells = np.concatenate(corners, axis=-1).reshape(count * count, 8)
    pixels = cells @ np.stack(weights).reshape(8, cell * cell)
    shaped = pixels.reshape(count, count, cell, cell).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(shaped.reshape(side, side))


_MAKERS: dict[CloakMethod, Callable[[np.random.Generator, int, float], Plane]] = {
    CloakMethod.NOISE: _white,
    CloakMethod.PERLIN: _perlin,
    CloakMethod.GABOR: _gabor,
}
