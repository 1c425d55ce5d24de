"""Perturbations against a classifier: what a frame needs to be taken for something else.

Called by ``feeds`` while ffmpeg reads, with small pictures of the film that another ffmpeg shows. The
method is PGD (A. Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR
2018) with momentum (Y. Dong et al., CVPR 2018) and inputs of varying size (C. Xie et al., CVPR 2019),
which carry over to networks that it has not seen. It moves the brightness alone. Equal seeds and
frames give equal planes on one CPU; a GPU rounds differently. torch is imported late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import numpy as np

from .classifiers import SURROGATE, Classifier
from .errors import Unverified
from .nodes import Noise
from .noise import Plane, as_bytes, middle_chroma

FRAME_BYTES = SURROGATE.size.pixels * 3
_SIDE = SURROGATE.side
STEPS = 10
_STEP = 2.5 / STEPS
"""Of the bound: the whole of it can be crossed, and the way back."""
_LEAST_SHOWN = 0.85
"""Of the side, when the picture is shown smaller."""
_RGB_PER_LUMA = 255 / 219
"""Brightness has the range 16..235 of a screen's 0..255."""


def planes_against(noise: Noise, frames: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Pictures without end, each as the bytes of its luma and of both chromas.

    Args:
        noise: how strong, how large, and the seed.
        frames: RGB pixels as the surrogate wants them, from the film's beginning on, one for each
            picture of noise.
    """
    attack = Attack(noise)
    chroma = middle_chroma(noise)
    luma: bytes | None = None
    for frame in frames:
        repeated = noise.early + 1 if luma is None else 1
        luma = as_bytes(noise, attack.against(frame))
        for _ in range(repeated):
            yield luma, chroma
    if luma is None:
        raise Unverified("No frame of the film was shown to the classifier.")
    while True:
        yield luma, chroma


class Attack:
    """A surrogate, and chance from a seed."""

    def __init__(self, noise: Noise) -> None:
        import torch

        self.classifier = Classifier(SURROGATE)
        """The surrogate."""
        self._bound = noise.bound / (1 << (noise.bit_depth - 8))
        self._size = noise.size
        seed = int.from_bytes(sha256(noise.seed + b"gradient").digest()[:8])
        # On the CPU wherever the rest is: the same places for the same seed.
        self._chance = torch.Generator().manual_seed(seed)

    def against(self, frame: bytes) -> Plane:
        """What to add to the brightness of a frame, in parts of the bound, in the size of the film."""
        import torch
        from torch.nn import functional

        device = self.classifier.device.name
        shape = (1, _SIDE, _SIDE, 3)
        pixels = torch.from_numpy(np.frombuffer(frame, np.uint8).reshape(shape).copy())
        pixels = pixels.to(device).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            label = self.classifier.logits(pixels).argmax(1)
        start = torch.rand((1, 1, _SIDE, _SIDE), generator=self._chance)
        moved = (start * 2 - 1).to(device)  # in parts of the bound
        momentum = torch.zeros_like(moved)
        for _ in range(STEPS):
            moved.requires_grad_(True)
            shown = (pixels + moved * (self._bound * _RGB_PER_LUMA)).clamp(0, 255)
            loss = functional.cross_entropy(self.classifier.logits(self._varied(shown)), label)
            (slope,) = torch.autograd.grad(loss, moved)
            momentum += slope / slope.abs().mean().clamp_min(1e-12)
            moved = (moved.detach() + _STEP * momentum.sign()).clamp(-1, 1)
        size = (self._size.height, self._size.width)
        spread = functional.interpolate(moved, size, mode="bilinear", align_corners=False)
        plane: Plane = spread[0, 0].cpu().numpy()
        return plane

    def _varied(self, shown: Any) -> Any:
        """The picture somewhat smaller, at a place by chance, as other networks might see it."""
        import torch
        from torch.nn import functional

        least = round(_SIDE * _LEAST_SHOWN)
        drawn = torch.rand(3, generator=self._chance).tolist()
        side = least + round(drawn[0] * (_SIDE - least))
        rest = _SIDE - side
        left, top = (round(each * rest) for each in drawn[1:])
        smaller = functional.interpolate(shown, (side, side), mode="bilinear", align_corners=False)
        return functional.pad(smaller, (left, rest - left, top, rest - top), value=127.0)
