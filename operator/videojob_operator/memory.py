"""Memory: how much more a worker gets after it ran out of it. Pure.

Read by ``verdicts`` (whether another try can help) and ``policies.retries`` (what it gets).
"""

from __future__ import annotations

from videojob_api.base import parse_quantity
from videojob_api.videojob import VideoJobSpec

_MEBIBYTE = 1 << 20


def base_memory(spec: VideoJobSpec) -> int:
    """The memory limit that the manifest asks for, in bytes."""
    return int(parse_quantity(spec.resources.limits.memory))


def more_memory(spec: VideoJobSpec, bytes_before: int) -> int | None:
    """What to try with after so many bytes were too few; None when more is not allowed."""
    policy = spec.retry.out_of_memory
    wanted = min(int(bytes_before * policy.factor), int(parse_quantity(policy.max)))
    return wanted if wanted > bytes_before else None


def format_memory(size_bytes: int) -> str:
    """As a quantity: whole GiB where it is, else MiB."""
    mebibytes = -(-size_bytes // _MEBIBYTE)
    return f"{mebibytes // 1024}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"
