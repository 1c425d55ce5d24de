"""How often a classifier changes its mind: the statistics of a cloak's report, and who is asked.

Called by ``steps.cloak_report``. It reads PNG files that our own ffmpeg wrote from decoded frames, and
nothing that came from outside. numpy, OpenCV and torch are imported here, so it is imported late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .classifiers import Classifier, Weights
from .pictures import load

_BATCH = 8
_BLOCK = 4
"""Neighbours are drawn together: frames of one film resemble each other."""
_RESAMPLES = 2000
_SEED = 20190506
_PERCENT = (2.5, 97.5)

Labels = Mapping[str, int]
"""What each frame was taken for, by its name, which is its time."""


@dataclass(frozen=True)
class Seen:
    """The same frames as they were, after the codec, and after cloak and codec."""

    before: Labels
    control: Labels
    cloaked: Labels


def classify(folder: Path, classifier: Classifier) -> Labels:
    """What a classifier takes the pictures in a folder for."""
    import torch

    paths = sorted(folder.glob("*.png"), key=lambda path: int(path.stem))
    labels: dict[str, int] = {}
    for at in range(0, len(paths), _BATCH):
        some = paths[at : at + _BATCH]
        pixels = np.stack([_read(path) for path in some]).transpose(0, 3, 1, 2)
        with torch.no_grad():
            tensor = torch.from_numpy(pixels.astype(np.float32)).to(classifier.device.name)
            found = classifier.logits(tensor).argmax(1).tolist()
        labels |= dict(zip((path.stem for path in some), found, strict=True))
    return labels


def summarise(seen: Seen) -> dict[str, Any]:
    """How many labels changed, each share with its interval of 95 % by a bootstrap.

    The codec alone changes many: so the cloak is blamed for those only that the codec left as they were.
    """
    names = [n for n in seen.before if n in seen.control and n in seen.cloaked]
    before, control, cloaked = (
        np.array([labels[name] for name in names])
        for labels in (seen.before, seen.control, seen.cloaked)
    )
    by_codec, by_both = control != before, cloaked != before
    stable = ~by_codec
    return {
        "frames": len(names),
        "codecOnly": _share(by_codec, np.ones_like(stable)),
        "cloakedAndCodec": _share(by_both, np.ones_like(stable)),
        "difference": _difference(by_both, by_codec),
        "ofThoseTheCodecLeft": _share(by_both, stable),
    }


def describe(weights: Weights) -> dict[str, str]:
    """A network, for a report."""
    return {"name": weights.title, "sha256": weights.sha256}


def _read(path: Path) -> Any:
    return cv2.cvtColor(load(path), cv2.COLOR_BGR2RGB)


def _share(changed: Any, counted: Any) -> dict[str, Any]:
    """Of the frames that count, those that changed; no share of none."""
    total = int(counted.sum())
    if total == 0:
        return {"frames": 0, "changed": None, "interval": None}
    drawn = _draws(len(changed))
    counts = counted[drawn].sum(axis=1)
    shares = (changed & counted)[drawn].sum(axis=1)[counts > 0] / counts[counts > 0]
    return {
        "frames": total,
        "changed": round(float(changed[counted].mean()), 3),
        "interval": _interval(shares),
    }


def _difference(more: Any, less: Any) -> dict[str, Any]:
    """Of the same frames: how many more changed."""
    apart = more.astype(float) - less.astype(float)
    return {
        "changed": round(float(apart.mean()), 3),
        "interval": _interval(apart[_draws(len(apart))].mean(axis=1)),
    }


def _draws(count: int) -> Any:
    """Places of frames, drawn with replacement in blocks of neighbours: a moving-block bootstrap."""
    block = min(_BLOCK, count)
    chance = np.random.default_rng(_SEED)
    starts = chance.integers(0, count - block + 1, (_RESAMPLES, -(-count // block)))
    return (starts[:, :, None] + np.arange(block)).reshape(_RESAMPLES, -1)[:, :count]


def _interval(values: Any) -> list[float]:
    return [round(float(each), 3) for each in np.percentile(values, _PERCENT)]
