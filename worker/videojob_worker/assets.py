"""Fetches what steps need besides the input, such as the image of a watermark, and looks at it.

Called by ``run.py`` before planning. The bytes come from users: only a sandboxed ffprobe opens them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from videojob_api.inputs import Input
from videojob_api.steps import Step
from videojob_api.videojob import Limits

from .errors import NotDoable, Rejected
from .fetch import fetch
from .whitelists import IMAGE_CODECS, MAX_IMAGE_PIXELS, image_options, input_url

if TYPE_CHECKING:
    from .ffmpeg import Tools
    from .objects import Storage
    from .scratch import Scratch

MAX_IMAGE_SIZE = "16Mi"
_PROBE_SECONDS = 30.0


def fetch_assets(steps: Sequence[Step], store: Storage, scratch: Scratch, tools: Tools) -> None:
    """Fetch every image that the steps name, each once.

    Raises:
        NotDoable: if one is missing, or is no image that can be used.
    """
    for key in dict.fromkeys(key for step in steps for key in step.spec.assets):
        path = scratch.asset(key)
        path.parent.mkdir(exist_ok=True)
        limits = Limits(max_bytes=MAX_IMAGE_SIZE)
        try:
            fetch(Input(name="image", key=key), limits, store, path)
        except Rejected as refused:  # the input is fine; the order names what can't be used
            raise NotDoable(f"The image can't be used: {refused}") from refused
        _check_image(key, path, tools)


def _check_image(key: str, path: Path, tools: Tools) -> None:
    pairs = image_options().items()
    options = [word for name, value in pairs for word in (f"-{name}", str(value))]
    entries = ("-show_entries", "stream=codec_name,width,height", "-of", "json")
    argv = ("ffprobe", "-v", "error", *options, *entries, "-i", input_url(path))
    completed = tools.run(argv, timeout_seconds=_PROBE_SECONDS, check=False)
    streams = json.loads(completed.stdout or b"{}").get("streams", ())
    found = [(s.get("codec_name"), s.get("width", 0) * s.get("height", 0)) for s in streams]
    if [codec in IMAGE_CODECS and pixels > 0 for codec, pixels in found] != [True]:
        raise NotDoable(
            f"{key} is not an image that can be used: PNG, JPEG and WebP are, of at most "
            f"{MAX_IMAGE_PIXELS} pixels; export it again.",
            log_tail=completed.stderr_tail,
        )
