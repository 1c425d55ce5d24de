"""Where torch computes is proven, and said; torch itself is stood for, so this runs without it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from videojob_worker.classifiers import TorchDevice, choose_torch_device


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    choose_torch_device.cache_clear()
    yield
    choose_torch_device.cache_clear()


def a_torch(*, available: bool, computes: bool) -> Any:
    def ones(*_: Any, **__: Any) -> Any:
        if not computes:
            raise RuntimeError("no kernel image is available\nCompile with so and so")
        return None

    def is_available() -> bool:
        warnings.warn("the NVIDIA driver on your system is too old", stacklevel=1)
        return available

    result = SimpleNamespace(sum=lambda: SimpleNamespace(backward=lambda: None))
    cuda = {"synchronize": lambda: None, "get_device_name": lambda: "NVIDIA H200"}
    return SimpleNamespace(
        cuda=SimpleNamespace(is_available=is_available, **cuda),
        ones=ones,
        nn=SimpleNamespace(functional=SimpleNamespace(conv2d=lambda *_: result)),
    )


@pytest.mark.parametrize(
    ("available", "computes", "device"),
    [
        (False, True, TorchDevice("cpu", "NoCUDADevice")),
        (True, False, TorchDevice("cpu", "CUDAFails: no kernel image is available")),
        (True, True, TorchDevice("cuda", "NVIDIA H200")),
    ],
    ids=["none", "listed only", "works"],
)
def test_a_card_is_used_once_it_has_computed(
    available: bool, computes: bool, device: TorchDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = a_torch(available=available, computes=computes)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert choose_torch_device() == device
