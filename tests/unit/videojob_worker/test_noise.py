"""Noise: bounded, from a seed, without edges, and in the band that each method promises."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from videojob_api.steps import CloakMethod
from videojob_worker.media import Size
from videojob_worker.nodes import Noise
from videojob_worker.noise import Plane, make_tile, planes

METHODS = [method for method in CloakMethod if method is not CloakMethod.GRADIENT]
SIDE = 256


def a_noise(method: CloakMethod = CloakMethod.GABOR, **changes: object) -> Noise:
    made: dict[str, object] = {
        "path": Path("/s/noise"),
        "method": method,
        "bound": 20,
        "size": Size(255, 143),
        "frame_rate": Fraction(5, 2),
        "seed": b"seed",
    }
    return Noise(**(made | changes))  # type: ignore[arg-type]


def lumas(noise: Noise, count: int) -> list[Plane]:
    kind = "u1" if noise.bit_depth == 8 else "<u2"
    shape = (noise.size.height, noise.size.width)
    return [np.frombuffer(luma, kind).reshape(shape) for luma, _ in islice(planes(noise), count)]


def spectrum(tile: Plane) -> tuple[Plane, Plane]:
    """Waves along the side, and the power of each."""
    power = np.abs(np.fft.rfft2(tile - tile.mean())) ** 2
    down, across = np.fft.fftfreq(len(tile)), np.fft.rfftfreq(len(tile))
    return np.hypot(down[:, None], across[None, :]) * len(tile), power / power.sum()


@pytest.mark.parametrize("bit_depth", [8, 10])
@pytest.mark.parametrize("method", METHODS)
def test_no_pixel_is_off_by_more_than_the_bound(method: CloakMethod, bit_depth: int) -> None:
    noise = a_noise(method, bit_depth=bit_depth)
    middle = 1 << (bit_depth - 1)
    for luma in lumas(noise, 3):
        off = luma.astype(int) - middle
        assert (off.min(), off.max()) == (-20, 20)
        assert abs(off.mean()) < 4
    _, chroma = next(planes(noise))
    values = np.frombuffer(chroma, "u1" if bit_depth == 8 else "<u2")
    assert len(values) == 2 * 128 * 72  # odd sides are rounded up
    assert set(values) == {middle}


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides_and_each_picture_is_another(method: CloakMethod) -> None:
    once, again = (lumas(a_noise(method), 8) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    others = [*once[1:], lumas(a_noise(method, seed=b"another"), 1)[0]]
    for other in others:
        assert abs(np.corrcoef(once[0].ravel(), other.ravel())[0, 1]) < 0.2


@pytest.mark.parametrize("method", METHODS)
def test_ends_of_a_tile_fit_each_other(method: CloakMethod) -> None:
    tile = make_tile(a_noise(method), 0, SIDE)
    inside = np.abs(np.diff(tile, axis=0)).mean()
    assert np.abs(tile[0] - tile[-1]).mean() == pytest.approx(inside, rel=0.35)
    assert np.abs(tile[:, 0] - tile[:, -1]).mean() == pytest.approx(inside, rel=0.6)


def test_noise_has_all_frequencies_alike() -> None:
    waves, power = spectrum(make_tile(a_noise(CloakMethod.NOISE), 0, SIDE))
    low = power[waves < SIDE / 8].mean()
    high = power[(waves > SIDE / 4) & (waves < SIDE / 2)].mean()
    assert low == pytest.approx(high, rel=0.15)


def test_gabor_lies_around_24_waves_along_the_shorter_side() -> None:
    waves, power = spectrum(make_tile(a_noise(size=Size(400, SIDE)), 0, SIDE))
    assert power[(waves > 12) & (waves < 36)].sum() > 0.75


def test_perlin_is_coarse_and_fills_its_range() -> None:
    tile = make_tile(a_noise(CloakMethod.PERLIN, size=Size(400, SIDE)), 0, SIDE)
    waves, power = spectrum(tile)
    assert power[waves < 64].sum() > 0.8
    assert tile.std() == pytest.approx(0.7, abs=0.05)  # of a sine


def test_memory_does_not_grow_with_size_nor_time() -> None:
    """Sixteen tiles of a megapixel, whatever is shown of them."""
    tracemalloc.start()
    try:
        for _ in islice(planes(a_noise(CloakMethod.NOISE, size=Size(3840, 2160))), 40):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 80 << 20


def test_the_seed_is_said_to_nobody() -> None:
    assert "seed" not in repr(a_noise())
