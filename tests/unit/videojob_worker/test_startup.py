"""A worker's first child starts soon: nothing is loaded that most jobs don't need by then."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_heavy_is_loaded_at_the_start():
    code = (
        "import sys, videojob_worker.__main__, videojob_worker.cluster, videojob_worker.storage\n"
        "heavy = 'cv2 numpy minio urllib3 rich yaml tenacity asyncio ssl argparse torch'\n"
        "print([name for name in heavy.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
